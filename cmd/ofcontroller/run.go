// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"ofcontroller/config"
	"ofcontroller/ofapp"
)

func newRun() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the gateway in the foreground",
		Long: `Run the gateway in the foreground.

SIGTERM and SIGINT end it with exit code 0 and leave all flows in place, so that
traffic goes on. SIGHUP reads the configuration and the rule files again; a bad
configuration is refused whole and the old one runs on.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runGateway(cmd) },
	}
	layerFlags(cmd.Flags())
	return cmd
}

func runGateway(cmd *cobra.Command) error {
	cfg, err := load(cmd)
	if err != nil {
		return faults(cmd.ErrOrStderr(), err)
	}
	log, err := newLog(cfg.Log)
	if err != nil {
		return err
	}
	app, err := ofapp.New(cfg, ofapp.Options{
		Load: func() (*config.Config, error) { return load(cmd) }, Version: version, Log: log,
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
			if err := app.Reload(); err != nil {
				log.WithError(err).Error("not reloaded: the old configuration runs on")
			}
		}
	}
}

// newLog makes the log on standard error.
func newLog(c config.Log) (*logrus.Logger, error) {
	log := logrus.New()
	level, err := logrus.ParseLevel(c.Level)
	if err != nil {
		return nil, fmt.Errorf("log.level: %w", err)
	}
	log.SetLevel(level)
	if c.Format == "json" {
		log.SetFormatter(&logrus.JSONFormatter{})
	} else {
		log.SetFormatter(&logrus.TextFormatter{FullTimestamp: true})
	}
	return log, nil
}
