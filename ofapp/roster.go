// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sirupsen/logrus"

	"ofcontroller/config"
	"ofcontroller/ovsdb"
)

// roster is the attachments of a configuration, beside those of the one in force.
type roster struct {
	next    []*attachment // in the order of the configuration
	added   []*attachment // those of next that are new
	leaving []*attachment // are in force, and not in next
}

// newRoster finds out what becomes of the attachments with another configuration.
// It makes the new ones and tests what they need; nothing is started.
// a.reloading is held.
func (a *App) newRoster(ctx context.Context, next *config.Config) (roster, error) {
	var r roster
	if err := checkPorts(next); err != nil {
		return r, err
	}
	if err := a.compose(ctx, next, &r); err != nil {
		a.discard(r)
		return r, err
	}
	return r, nil
}

// discard takes back what a roster that is not put in force has made.
func (a *App) discard(r roster) {
	for _, at := range r.added {
		at.discard(a.log)
	}
}

func (at *attachment) discard(log logrus.FieldLogger) {
	if at.engine == nil {
		return
	}
	if err := at.engine.Discard(); err != nil {
		log.WithError(err).WithField("attachment", at.cfg.Name).Warn("not all that was made for an attachment is removed")
	}
}

func (a *App) compose(ctx context.Context, next *config.Config, r *roster) error {
	now, old := a.list(), a.config()
	kept := map[int]bool{}
	for _, c := range next.Inspection.Attachments {
		if i := goesOn(old, next, c); i >= 0 {
			kept[i] = true
			at := now[i]
			r.next = append(r.next, &attachment{c, at.index, at.nonce, at.engine, at.health, at.life})
			continue
		}
		at, err := a.addedAttachment(ctx, next, c)
		if err != nil {
			return err
		}
		r.next, r.added = append(r.next, at), append(r.added, at)
	}
	for i, at := range now {
		if !kept[i] {
			r.leaving = append(r.leaving, at)
		}
	}
	a.queueUp(*r)
	return a.checkBridge(ctx, next)
}

// goesOn finds the attachment of the configuration in force that a configured one
// is now, by its index; -1 if it has to be begun anew. Only behind ports of the
// bridge a name can be changed on the way: an engine's ports and files have it.
func goesOn(old, next *config.Config, c config.Attachment) int {
	all := old.Inspection.Attachments
	if i := slices.IndexFunc(all, func(o config.Attachment) bool { return o.Name == c.Name }); i >= 0 {
		if sameIPS(all[i], c) {
			return i
		}
		return -1
	}
	if c.Kind != config.KindPort {
		return -1
	}
	return slices.IndexFunc(all, func(o config.Attachment) bool { return configured(next, o.Name) == nil && sameIPS(o, c) })
}

// sameIPS tells whether an attachment can go on with other keys.
func sameIPS(x, y config.Attachment) bool {
	return x.Kind == y.Kind && x.Port == y.Port && x.ReturnPort == y.ReturnPort && x.Legs == y.Legs &&
		x.Threads == y.Threads && x.EVE == y.EVE && x.Include == y.Include && x.Memory == y.Memory
}

// addedAttachment makes an attachment that comes with a reload.
func (a *App) addedAttachment(ctx context.Context, next *config.Config, c config.Attachment) (*attachment, error) {
	at, err := a.newAttachment(next, c)
	if err != nil {
		return nil, err
	}
	at.added, at.assumed = true, false
	if at.engine == nil {
		return at, nil
	}
	if err := at.engine.CheckLinks(); err != nil {
		at.discard(a.log)
		return nil, fmt.Errorf("attachment %s: %w; another name of the attachment, or to delete that link, would be right", c.Name, err)
	}
	if err := at.engine.test(ctx); err != nil {
		at.discard(a.log)
		return nil, fmt.Errorf("attachment %s: %w", c.Name, err)
	}
	return at, nil
}

