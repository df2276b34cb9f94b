// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"ofcontroller/flows"
	"ofcontroller/testenv/model"
)

// forwarding are actions of somebody else: they forward by themselves, or have our own flows do it.
func forwarding() []string {
	out := []string{"NORMAL", "ALL", "FLOOD", fmt.Sprintf("%d,%d,%d,LOCAL", uplinkPort, trunkPorts[0], trunkPorts[1])}
	for _, t := range []flows.Table{flows.TableForward, flows.TableHost, flows.TableUnicast, flows.TableOutput} {
		out = append(out, fmt.Sprintf("resubmit(,%d)", t), fmt.Sprintf("load:1->NXM_NX_REG0[4],load:%d->NXM_NX_REG3[0..15],resubmit(,%d)", trunkPorts[0], t))
	}
	return append(out, fmt.Sprintf("resubmit(%d,%d)", trunkPorts[0], flows.TableEmit))
}

// TestForeignFlows has somebody else forward in each table that frames meet on their way
// to the IPS, by flows that were there and by a new one, and by the groups: no frame gets
// past the IPS, since the ports of the network are protected.
func TestForeignFlows(t *testing.T) {
	s := newTracedSwitch(t)
	ofctl := func(args ...string) {
		t.Helper()
		s.env.OfctlT(t, append([]string{"-O", "OpenFlow13", args[0], s.env.Mgmt(bridge)}, args[1:]...)...)
	}
	handed := 0 // to the IPS, by whatever way
	for seed := range uint64(5) {
		r := random{rand.New(rand.NewPCG(seed, 0))}
		g := model.New(closed(r.config()))
		groups, all := flows.Groups(gateway(g.Config)), slices.Concat(flows.Build(gateway(g.Config)), leases(g.Config), offloads(g.Config))
		actions := ""
		harms := map[string]func(){"groups": func() {
			for _, group := range groups {
				bucket := strings.ReplaceAll(actions, "NORMAL", "ALL") // no bucket may have it
				ofctl("mod-group", fmt.Sprintf("group_id=%d,type=ff,bucket=watch_port:%d,actions=%s", group.ID, foreignPort, bucket))
			}
		}}
		for _, table := range flows.Tables() {
			if table.Table < flows.TableReturn {
				harms[table.Name] = func() {
					ofctl("mod-flows", fmt.Sprintf("table=%d,actions=%s", table.Table, actions))
					ofctl("add-flow", fmt.Sprintf("table=%d,priority=65535,actions=%s", table.Table, actions))
				}
			}
		}
		for _, name := range slices.Sorted(maps.Keys(harms)) {
			if err := s.install(groups, all); err != nil {
				t.Fatal(err)
			}
			actions = pick(r, forwarding())
			harms[name]()
			for range 8 {
				port, f := r.arriving(g)
				out, trace, err := s.trace(port, f)
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range out {
					if !slices.Contains(ipsPorts, o.Port) {
						t.Errorf("%s changed, seed %d, %s: port %d, %v leaks to %d\n%s\n%s", name, seed, actions, port, f, o.Port, describe(g.Config), trace)
					}
					handed++
				}
			}
		}
	}
	if handed == 0 {
		t.Error("nothing was handed to an IPS")
	}
}

// closed takes all out of a configuration by which frames need not be inspected.
func closed(c model.Config) model.Config {
	c.Open = false
	for i := range c.Policy {
		c.Policy[i].OnFailure = model.Closed
		if c.Policy[i].Action == model.Bypass {
			c.Policy[i].Action = model.Inspect
		}
	}
	for i := range c.Offloads {
		c.Offloads[i].Block = true
	}
	return c
}
