// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"ofcontroller/testenv/frame"
)

const (
	armOFController = "ofcontroller"
	armOfctl        = "ovs-ofctl --bundle replace-flows"
)

// macVLANs is the number of VLANs that carry every configured address.
const macVLANs = 25

// macTrunk is a trunk port with VLANs 1 to macVLANs and so many addresses, which
// makes a flow for each VLAN and address. which tells one set of addresses from
// another.
func macTrunk(port string, flows, which int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  - {port: %s, vlans: [\"1-%d\"], macs: [", port, macVLANs)
	for i := range flows / macVLANs {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "\"02:00:%02x:%02x:%02x:%02x\"", which, i>>16, i>>8&255, i&255)
	}
	b.WriteString("]}")
	return b.String()
}

// policyLine is a line of the policy: one flow for a whole VLAN, of which only the instructions change.
func policyLine(action string) string {
	return fmt.Sprintf("  policy: [{vlan: 1, action: %s}]\n", action)
}

// sizes of the installation, flows.
func (b *bench) flowCounts() []int { return pick(b, []int{1000, 10_000, 30_000, 100_000}, []int{250}) }

func install() subject {
	return subject{
		name: "install", title: "Installing flows", limit: 6 * time.Minute,
		method: "ofcontroller is told to read its configuration again (the method `reload` of the control socket) and the time runs until `status` says that the switch holds it: " +
			"YAML is parsed, flows are built, compared and sent. ovs-ofctl puts the very same flows, as text, on another bridge of the same switch: it reads the file, dumps the bridge, compares and sends one bundle. " +
			"\"Change one\" changes the action of one line of the policy.",
		plots: []plotSpec{
			{title: "Install from nothing", unit: "s, from nothing", x: "flows", logX: true, logY: true},
			{title: "Replace all", unit: "s, replace all", x: "flows", logX: true, logY: true},
			{title: "Change one", unit: "s, change one", x: "flows", logX: true, logY: true},
		},
		run: runInstall,
	}
}

// installer changes flows in both ways on one switch.
type installer struct {
	*bench
	*bed
	ctl   *gateway
	flows int
	files map[string]string // for ovs-ofctl, by state
}

// states of the configuration: none has no addresses.
func (in *installer) yaml(state string) string {
	switch state {
	case "none":
		return yaml("g", macTrunk("g-in", 0, 0), policyLine("bypass"))
	case "first":
		return yaml("g", macTrunk("g-in", in.flows, 0), policyLine("bypass"))
	case "second":
		return yaml("g", macTrunk("g-in", in.flows, 1), policyLine("bypass"))
	}
	return yaml("g", macTrunk("g-in", in.flows, 0), policyLine("drop")) // "changed"
}

func (in *installer) least(state string) int {
	if state == "none" {
		return 0
	}
	return in.flows
}

// save writes what the gateway's bridge holds as a file for ovs-ofctl.
func (in *installer) save(state string) error {
	text, err := in.Ofctl("-O", "OpenFlow14", "--no-stats", "--no-names", "dump-flows", in.Mgmt("g-br"))
	if err != nil {
		return err
	}
	in.files[state] = filepath.Join(in.Dir(), state+".flows")
	return os.WriteFile(in.files[state], []byte(text), 0o600)
}

func (in *installer) ofctl(state string) (time.Duration, error) {
	began := time.Now()
	_, err := in.Ofctl("-O", "OpenFlow14", "--bundle", "replace-flows", in.Mgmt("p-br"), in.files[state])
	return time.Since(began), err
}

func (in *installer) reload(ctx context.Context, state string) (time.Duration, error) {
	text := in.yaml(state)
	began := time.Now()
	err := in.ctl.reload(ctx, text, in.least(state))
	return time.Since(began), err
}

func runInstall(ctx context.Context, b *bench) error {
	for _, n := range b.flowCounts() {
		if err := b.installSize(ctx, n); err != nil {
			return fmt.Errorf("%d flows: %w", n, err)
		}
	}
	return nil
}

