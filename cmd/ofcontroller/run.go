// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"ofcontroller/config"
	"ofcontroller/ips/link"
	"ofcontroller/ofapp"
)

func newRun() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the gateway in the foreground",
		Long: `Run the gateway in the foreground.

SIGTERM and SIGINT end it with exit code 0 and leave all flows in place: traffic
goes on through attachments of kind port. An embedded engine ends with this
program, and its port goes down: the switch then follows inspection.on_failure.
SIGHUP reads the configuration and the rule files again; a bad configuration is
refused whole and the old one runs on. Rule files are also read again when they
change, and with --watch the configuration file is.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runGateway(cmd) },
	}
	cmd.Flags().Bool("watch", false, "reload when the configuration file changes")
	layerFlags(cmd.Flags())
	return cmd
}

func runGateway(cmd *cobra.Command) error {
	cfg, err := load(cmd)
	if err != nil {
		return faults(cmd.ErrOrStderr(), err)
	}
	log := logrus.New()
	setLog(log, cfg.Log)
	file := ""
	if watch, _ := cmd.Flags().GetBool("watch"); watch {
		file, _ = cmd.Flags().GetString("config")
	}
	app, err := ofapp.New(cfg, ofapp.Options{
		Guard: link.OwnGuard(guardWord),
		Load:  func() (*config.Config, error) { return load(cmd) },
		Parse: func(file string, text []byte) (*config.Config, error) {
			return config.LoadText(file, text, cmd.Flags())
		},
		Level:   func(level string) (string, error) { return setLevel(log, level) },
		Applied: func(c *config.Config) { setLog(log, c.Log) },
		Watch:   file,
		Serving: func() { notify(log, daemon.SdNotifyReady) },
		Version: version, Log: log,
	})
	if err != nil {
		return faults(cmd.ErrOrStderr(), err)
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	go reloadOn(ctx, hup, app, log)
	go watchdog(ctx, log, app.Alive)
	context.AfterFunc(ctx, func() { notify(log, daemon.SdNotifyStopping) })

	log.WithField("version", version).WithField("bridge", cfg.Bridge.Name).Info("ofcontroller starts")
	if err := app.Run(ctx); err != nil {
		return err
	}
	log.Info("ofcontroller ends; its flows stay in place")
	return nil
}

// reloadOn reloads for every signal until ctx ends.
func reloadOn(ctx context.Context, hup <-chan os.Signal, app *ofapp.App, log logrus.FieldLogger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			notify(log, daemon.SdNotifyReloading)
			if err := app.Reload(ctx); err != nil {
				log.WithError(err).Error("not reloaded: the old configuration runs on")
			}
			notify(log, daemon.SdNotifyReady)
		}
	}
}

// setLevel sets the log's level, unless it is empty, and returns the one in
// force.
func setLevel(log *logrus.Logger, name string) (string, error) {
	if name != "" {
		level, err := logrus.ParseLevel(name)
		if err != nil || level < logrus.ErrorLevel || level > logrus.DebugLevel {
			return "", fmt.Errorf("level %.20q: error, warning, info or debug would be right", name)
		}
		log.SetLevel(level)
	}
	return log.GetLevel().String(), nil
}

// setLog gives the log the configured level and format.
func setLog(log *logrus.Logger, c config.Log) {
	level, err := logrus.ParseLevel(c.Level)
	if err != nil { // the configuration was validated
		level = logrus.InfoLevel
	}
	log.SetLevel(level)
	if c.Format == "json" {
		log.SetFormatter(&logrus.JSONFormatter{})
	} else {
		log.SetFormatter(&logrus.TextFormatter{FullTimestamp: true})
	}
}
