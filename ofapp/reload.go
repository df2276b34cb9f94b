// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"fmt"
	"slices"

	"ofcontroller/config"
	"ofcontroller/ips/rules"
)

// Reload reads the configuration again and puts it in force: the next sync
// sends what differs, as one bundle. A bad configuration, or one that needs a
// restart, is refused whole and the old one runs on.
func (a *App) Reload() error {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	next, err := a.o.Load()
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	old := a.config()
	if key := needsRestart(old, next); key != "" {
		return fmt.Errorf("configuration: %s can't be changed while running; restart ofcontroller", key)
	}
	sets := make([]*rules.Set, len(next.Inspection.Attachments))
	for i, at := range next.Inspection.Attachments {
		if at.Kind != config.KindEmbedded {
			continue
		}
		if sets[i], err = rules.Load(at.Rules); err != nil {
			return fmt.Errorf("attachment %s: %w", at.Name, err)
		}
	}
	a.mu.Lock()
	a.cfg = next
	a.mu.Unlock()
	for i, at := range a.list() {
		at.restart(probeConfig(next))
		if at.engine != nil {
			at.engine.Replace(sets[i])
			at.engine.ReopenEVE()
		}
	}
	if a.o.Applied != nil {
		a.o.Applied(next)
	}
	a.changed()
	a.log.Info("configuration read again")
	return nil
}

// needsRestart names a key whose change a running process can't follow.
func needsRestart(old, next *config.Config) string {
	attachment := func(x, y config.Attachment) bool {
		x.Rules, y.Rules, x.Line, y.Line = nil, nil, 0, 0
		return x.Name == y.Name && x.Kind == y.Kind && x.Port == y.Port && x.ReturnPort == y.ReturnPort &&
			x.Legs == y.Legs && x.Threads == y.Threads && x.EVE == y.EVE
	}
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
	case old.Metrics != next.Metrics:
		return "metrics"
	case !slices.EqualFunc(old.Inspection.Attachments, next.Inspection.Attachments, attachment):
		return "inspection.attachments"
	}
	return ""
}
