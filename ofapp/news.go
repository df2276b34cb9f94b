// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"ofcontroller/ips/probe"
	"ofcontroller/ovsdb"
)

// dbNews makes events of what changed in the database between two looks. Only
// watch uses it.
type dbNews struct {
	connected bool
	ports     map[string]ovsdb.Interface // with an OpenFlow port; nil before the first look
}

func (n *dbNews) look(a *App, s ovsdb.State) {
	if s.Connected != n.connected {
		n.connected = s.Connected
		a.happened(eventDatabase, a.config().OVSDB, connectedText(s.Connected), map[string]string{"state": connectedText(s.Connected)})
	}
	if !s.Connected || s.Bridge == nil {
		return // what is known is old
	}
	now := map[string]ovsdb.Interface{}
	for name, i := range s.Bridge.Interfaces {
		if i.OFPort == 0 && name != s.Bridge.Name {
			continue
		}
		// Without its MAC the row has lost its ephemeral columns, the link's
		// state among them, until ovs-vswitchd writes them again (ovsdb(7)).
		if old, ok := n.ports[name]; ok && i.MAC == "" {
			i.LinkUp = old.LinkUp
		}
		now[name] = i
	}
	if n.ports != nil {
		n.compare(a, now)
	}
	n.ports = now
}

func (n *dbNews) compare(a *App, now map[string]ovsdb.Interface) {
	tell := func(i ovsdb.Interface, change, text string) {
		a.happened(eventPort, i.Name, text, map[string]string{"change": change, "ofport": fmt.Sprint(i.OFPort)})
	}
	for _, name := range slices.Sorted(maps.Keys(n.ports)) {
		if _, ok := now[name]; !ok {
			tell(n.ports[name], "removed", "removed from the bridge")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		i, old := now[name], n.ports[name]
		switch _, known := n.ports[name]; {
		case !known:
			tell(i, "added", fmt.Sprintf("added to the bridge, OpenFlow port %d, link %s", i.OFPort, linkText(i.LinkUp)))
			continue
		case old.OFPort != i.OFPort:
			tell(i, "renumbered", fmt.Sprintf("now OpenFlow port %d, was %d", i.OFPort, old.OFPort))
		}
		if old.LinkUp != i.LinkUp {
			tell(i, linkText(i.LinkUp), "link "+linkText(i.LinkUp))
		}
	}
}

func linkText(up bool) string {
	if up {
		return "up"
	}
	return "down"
}

func connectedText(connected bool) string {
	if connected {
		return "connected"
	}
	return "lost"
}

// tellHealth makes an event of a new verdict on an attachment.
func (a *App) tellHealth(name string, was, state probe.State, reason string) {
	text := state.String()
	if reason != "" {
		text += ": " + reason
	}
	a.happened(eventHealth, name, text, map[string]string{"state": state.String(), "was": was.String(), "reason": reason})
}

// What happens to an attachment by a reload.
const (
	attachmentAdded  = "added"
	attachmentLeaves = "leaves"
	attachmentGone   = "gone"
)

// tellAttachment makes an event of it.
func (a *App) tellAttachment(at *attachment, change string) {
	text := map[string]string{
		attachmentAdded:  "added, is used once it is up",
		attachmentLeaves: "is no longer configured, and leaves",
		attachmentGone:   "is gone",
	}[change]
	a.happened(eventRoster, at.cfg.Name, text, map[string]string{"change": change, "kind": at.cfg.Kind})
	a.log.WithField("attachment", at.cfg.Name).WithField("kind", at.cfg.Kind).Info("attachment " + text)
}

// tellReload makes an event of a reload that was done or refused.
func (a *App) tellReload(err error) {
	if err != nil {
		a.happened(eventReload, a.config().Bridge.Name, "refused: "+err.Error(), map[string]string{"result": "refused"})
		return
	}
	a.happened(eventReload, a.config().Bridge.Name, "configuration read again", map[string]string{"result": "ok"})
}

// toldFlows is how many flows an event of a repair shows.
const toldFlows = 5

// tellRepair makes an event of flows that somebody else changed. What was found
// is as flows --live shows it: + was missing, - was too many, ~ differed.
func (a *App) tellRepair(w *wantedTable, c change) {
	found := differences(w, c)
	text := fmt.Sprintf("flows put right: %d were missing, %d too many, %d differed", len(c.added), len(c.removed), len(c.changed))
	if c.groups > 0 {
		text += fmt.Sprintf("; %d groups were others", c.groups)
	}
	shown := strings.Join(found[:min(len(found), toldFlows)], "\n")
	if n := len(found) - toldFlows; n > 0 {
		shown += fmt.Sprintf("\nand %d more", n)
	}
	a.happened(eventRepair, a.config().Bridge.Name, text, map[string]string{
		"missing": fmt.Sprint(len(c.added)), "extra": fmt.Sprint(len(c.removed)), "different": fmt.Sprint(len(c.changed)), "found": shown,
	})
}