// queueUp has the new ones wait for those that leave and have their ports.
func (a *App) queueUp(r roster) {
	a.mu.Lock()
	leaving := append(slices.Clone(a.leaving), r.leaving...)
	a.mu.Unlock()
	for _, at := range r.added {
		for _, old := range leaving {
			if sharePorts(at.cfg, old.cfg) {
				at.after = append(at.after, old.gone)
			}
		}
	}
}

func sharePorts(x, y config.Attachment) bool {
	return slices.ContainsFunc(attachmentPorts(x), func(p string) bool { return slices.Contains(attachmentPorts(y), p) })
}

// checkPorts tells whether ports that engines make have names of their own.
func checkPorts(cfg *config.Config) error {
	used := map[string]string{cfg.Bridge.Name: "the bridge"}
	for _, u := range cfg.Uplinks {
		used[u.Port] = "an uplink"
	}
	for _, t := range cfg.Trunks {
		used[t.Port] = "a trunk"
	}
	for _, at := range cfg.Inspection.Attachments {
		if at.Kind == config.KindPort {
			used[at.Port], used[at.ReturnPort] = "a port of attachment "+at.Name, "a port of attachment "+at.Name
		}
	}
	for _, at := range cfg.Inspection.Attachments {
		for _, p := range enginePorts(at) {
			if by := used[p]; by != "" {
				return fmt.Errorf("attachment %s: its engine makes a port %s, which is %s already; another name of the attachment would be right", at.Name, p, by)
			}
			used[p] = "a port of attachment " + at.Name
		}
	}
	return nil
}

// checkBridge tells whether ports of the configuration belong to another bridge.
// What else the bridge lacks is put right, or waited for, as at a start.
func (a *App) checkBridge(ctx context.Context, next *config.Config) error {
	a.mu.Lock()
	db := a.db
	a.mu.Unlock()
	if db == nil {
		return nil // asked before Run
	}
	ctx, cancel := context.WithTimeout(ctx, ensureTimeout)
	defer cancel()
	s := ovsdb.Spec{Ports: networkPorts(next)}
	for _, at := range next.Inspection.Attachments {
		for _, name := range attachmentPorts(at) {
			s.Ports = append(s.Ports, ovsdb.PortSpec{Name: name})
		}
	}
	if err := db.Check(ctx, s); errors.Is(err, ovsdb.ErrPortElsewhere) {
		return fmt.Errorf("%w; a port of bridge %s would be right", err, next.Bridge.Name)
	}
	return nil
}

// adopt puts a roster in force, together with its configuration: the flows that
// are built next are of both.
func (a *App) adopt(next *config.Config, r roster) {
	a.drains.Lock()
	defer a.drains.Unlock()
	here, ofFleet := a.draining(drainsHere), a.draining(drainsOfFleet)
	for _, at := range r.added {
		at.draining = draining{slices.Contains(here, at.cfg.Name), slices.Contains(ofFleet, at.cfg.Name)}
	}
	a.mu.Lock()
	a.cfg, a.attachments = next, r.next
	a.leaving = append(slices.Clone(a.leaving), r.leaving...)
	a.view.inputs++
	for _, at := range r.leaving {
		at.left = a.view.inputs
	}
	for _, at := range a.leaving {
		for _, heir := range r.next {
			if !heir.begun.Load() && sharePorts(heir.cfg, at.cfg) {
				at.urgent.Store(true)
			}
		}
	}
	a.mu.Unlock()
	for _, at := range r.next {
		at.restart(probeConfig(next))
		if at.engine != nil {
			at.engine.supervise(at.cfg.Supervise)
		}
	}
	for _, at := range r.leaving {
		a.tellAttachment(at, attachmentLeaves)
		close(at.leave)
	}
	for _, at := range r.added {
		a.tellAttachment(at, attachmentAdded)
	}
	a.saveDrains()
	a.keepEngines()
	a.changed()
	signal(a.joined)
}
