// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"ofcontroller/config"
)

// watchPause is the rest between two looks at the files. A change is taken when
// two looks in a row see the same, so that a file that is being written is not
// read half. Looking sees what notifications of the kernel don't: files behind
// symbolic links that are exchanged, and files of other machines (inotify(7)).
const watchPause = 500 * time.Millisecond

// ruleStamp changes when a rule file of the configuration does.
func ruleStamp(cfg *config.Config) string {
	var b strings.Builder
	for _, at := range cfg.Inspection.Attachments {
		for _, f := range at.Rules {
			b.WriteString(stamp(f))
		}
	}
	return b.String()
}

// stamp changes when a file does, be it written, replaced or made to be another
// by a symbolic link.
func stamp(file string) string {
	if file == "" {
		return ""
	}
	i, err := os.Stat(file)
	if err != nil {
		return file + " is not there\n"
	}
	out := fmt.Sprint(file, " ", i.Size(), " ", i.ModTime().UnixNano())
	if s, ok := i.Sys().(*syscall.Stat_t); ok {
		out += fmt.Sprint(" ", s.Dev, " ", s.Ino, " ", s.Ctim.Nano())
	}
	return out + "\n"
}

// watchFiles puts rule files that change in force, and the configuration where
// that is asked for, until ctx ends.
func (a *App) watchFiles(ctx context.Context) error {
	tick := time.NewTicker(watchPause)
	defer tick.Stop()
	var before string
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		file, rules := stamp(a.o.Watch), ruleStamp(a.config())
		settled := before == file+rules
		before = file + rules
		if !settled {
			continue
		}
		a.mu.Lock()
		seen := a.seen
		a.mu.Unlock()
		switch {
		case file != seen.file:
			if err := a.Reload(ctx); err != nil && ctx.Err() == nil {
				a.log.WithError(err).Error("the configuration file has changed: not reloaded, the old one runs on")
			}
		case rules != seen.rules:
			a.reloadRules(ctx)
		}
	}
}

// stamps are those of the files that were read last, whether they were taken
// or refused.
type stamps struct{ file, rules string }

func (a *App) setSeen(s stamps) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = s
}

// reloadRules reads the rule files again and puts them in force, all or none.
func (a *App) reloadRules(ctx context.Context) {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	cfg := a.config()
	a.mu.Lock()
	seen := a.seen
	a.mu.Unlock()
	seen.rules = ruleStamp(cfg)
	if err := a.putRules(ctx, a.list()); err != nil {
		if ctx.Err() == nil {
			a.setSeen(seen)
			a.log.WithError(err).Error("rule files have changed: not taken, the old rules stay in force")
		}
		return
	}
	a.offloadRules(cfg)
	a.setSeen(seen)
	a.log.Info("rule files have changed and are in force")
}

// noteRules keeps for status why rules are not in force, nil when they are.
func (a *App) noteRules(err error) {
	text := ""
	if err != nil {
		text = "rules not in force: " + err.Error()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.view.rules = text
}