func (b *bench) installSize(ctx context.Context, n int) error {
	e, err := newBed(ctx)
	if err != nil {
		return err
	}
	defer e.close()
	for _, prefix := range []string{"g", "p"} {
		if _, err := e.looped(prefix); err != nil {
			return err
		}
	}
	if err := e.empty("p-br"); err != nil {
		return err
	}
	in := &installer{bench: b, bed: e, flows: n, files: map[string]string{}}
	if in.ctl, err = e.gateway(ctx, in.yaml("none")); err != nil {
		return err
	}
	for _, state := range []string{"none", "first", "second", "changed"} {
		if _, err := in.reload(ctx, state); err != nil {
			return fmt.Errorf("%s: %w", state, err)
		}
		if err := in.save(state); err != nil {
			return err
		}
	}
	memory, err := rss(in.ctl.PID())
	if err != nil {
		return err
	}
	what := several(n, "flow")
	b.add(what, float64(n), armOFController, "MiB resident", memory)
	if err := in.meters(); err != nil {
		return err
	}
	if err := in.turns(ctx, what); err != nil {
		return err
	}
	return in.claims(what)
}

// meters puts on the other bridge the meters that the flows name.
func (in *installer) meters() error {
	text, err := in.Ofctl("-O", "OpenFlow13", "dump-meters", in.Mgmt("g-br"))
	if err != nil {
		return err
	}
	for _, m := range regexp.MustCompile(`meter=(\d+)`).FindAllStringSubmatch(text, -1) {
		if _, err := in.Ofctl("-O", "OpenFlow13", "add-meter", in.Mgmt("p-br"), "meter="+m[1]+" pktps bands=type=drop rate=1000"); err != nil {
			return err
		}
	}
	return nil
}

// steps are the changes measured, each from the state before it.
func steps() []struct{ unit, state string } {
	return []struct{ unit, state string }{
		{"", "none"}, {"s, from nothing", "first"}, {"s, change one", "changed"}, {"s, replace all", "second"},
	}
}

func (in *installer) turns(ctx context.Context, what string) error {
	x := float64(in.flows)
	return interleave(ctx, in.rounds(6), []arm{
		{armOFController, func(ctx context.Context) error {
			for _, s := range steps() {
				before := flowMods(in.ctl.Logs())
				took, err := in.reload(ctx, s.state)
				if err != nil {
					return fmt.Errorf("to %s: %w", s.state, err)
				}
				if s.unit != "" {
					in.add(what, x, armOFController, s.unit, took.Seconds())
					in.add(what, x, armOFController, "flow-mods"+strings.TrimPrefix(s.unit, "s"), float64(flowMods(in.ctl.Logs())-before))
				}
			}
			return nil
		}},
		{armOfctl, func(context.Context) error {
			for _, s := range steps() {
				took, err := in.ofctl(s.state)
				if err != nil {
					return fmt.Errorf("to %s: %w", s.state, err)
				}
				if s.unit != "" {
					in.add(what, x, armOfctl, s.unit, took.Seconds())
				}
			}
			return nil
		}},
	})
}

// flowMods adds up what the controller's log says of its bundles.
func flowMods(log string) int {
	sum := 0
	for _, m := range regexp.MustCompile(`msg="flows (?:changed|were changed)[^\n]*`).FindAllString(log, -1) {
		for _, n := range regexp.MustCompile(`(?:added|changed|removed)=(\d+)`).FindAllStringSubmatch(m, -1) {
			var k int
			_, _ = fmt.Sscan(n[1], &k) // the pattern lets digits through only
			sum += k
		}
	}
	return sum
}

func (in *installer) claims(what string) error {
	return errors.Join(
		in.ratio(what, "s, from nothing", armOfctl, armOFController, atLeast(1.2)),
		in.ratio(what, "s, replace all", armOfctl, armOFController, atLeast(1.2)),
		in.ratio(what, "s, change one", armOfctl, armOFController, reported()),
		in.limit(what, "s, change one", armOFController, atMost(0.05)),
		in.limit(what, "flow-mods, change one", armOFController, atMost(1)),
	)
}

// empty deletes all flows of a bridge.
func (b *bed) empty(bridge string) error {
	_, err := b.Ofctl("-O", "OpenFlow13", "del-flows", b.Mgmt(bridge))
	return err
}

// A frame of the kind that the addresses' flows are for.
func tagged(length int, vlan uint16) []byte { return frame.VLAN(toGuest(length), vlan) }
