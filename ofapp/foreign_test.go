// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ofcontroller/openflow"
	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// quickMend is how long a flow of others may stand, on a machine that is busy
// with other things. An audit alone would take ten times as long on the average.
const quickMend = 100 * time.Millisecond

// TestForeignFlows has a second connection to the switch change flows: the
// switch tells of it, and they are put right long before the next audit.
func TestForeignFlows(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, wayConfig)
	conn, err := openflow.Dial(t.Context(), openflow.Options{Endpoint: b.env.Mgmt("br0")})
	must(t, err)
	defer conn.Close()
	must(t, conn.MonitorFlows(t.Context(), []uint8{0, 60, 80}))
	normal := []openflow.Action{openflow.Output(openflow.PortNormal)}
	for _, c := range []struct {
		name string
		mod  openflow.FlowMod
	}{
		{"forwards all", openflow.FlowMod{Priority: 65535, Actions: normal}},
		{"changes a table", openflow.FlowMod{Command: openflow.FlowModify, Table: 60, Actions: normal}},
		{"deletes a table", openflow.FlowMod{Command: openflow.FlowDelete, Table: 80}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := keys(b.dumpAges())
			var took []time.Duration
			for range 9 {
				b.ctl.WaitConverged(t, converge)
				conn.Events()
				began := time.Now()
				must(t, conn.Bundle(t.Context(), []openflow.Mod{c.mod}))
				for told := false; !told; {
					select {
					case <-conn.Ready():
						told = slices.ContainsFunc(conn.Events(), func(e openflow.Event) bool {
							_, ok := e.(openflow.FlowsChanged)
							return ok
						})
					case <-time.After(testenv.Scaled(settle)):
						t.Fatal("not put right")
					}
				}
				took = append(took, time.Since(began))
				eventually(t, settle, "all is put right", func() bool { return slices.Equal(keys(b.dumpAges()), want) })
			}
			slices.Sort(took)
			t.Logf("put right after %v (%v to %v, n=%d)", took[len(took)/2], took[0], took[len(took)-1], len(took))
			if m := took[len(took)/2]; m > testenv.Scaled(quickMend) {
				t.Errorf("put right after %v in the middle, want %v", m, quickMend)
			}
		})
	}
}

// TestForeignEntrance has others add flows to the first table while the program
// does not run, so that nobody takes them away: none catches a frame.
func TestForeignEntrance(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, wayConfig)
	b.ctl.Kill()
	b.ips.SetVerdict(mark)
	want := len(keys(b.dumpAges()))
	added := 0
	for _, priority := range []int{32768, 65000, 65535} {
		for _, match := range []string{"", "dl_vlan=20,", "ip,", "udp,", "dl_dst=" + mac(0x10) + ",", "in_port=1,ip,", "vlan_tci=0,", "dl_type=0x9998,"} {
			if priority != 65535 && match != "" {
				continue
			}
			action := []string{"NORMAL", "FLOOD", "ALL", "output:11", "output:1,output:12"}[added%5]
			b.env.OfctlT(t, "add-flow", b.env.Mgmt("br0"), fmt.Sprintf("%spriority=%d,actions=%s", match, priority, action))
			added++
			b.drain()
			lot := []attempt{
				{up, numbered(0, guest0, peer, frame.Tag{VID: 20})},
				{t0, numbered(1, peer, guest0, frame.Tag{VID: 20})},
				{t1, numbered(2, other, guest1)},
				{up, numbered(3, guest1, other, frame.Tag{VID: 99})},
			}
			for _, a := range lot {
				b.send(a.in, a.f)
			}
			out := 0
			for port, fs := range b.collect() {
				for _, f := range fs {
					if p := trafficPayload(f); p == nil || p[trafficLength-1] != inspected {
						t.Errorf("%sactions=%s: out of %s came %s", match, action, port, dumpFrames([][]byte{f}))
					}
					out++
				}
			}
			if out == 0 {
				t.Errorf("%sactions=%s: nothing came out", match, action)
			}
		}
	}
	if got := len(keys(b.dumpAges())); got != want+added {
		t.Errorf("%d flows, want %d and the %d that were added", got, want, added)
	}
}

// TestForeignMeter has others change the meter of the probes, which changes no
// flow, and delete it, with which its flows go.
func TestForeignMeter(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1, wayConfig)
	meter := func() string {
		return b.env.OfctlT(t, "-OOpenFlow13", "dump-meters", b.env.Mgmt("br0"))
	}
	_, want, _ := strings.Cut(meter(), "\n") // without the message's number
	for _, args := range [][]string{
		{"mod-meter", b.env.Mgmt("br0"), "meter=1,pktps,band=type=drop,rate=1"},
		{"del-meters", b.env.Mgmt("br0")},
	} {
		b.env.OfctlT(t, append([]string{"-OOpenFlow13"}, args...)...)
		eventually(t, settle, "the meter is as it was", func() bool {
			_, got, _ := strings.Cut(meter(), "\n")
			return got == want
		})
		b.ctl.WaitConverged(t, converge)
	}
}
