// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
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
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log := logrus.New()
	app, cfg, err := start(ctx, cmd, log)
	if err != nil {
		return faults(cmd.ErrOrStderr(), err)
	}
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

// start makes the gateway of the first configuration that it can be made of.
func start(ctx context.Context, cmd *cobra.Command, log *logrus.Logger) (*ofapp.App, *config.Config, error) {
	m, err := joinFleet(ctx, cmd, log)
	if err != nil {
		return nil, nil, err
	}
	all, err := loadAll(cmd)
	if m != nil && err != nil { // nothing is kept of the fleet's, and the file alone is not enough
		all, err = m.first(ctx, err)
	}
	if err != nil {
		return nil, nil, err
	}
	for i, l := range all {
		setLog(log, l.config.Log)
		app, err := ofapp.New(l.config, options(cmd, log, m, l))
		if err == nil {
			return app, l.config, nil
		}
		if i == len(all)-1 {
			return nil, nil, err
		}
		log.WithError(err).WithField("cfg", l.from.Cfg).Error("the gateway cannot start with what the fleet asks for: it starts with what was in force before")
	}
	return nil, nil, errors.New("no configuration") // loadAll gives one or an error
}

// options are those of a gateway that starts with l.
func options(cmd *cobra.Command, log *logrus.Logger, m *member, l loaded) ofapp.Options {
	file := ""
	if watch, _ := cmd.Flags().GetBool("watch"); watch {
		file, _ = cmd.Flags().GetString("config")
	}
	o := ofapp.Options{
		Guard: link.OwnGuard(guardWord),
		Load:  func() (*config.Config, error) { return config.Load(cmd.Flag("config").Value.String(), cmd.Flags()) },
		Parse: func(file string, text []byte) (*config.Config, error) {
			return config.LoadText(file, text, cmd.Flags())
		},
		Level:   func(level string) (string, error) { return setLevel(log, level) },
		Applied: func(c *config.Config) { setLog(log, c.Log) },
		Watch:   file,
		Serving: func() { notify(log, daemon.SdNotifyReady) },
		Version: version, Log: log,
	}
	if m != nil {
		m.join(&o, l)
	}
	return o
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
