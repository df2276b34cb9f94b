// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"ofcontroller/config"
	"ofcontroller/ips/suricata"
	"ofcontroller/ofapp/offload"
)

// Reload reads the configuration again and puts it in force: the next sync
// sends what differs, as one bundle. A bad configuration, or one that needs a
// restart, is refused whole and the old one runs on.
func (a *App) Reload(ctx context.Context) error {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	asked := a.askedOfFleet()
	err := a.reload(ctx)
	a.tellFleet(asked, err)
	a.tellReload(err)
	a.work.reload(err)
	return err
}

func (a *App) reload(ctx context.Context) error {
	a.mu.Lock()
	seen := a.seen // rules that were not taken are left to watchFiles
	a.mu.Unlock()
	seen.file = stamp(a.o.Watch)
	defer func() { a.setSeen(seen) }()
	next, err := a.o.Load()
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	old := a.config()
	if key := needsRestart(old, next); key != "" {
		return &restartNeeded{key}
	}
	rules := ruleStamp(next)
	r, err := a.newRoster(ctx, next)
	if err != nil {
		return err
	}
	if err := a.putRules(ctx, r.next); err != nil {
		a.discard(r)
		return err
	}
	seen.rules = rules
	a.adopt(next, r)
	a.offloadRules(next)
	if a.o.Applied != nil {
		a.o.Applied(next)
	}
	a.log.Info("configuration read again")
	return nil
}

// offloadRules takes away the offloads that other rules leave no reason for, or
// all if the configuration says so. a.reloading is held.
func (a *App) offloadRules(next *config.Config) {
	old := a.sids
	a.sids = ruleSIDs(next)
	n := a.offloads.remove(func(e offload.Entry) bool {
		_, had := old[e.SID]
		_, has := a.sids[e.SID]
		return next.Inspection.Offload.OnReload == config.Flush || had && !has
	})
	if n > 0 {
		a.log.WithField("connections", n).Info("offloads ended with the reload of rules")
	}
}

// ruleSIDs gives the SIDs in all rule files.
func ruleSIDs(cfg *config.Config) map[uint32]struct{} {
	var files []string
	for _, at := range cfg.Inspection.Attachments {
		files = append(files, at.Rules...)
	}
	return suricata.RuleSIDs(files)
}

// putRules puts the attachments' rule files in force, all or none: every engine
// reads its own first. Those that are new do so when they begin, and were tested.
func (a *App) putRules(ctx context.Context, list []*attachment) (err error) {
	defer func() { a.noteRules(err) }()
	var commit []func(context.Context) error
	order := slices.Clone(list)
	// Suricatas come first: they are other programs, and may not answer.
	rank := map[string]int{config.KindEmbedded: 1}
	slices.SortStableFunc(order, func(x, y *attachment) int { return rank[x.cfg.Kind] - rank[y.cfg.Kind] })
	for _, at := range order {
		if at.engine == nil || !at.begun.Load() {
			continue
		}
		f, err := at.engine.prepare(ctx, at.cfg.Rules)
		if err != nil {
			return fmt.Errorf("attachment %s: %w", at.cfg.Name, err)
		}
		commit = append(commit, f)
	}
	for _, f := range commit {
		if err := f(ctx); err != nil {
			return err
		}
	}
	return nil
}

// restartNeeded is why a configuration that is right is not in force.
type restartNeeded struct{ key string }

func (e *restartNeeded) Error() string {
	return fmt.Sprintf("configuration: %s can't be changed while running; restart ofcontroller", e.key)
}

// needsRestart names a key whose change a running process can't follow.
func needsRestart(old, next *config.Config) string {
	switch {
	case old.OVSDB != next.OVSDB:
		return "ovsdb"
	case old.OpenFlowEndpoint() != next.OpenFlowEndpoint():
		return "openflow"
	case old.TLS != next.TLS:
		return "tls"
	case old.Bridge.Name != next.Bridge.Name:
		return "bridge.name"
	case old.Control != next.Control:
		return "control"
	case !reflect.DeepEqual(old.Fleet, next.Fleet):
		return "fleet"
	case old.Metrics != next.Metrics:
		return "metrics"
	case old.Monitor != next.Monitor:
		return "monitor"
	}
	return ""
}
