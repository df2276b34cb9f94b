// SPDX-License-Identifier: Apache-2.0

package testenv_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// TestVerdicts sends three frames through a stand-in with one and with two legs.
func TestVerdicts(t *testing.T) {
	e := testenv.New(t, testenv.WithBridge("br0"))
	in, out := port(t, e, "in", 1), port(t, e, "out", 2)
	leg0, leg1 := port(t, e, "ips0", 3), port(t, e, "ips1", 4)
	x, y, z := frame.Sized(macB, macA, 60), frame.Sized(macB, macA, 61), frame.Sized(macB, macA, 62)
	mark := func(f []byte) []byte { f = slices.Clone(f); f[20] = 0xee; return f }

	for _, legs := range []struct {
		name  string
		flows string
		leg1  *testenv.Port
	}{
		{"one leg", "in_port=1,actions=output:3\nin_port=3,actions=output:2", nil},
		{"two legs", "in_port=1,actions=output:3\nin_port=4,actions=output:2", leg1},
	} {
		for _, c := range []struct {
			name    string
			verdict func([]byte) []testenv.Out
			want    [][]byte
		}{
			{"nil", nil, [][]byte{x, y, z}},
			{"pass", testenv.Pass, [][]byte{x, y, z}},
			{"drop", testenv.Drop, nil},
			{"modify", testenv.Modify(mark), [][]byte{mark(x), mark(y), mark(z)}},
			{"modify to nothing", testenv.Modify(func([]byte) []byte { return nil }), nil},
			{"duplicate", testenv.Duplicate(2), [][]byte{x, x, y, y, z, z}},
			{"reorder", testenv.Reorder(3), [][]byte{z, y, x}},
			{"delay for y", func(f []byte) []testenv.Out {
				if bytes.Equal(f, y) {
					return testenv.Delay(50 * time.Millisecond)(f)
				}
				return testenv.Pass(f)
			}, [][]byte{x, z, y}},
		} {
			t.Run(legs.name+"/"+c.name, func(t *testing.T) {
				replaceFlows(t, e, legs.flows)
				ips := testenv.NewIPS(leg0, legs.leg1, c.verdict)
				defer ips.Stop()
				send(t, in, x, y, z)
				quiesce(t, e)
				await(t, "held frames", func() bool { return ips.Held() == 0 })
				quiesce(t, e)
				wantFrames(t, out, c.want...)
				wantFrames(t, in)
				if seen := ips.Seen(); !slices.EqualFunc(seen, [][]byte{x, y, z}, bytes.Equal) {
					t.Errorf("seen %x", seen)
				}
				ips.Reset()
				if seen := ips.Seen(); len(seen) != 0 {
					t.Errorf("seen %x after Reset", seen)
				}
			})
		}
	}
}

func TestProbes(t *testing.T) {
	e := testenv.New(t, testenv.WithBridge("br0"))
	in, leg := port(t, e, "in", 1), port(t, e, "ips0", 2)
	replaceFlows(t, e, "in_port=1,actions=output:2\nin_port=2,actions=output:1")
	ips := testenv.NewIPS(leg, nil, testenv.Drop)
	defer ips.Stop()
	plain := frame.Sized(macB, macA, 80)
	probe := frame.Carrier(plain, 5, 4)

	send(t, in, probe, frame.Carrier(plain, 5, 3))
	quiesce(t, e)
	wantFrames(t, in, probe)

	ips.Dead(true)
	send(t, in, probe)
	quiesce(t, e)
	wantFrames(t, in)

	ips.Dead(false)
	ips.SetVerdict(testenv.Pass)
	for _, f := range [][]byte{probe, plain} {
		send(t, in, f)
		quiesce(t, e)
		wantFrames(t, in, f)
	}
	if probes, seen := ips.Probes(), len(ips.Seen()); probes != 3 || seen != 2 {
		t.Errorf("%d probes and %d frames, want 3 and 2", probes, seen)
	}
}

func TestStopDropsHeldFrames(t *testing.T) {
	e := testenv.New(t, testenv.WithBridge("br0"))
	in, leg := port(t, e, "in", 1), port(t, e, "ips0", 2)
	replaceFlows(t, e, "in_port=1,actions=output:2\nin_port=2,actions=output:1")
	ips := testenv.NewIPS(leg, nil, testenv.Delay(time.Hour))
	f := frame.Sized(macB, macA, 80)
	send(t, in, f)
	quiesce(t, e)
	if got := ips.Held(); got != 1 {
		t.Errorf("%d frames held, want 1", got)
	}
	ips.Stop()
	if got := ips.Held(); got != 0 {
		t.Errorf("%d frames held after Stop", got)
	}
	// The leg is an ordinary port again.
	send(t, in, f)
	quiesce(t, e)
	wantFrames(t, leg, f)
	wantFrames(t, in)
}
