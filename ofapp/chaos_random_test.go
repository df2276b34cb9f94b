// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	chaosTime = flag.Duration("chaos.time", 10*time.Second, "how long TestChaos goes on")
	pairs     = flag.Int("chaos.pairs", 60, "how many pairs of configurations TestRandomPairs tries")
	chaosSeed = flag.Uint64("chaos.seed", 0, "seed of the random tests; 0 takes one from the clock and says which")
)

func random(t *testing.T) *rand.Rand {
	seed := *chaosSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-chaos.seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// TestChaos mixes faults at random while frames are sent, and looks at the same
// promises all along. In the end the flows are those of a fresh start.
func TestChaos(t *testing.T) {
	t.Parallel()
	r := random(t)
	list := slices.DeleteFunc(faults(), func(f fault) bool { return flooding[f.name] })
	b := newBareBed(t, 2)
	b.newRelay()
	b.ctl = b.env.Controller(t, b.chaosYAML(""))
	b.ctl.WaitConverged(t, converge)
	tr := b.startTraffic(wayStreams())
	tr.flows(t)
	n := 0
	for end := time.Now().Add(*chaosTime); time.Now().Before(end); n++ {
		f := list[r.IntN(len(list))]
		f.do(b, t)
		tr.flows(t)
		if y := tr.tally(); !y.clean() {
			tr.halt()
			t.Fatalf("%s: %s\n%s", f.name, y, b.ctl.Logs())
		}
		b.ips.Reset()
	}
	b.ctl.WaitConverged(t, converge)
	tr.halt()
	y := tr.tally()
	t.Logf("%d faults: %s", n, y)
	if !y.clean() || y.sent == y.lost {
		t.Error(y)
	}
	b.expectFresh(t)
}

// expectFresh fails unless the switch holds what a fresh start puts there.
func (b *bed) expectFresh(t *testing.T) {
	t.Helper()
	got := keys(b.dumpAges())
	b.ctl.Kill()
	b.env.OfctlT(t, "del-flows", b.env.Mgmt("br0"))
	b.env.OfctlT(t, "-O", "OpenFlow13", "del-groups", b.env.Mgmt("br0"))
	b.afresh()
	if want := keys(b.dumpAges()); !slices.Equal(got, want) {
		t.Errorf("flows:\n%s\nof a fresh start:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestRandomPairs puts random configurations in force one after the other:
// after each the switch holds its flows and no others.
func TestRandomPairs(t *testing.T) {
	t.Parallel()
	r := random(t)
	b := newBed(t, 2, randomConfig(r))
	for i := range *pairs {
		c := randomConfig(r)
		b.reload(t, c)
		got := keys(b.dumpAges())
		if i%10 > 0 {
			if text, err := b.ctl.CLI("flows", "--live"); err != nil || text != "" {
				t.Fatalf("%v %s\n%s", err, text, c)
			}
			continue
		}
		// Compared with a switch that has never known another configuration.
		b.ctl.Kill()
		b.env.OfctlT(t, "del-flows", b.env.Mgmt("br0"))
		b.ctl = b.env.Controller(t, b.yaml(c))
		b.ctl.WaitConverged(t, converge)
		if want := keys(b.dumpAges()); !slices.Equal(got, want) {
			t.Fatalf("flows:\n%s\nof a fresh start:\n%s\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), c)
		}
	}
}

// randomConfig is a valid configuration of the bed's ports.
func randomConfig(r *rand.Rand) string {
	pool := []int{0, 10, 20, 30, 40, 1000, 1001, 1002, 4094}
	var y strings.Builder
	y.WriteString("\nuplinks: [{port: up0}]\ntrunks:\n")
	for _, port := range []string{t0, t1, t2} {
		r.Shuffle(len(pool), func(i, j int) { pool[i], pool[j] = pool[j], pool[i] })
		vlans := slices.Clone(pool[:1+r.IntN(5)])
		native := 0
		if !slices.Contains(vlans, 0) && r.IntN(2) == 0 { // 0 is the port's untagged frames already
			native = vlans[0]
		}
		fmt.Fprintf(&y, "  - {port: %s, vlans: %s, native_vlan: %d}\n", port, strings.ReplaceAll(fmt.Sprint(vlans), " ", ", "), native)
	}
	if r.IntN(2) == 0 {
		fmt.Fprintf(&y, "local: {vlan: %d}\n", pool[0])
	} else {
		y.WriteString("local: {enabled: false}\n")
	}
	fmt.Fprintf(&y, "forwarding: {east_west: %t, mac_aging: %ds, mac_limit_per_port: %d}\n", r.IntN(2) == 0, 60+r.IntN(300), 16+r.IntN(1000))
	fmt.Fprintf(&y, "inspection:\n  on_failure: %s\n", []string{"closed", "open"}[r.IntN(2)])
	if n := r.IntN(4); n > 0 {
		y.WriteString("  policy:\n")
		for i := range n {
			fmt.Fprintf(&y, "    - {vlan: %d, ip: 192.0.2.%d, proto: tcp, port: %d, action: %s}\n",
				pool[i], r.IntN(255), 1+r.IntN(65535), []string{"inspect", "bypass", "drop"}[r.IntN(3)])
		}
	}
	return y.String()
}
