// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ofcontroller/flows"
	"ofcontroller/ofapp/control"
	"ofcontroller/ofapp/trace"
	"ofcontroller/openflow"
)

// methods are what the control socket answers.
func (a *App) methods() map[string]control.Method {
	return map[string]control.Method{
		"status": {Help: "[-o table|json|yaml]", Call: func(ctx context.Context, args []string) (string, error) {
			return control.Render(args, a.Status(ctx))
		}},
		"macs": {Help: "[-o table|json|yaml]", Call: func(ctx context.Context, args []string) (string, error) {
			macs, err := a.MACs(ctx)
			if err != nil {
				return "", err
			}
			return control.Render(args, MACTable(macs))
		}},
		"alerts":  journalMethod(a.runID, a.alertView()),
		"events":  journalMethod(a.runID, a.eventView()),
		"trace":   {Help: "in-port=PORT [to=PORT] (hex=FRAME | [vlan=N] src=MAC dst=MAC ...) [-o table|json|yaml]", Call: a.traceMethod},
		"macs/rm": {Help: "(all | MAC [VLAN])", Call: a.forgetMethod},
		"ports": {Help: "[-o table|json|yaml]", Call: func(ctx context.Context, args []string) (string, error) {
			ports, err := a.Ports(ctx)
			if err != nil {
				return "", err
			}
			return control.Render(args, ports)
		}},
		"counters": {Help: "", Call: func(ctx context.Context, _ []string) (string, error) {
			r, err := a.Reading(ctx)
			if err != nil {
				return "", err
			}
			return control.Encode("json", r)
		}},
		"flows/annotated": {Help: "[origin=ORIGIN] [vlan=N] [port=PORT] [-o table|json|yaml]", Call: a.annotatedMethod},
		"vlog/set":        {Help: "LEVEL", Call: a.setLevelMethod},
		"vlog/list":       {Help: "", Call: a.listLevelMethod},
		"plan":            {Help: "FILENAME TEXT [-o table|json|yaml]", Call: a.planMethod},
		"flows/live":      {Help: "", Call: func(ctx context.Context, _ []string) (string, error) { return a.Live(ctx) }},
		"offloads": {Help: "[-o table|json|yaml]", Call: func(ctx context.Context, args []string) (string, error) {
			list, err := a.Offloads(ctx)
			if err != nil {
				return "", err
			}
			return control.Render(args, OffloadTable(list))
		}},
		"offloads/rm": {Help: "--all | ADDR:PORT ADDR:PORT ...", Call: func(_ context.Context, args []string) (string, error) {
			return a.RemoveOffloads(args)
		}},
		"drain": {Help: "[NAME [--undo | --force]] [-o table|json|yaml]", Call: a.drainMethod},
		"reload": {Help: "", Call: func(ctx context.Context, _ []string) (string, error) {
			return "", a.Reload(ctx)
		}},
		"version": {Help: "", Call: func(context.Context, []string) (string, error) {
			return "ofcontroller " + a.o.Version, nil
		}},
	}
}

func (a *App) traceMethod(ctx context.Context, args []string) (string, error) {
	format, words, err := control.Format(args)
	if err != nil {
		return "", err
	}
	q, err := trace.Parse(words)
	if err != nil {
		return "", err
	}
	r, err := a.Trace(ctx, q)
	if err != nil {
		return "", err
	}
	return control.Write(format, r)
}

func (a *App) forgetMethod(ctx context.Context, args []string) (string, error) {
	f, err := parseForgetting(args)
	if err != nil {
		return "", err
	}
	n, err := a.forget(ctx, f)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("learned addresses removed: %d", n), nil
}

func (a *App) annotatedMethod(ctx context.Context, args []string) (string, error) {
	format, words, err := control.Format(args)
	if err != nil {
		return "", err
	}
	filter, err := parseFlowFilter(words)
	if err != nil {
		return "", err
	}
	t, err := a.annotated(ctx, filter)
	if err != nil {
		return "", err
	}
	return control.Write(format, t)
}

// planMethod takes the text of the configuration: its file may be one that only
// the asking user can read.
func (a *App) planMethod(ctx context.Context, args []string) (string, error) {
	format, words, err := control.Format(args)
	if err != nil {
		return "", err
	}
	if len(words) != 2 {
		return "", fmt.Errorf("%d arguments: the name of a configuration file and its text would be right", len(words))
	}
	next, err := a.o.Parse(words[0], []byte(words[1]))
	if err != nil {
		return "", fmt.Errorf("configuration: %w", err)
	}
	p, err := a.Plan(ctx, next)
	if err != nil {
		return "", err
	}
	return control.Write(format, p)
}

// Live compares the wanted flows with what the switch holds now: a line that
// begins with + is missing there, one with - is too many, one with ~ differs.
// Nothing is printed when they agree.
func (a *App) Live(ctx context.Context) (string, error) {
	a.mu.Lock()
	conn := a.conn
	a.mu.Unlock()
	if conn == nil {
		return "", errNoSwitch
	}
	in := a.inputs()
	if in.bridge == nil {
		return "", errNoBridge
	}
	g, _ := in.gateway()
	w, err := wanted(g, nil)
	if err != nil {
		return "", err
	}
	h, err := dump(ctx, conn, a.forms, w.flows, nil)
	if err != nil {
		return "", err
	}
	return strings.Join(differences(w, diff(h, w)), "\n"), nil
}

// differences has a line for each flow and group that differs.
func differences(w *wantedTable, c change) []string {
	lines := describeGroups(c)
	texts := w.texts(c.added, c.changed)
	for _, place := range c.added {
		lines = append(lines, "+ "+texts[place])
	}
	for _, place := range c.changed {
		lines = append(lines, "~ "+texts[place])
	}
	for _, f := range c.removed {
		lines = append(lines, "- "+describe(f))
	}
	slices.Sort(lines)
	return lines
}

// describeGroups tells which groups differ.
func describeGroups(c change) []string {
	var lines []string
	for _, m := range c.mods {
		g, ok := m.(openflow.GroupMod)
		if !ok {
			continue
		}
		sign := map[uint16]string{openflow.GroupAdd: "+", openflow.GroupModify: "~", openflow.GroupDelete: "-"}[g.Command]
		lines = append(lines, fmt.Sprintf("%s group_id=%d of %d buckets", sign, g.ID, len(g.Buckets)))
	}
	return lines
}

// describe names a flow on the switch that is not ours to print.
func describe(f openflow.EncodedFlow) string {
	return fmt.Sprintf("cookie=%#x, table=%d, priority=%d, match of %d bytes (%s)",
		f.Cookie, f.Table, f.Priority, len(f.Match), flows.Cookie(f.Cookie))
}
