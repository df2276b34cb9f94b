// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ofcontroller/flows"
	"ofcontroller/ofapp/control"
	"ofcontroller/openflow"
)

// methods are what the control socket answers.
func (a *App) methods() map[string]control.Method {
	return map[string]control.Method{
		"status": {Help: "[-o table|json]", Call: func(ctx context.Context, args []string) (string, error) {
			return control.Render(args, a.Status(ctx))
		}},
		"macs": {Help: "[-o table|json]", Call: func(ctx context.Context, args []string) (string, error) {
			macs, err := a.MACs(ctx)
			if err != nil {
				return "", err
			}
			return control.Render(args, MACTable(macs))
		}},
		"alerts": journalMethod(a.runID, a.alertView()),
		"events": journalMethod(a.runID, a.eventView()),
		"offloads": {Help: "[-o table|json]", Call: func(ctx context.Context, args []string) (string, error) {
			list, err := a.Offloads(ctx)
			if err != nil {
				return "", err
			}
			return control.Render(args, OffloadTable(list))
		}},
		"offloads/rm": {Help: "--all | ADDR:PORT ADDR:PORT ...", Call: func(_ context.Context, args []string) (string, error) {
			return a.RemoveOffloads(args)
		}},
		"flows/live": {Help: "", Call: func(ctx context.Context, _ []string) (string, error) { return a.Live(ctx) }},
		"reload": {Help: "", Call: func(ctx context.Context, _ []string) (string, error) {
			return "", a.Reload(ctx)
		}},
		"version": {Help: "", Call: func(context.Context, []string) (string, error) {
			return "ofcontroller " + a.o.Version, nil
		}},
	}
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
		return "", errors.New("the database does not have the bridge")
	}
	g, _ := in.gateway()
	w, err := wanted(flows.Build(g), flows.Groups(g))
	if err != nil {
		return "", err
	}
	h, err := dump(ctx, conn, a.forms)
	if err != nil {
		return "", err
	}
	c, err := diff(h, w)
	if err != nil {
		return "", err
	}
	return strings.Join(differences(h, w, c), "\n"), nil
}

// differences has a line for each flow and group that differs.
func differences(h held, w wantedTable, c change) []string {
	lines := describeGroups(c)
	for _, k := range c.added {
		lines = append(lines, "+ "+w.text[k].String())
	}
	for _, k := range c.changed {
		lines = append(lines, "~ "+w.text[k].String())
	}
	for _, k := range c.removed {
		lines = append(lines, "- "+describe(k, h.flows[k]))
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
func describe(k flowKey, b flowBody) string {
	return fmt.Sprintf("cookie=%#x, table=%d, priority=%d, match of %d bytes (%s)",
		b.cookie, k.table, k.priority, len(k.match), flows.Cookie(b.cookie))
}
