// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"cmp"
	"slices"
	"time"

	"ofcontroller/config"
	"ofcontroller/flows"
	"ofcontroller/ips/probe"
)

// probeConfig is how attachments are judged by a configuration.
func probeConfig(cfg *config.Config) probe.Config {
	p := cfg.Inspection.Probe
	return probe.Config{
		Interval: p.Interval, Timeout: p.Timeout, DownAfter: p.DownAfter, UpAfter: p.UpAfter,
		Slow: p.Slow, HoldDown: p.HoldDown, Formats: probeFormats(cfg),
	}
}

// probeFormats lists the forms that frames of the network have on their way to
// an attachment: each origin there is, in the untagged network, in a VLAN that is
// tagged on all its ports, and in one that is untagged on some port.
func probeFormats(cfg *config.Config) []probe.Format {
	var out []probe.Format
	origins := []flows.Origin{flows.OriginUplink}
	if len(cfg.Trunks) > 0 {
		origins = append(origins, flows.OriginTrunk)
	}
	if cfg.Local.Enabled {
		origins = append(origins, flows.OriginLocal)
	}
	// Side by side neither origins nor forms are alike: see probe.Tracker.Pick.
	forms := probeVLANs(cfg)
	for i := range forms {
		for j, o := range origins {
			f := forms[(i+j)%len(forms)]
			f.Origin = uint8(o)
			out = append(out, f)
		}
	}
	return out
}

// probeVLANs gives the lowest VLAN of each form, in ascending order.
func probeVLANs(cfg *config.Config) []probe.Format {
	native := map[uint16]bool{0: true}
	for _, t := range cfg.Trunks {
		native[t.NativeVLAN] = true
	}
	if cfg.Local.Enabled {
		native[cfg.Local.VLAN] = true
	}
	var network, tagged, untagged *probe.Format
	carry := func(v uint16) {
		lowest := &tagged
		switch {
		case v == 0:
			lowest = &network
		case native[v]:
			lowest = &untagged
		}
		if *lowest == nil || v < (*lowest).VLAN {
			*lowest = &probe.Format{VLAN: v, Tagged: !native[v]}
		}
	}
	for _, t := range cfg.Trunks {
		for _, v := range t.VLANs {
			carry(v)
		}
	}
	if cfg.Local.Enabled {
		carry(cfg.Local.VLAN)
	}
	var out []probe.Format
	for _, f := range []*probe.Format{network, tagged, untagged} {
		if f != nil {
			out = append(out, *f)
		}
	}
	slices.SortFunc(out, func(x, y probe.Format) int { return cmp.Compare(x.VLAN, y.VLAN) })
	return out
}

// finding is what the probes tell of an attachment.
type finding struct {
	state  probe.State
	reason string
}

// passes tells whether frames pass, by a finding.
func (v finding) passes() bool { return v.state == probe.Up || v.state == probe.Degraded }

// verdict gives it. at.mu is held.
func (at *attachment) verdict() finding {
	state, reason, _ := at.tracker.State()
	return finding{state, reason}
}

// up tells whether frames are handed to the attachment.
func (at *attachment) up() bool {
	at.mu.Lock()
	defer at.mu.Unlock()
	return at.used()
}

// used is up with at.mu held.
func (at *attachment) used() bool {
	v := at.verdict()
	return v.passes() || (v.state == probe.Unknown && at.assumed)
}

// restart forgets outstanding probes, for a new connection to the switch.
func (at *attachment) restart(cfg probe.Config) {
	at.mu.Lock()
	defer at.mu.Unlock()
	at.tracker.Restart(cfg)
	at.detector.Restart()
}

// judge lets f tell the attachment's health something, with at.mu held, and does
// what follows from that. The inputs change before anybody can see the verdict:
// status never shows a new one beside flows of the old one as converged.
func (a *App) judge(at *attachment, f func()) {
	at.mu.Lock()
	defer at.mu.Unlock()
	used, was := at.used(), at.verdict()
	f()
	a.logVerdict(at, was)
	if at.used() != used {
		a.changed()
	}
}

// ended takes an attachment down whose engine has ended: there is nothing to be
// learned from probes.
func (a *App) ended(at *attachment, how string) {
	a.judge(at, func() { at.tracker.Fail(how, time.Now()) })
}

// logVerdict logs a change of the verdict, and of why it is no better. at.mu is
// held.
func (a *App) logVerdict(at *attachment, was finding) {
	now := at.verdict()
	if now.state == was.state && (now.state != probe.Degraded || now.reason == was.reason) {
		return
	}
	a.tellHealth(at.cfg.Name, was.state, now.state, now.reason)
	log := a.log.WithField("attachment", at.cfg.Name).WithField("reason", now.reason)
	switch now.state {
	case probe.Up:
		log.Info("attachment is up")
	case probe.Degraded:
		log.Warn("attachment is degraded")
	case probe.Down:
		log.Warn("attachment is down")
	}
}
