// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"ofcontroller/config"
	"ofcontroller/flows"
	"ofcontroller/ofapp/control"
)

// An attachment that drains gets no connections while another one is up. Which
// ones drain is kept in a file, so that a restart touches no flow.

// draining says who wants an attachment to drain: somebody on this host, and the fleet. It drains for either.
type draining struct{ here, fleet bool }

func (d draining) any() bool { return d.here || d.fleet }

func drainsHere(d draining) bool    { return d.here }
func drainsOfFleet(d draining) bool { return d.fleet }

// drainFile and fleetDrainFile name the files: beside the control socket, which
// each gateway of a host has for itself.
func drainFile(cfg *config.Config) string      { return cfg.Control + ".drain" }
func fleetDrainFile(cfg *config.Config) string { return cfg.Control + ".fleet-drain" }

// readDrains marks the attachments that drained when the program ran last. A
// file that can't be read drains nothing: all attachments are used as
// configured.
func (a *App) readDrains() {
	here, err := loadNote[string](drainFile(a.cfg))
	ofFleet, fleetErr := loadNote[string](fleetDrainFile(a.cfg))
	if err := errors.Join(err, fleetErr); err != nil {
		a.log.WithError(err).Warn("which attachments drain is not known; none does")
		return
	}
	for _, at := range a.attachments {
		at.draining = draining{slices.Contains(here, at.cfg.Name), a.o.Fleet != nil && slices.Contains(ofFleet, at.cfg.Name)}
	}
}

// keepDrains writes the files for the attachments there are: one that is
// configured no more does not drain when it comes back.
func (a *App) keepDrains() {
	a.drains.Lock()
	defer a.drains.Unlock()
	a.saveDrains()
}

// saveDrains is keepDrains with a.drains held.
func (a *App) saveDrains() {
	cfg := a.config()
	err := errors.Join(saveNote(drainFile(cfg), a.draining(drainsHere)), saveNote(fleetDrainFile(cfg), a.draining(drainsOfFleet)))
	if err != nil {
		a.log.WithError(err).Warn("which attachments drain is not kept")
	}
}

// draining names the attachments that drain for someone.
func (a *App) draining(who func(draining) bool) []string {
	var names []string
	for _, at := range a.list() {
		if who(at.drainsFor()) {
			names = append(names, at.cfg.Name)
		}
	}
	return names
}

func (at *attachment) drainsFor() draining {
	at.mu.Lock()
	defer at.mu.Unlock()
	return at.draining
}

func (at *attachment) drains() bool { return at.drainsFor().any() }

// drainAsFleet lets drain what the fleet says, and no other for its sake. One
// that no other one can stand in for is used until another one is up.
func (a *App) drainAsFleet(names []string) {
	a.drains.Lock()
	defer a.drains.Unlock()
	changed := false
	for _, at := range a.list() {
		want := slices.Contains(names, at.cfg.Name)
		at.mu.Lock()
		was := at.draining
		at.draining.fleet = want
		at.mu.Unlock()
		if was.fleet == want {
			continue
		}
		changed = true
		if now := (draining{was.here, want}).any(); now != was.any() {
			a.tellDrain(at.cfg.Name, now)
		}
	}
	if changed {
		a.saveDrains()
		a.changed()
	}
}

func (a *App) tellDrain(name string, drain bool) {
	a.happened(eventDrain, name, drainText(drain), map[string]string{"draining": fmt.Sprint(drain)})
	a.log.WithField("attachment", name).Info("attachment " + drainText(drain))
}

// usable tells whether the switch can hand connections to an attachment.
func (a *App) usable(at *attachment) bool {
	_, present := a.probeLeg(at.cfg, flows.OriginUplink)
	return present && at.up()
}

// Drain lets an attachment drain, or take connections again. With force it may be
// the only one that could be used; it is then used until another one is up.
func (a *App) Drain(name string, drain, force bool) (string, error) {
	a.drains.Lock()
	defer a.drains.Unlock()
	list := a.list()
	i := slices.IndexFunc(list, func(at *attachment) bool { return at.cfg.Name == name })
	if i < 0 {
		return "", fmt.Errorf("no attachment is named %q: %s would be right", name, attachmentNames(list))
	}
	at := list[i]
	was := at.drainsFor()
	if !drain && was.fleet {
		return "", fmt.Errorf("attachment %s: the fleet lets it drain; ofcontroller fleet drain --undo would be right", name)
	}
	if was.here == drain {
		return fmt.Sprintf("attachment %s: nothing to do, it %s already", name, drainText(drain)), nil
	}
	alone := !slices.ContainsFunc(list, func(o *attachment) bool { return o != at && !o.drains() && a.usable(o) })
	if drain && alone && !force {
		return "", fmt.Errorf("attachment %s: no other attachment is up that could take its connections; "+
			"with --force it drains as soon as one is", name)
	}
	names := slices.DeleteFunc(a.draining(drainsHere), func(n string) bool { return n == name })
	if drain {
		names = append(names, name)
	}
	if err := saveNote(drainFile(a.config()), names); err != nil {
		return "", fmt.Errorf("attachment %s: a restart would forget that it %s: %w", name, drainText(drain), err)
	}
	at.mu.Lock()
	at.draining.here = drain
	at.mu.Unlock()
	a.changed()
	a.tellDrain(name, drain)
	return fmt.Sprintf("attachment %s %s", name, drainText(drain)), nil
}

func drainText(drain bool) string {
	if drain {
		return "drains"
	}
	return "takes connections"
}

func attachmentNames(list []*attachment) string {
	names := make([]string, 0, len(list))
	for _, at := range list {
		names = append(names, at.cfg.Name)
	}
	return strings.Join(names, ", ")
}

// DrainTable lists the attachments with whether they drain.
type DrainTable []DrainState

// DrainState tells whether an attachment drains.
type DrainState struct {
	Name     string `json:"name"`
	State    string `json:"state"` // up, degraded or down
	Draining bool   `json:"draining"`
}

// Drains lists the attachments.
func (a *App) Drains() DrainTable {
	out := DrainTable{}
	for _, at := range a.list() {
		s, _ := at.status()
		out = append(out, DrainState{s.Name, s.State, s.Draining})
	}
	return out
}

// Table writes the list for a person.
func (t DrainTable) Table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ATTACHMENT\tSTATE\tDRAINING")
	for _, d := range t {
		fmt.Fprintf(w, "%s\t%s\t%t\n", d.Name, d.State, d.Draining)
	}
	w.Flush()
	return strings.TrimRight(b.String(), "\n")
}

func (a *App) drainMethod(_ context.Context, args []string) (string, error) {
	format, words, err := control.Format(args)
	if err != nil {
		return "", err
	}
	var names []string
	undo, force := false, false
	for _, w := range words {
		switch {
		case w == "--undo":
			undo = true
		case w == "--force":
			force = true
		case strings.HasPrefix(w, "-"):
			return "", fmt.Errorf("drain: unknown option %s: --undo or --force would be right", w)
		default:
			names = append(names, w)
		}
	}
	switch {
	case len(names) == 0 && !undo && !force:
		return control.Write(format, a.Drains())
	case len(names) != 1:
		return "", errors.New("drain: the name of one attachment would be right")
	case undo && force:
		return "", errors.New("drain: either --undo or --force would be right")
	}
	return a.Drain(names[0], !undo, force)
}
