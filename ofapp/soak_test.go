// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"flag"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

var soakTime = flag.Duration("soak.time", 15*time.Second, "how long TestSoak goes on")

// soakGrowth is by how much the last quarter's median of the resident memory may
// lie above that of the quarter after the first: the heap breathes by as much.
const soakGrowth = 8 << 20

// sample is what the controller uses at one moment.
type sample struct {
	resident   int64
	goroutines int
	files      int
}

// TestSoak keeps a gateway busy: traffic, addresses that come and go, reloads
// with and without a change, and an attachment that goes down and up. Memory,
// goroutines and open files stay level, and no frame passes uninspected.
func TestSoak(t *testing.T) {
	t.Parallel()
	b := newBareBed(t, 2)
	yaml := b.chaosYAML("")
	b.ctl = b.env.Measured(t, yaml)
	b.ready(t)
	other := strings.Replace(yaml, "[20, 40]", `[20, 40, "1000-1099"]`, 1)
	tr := b.startTraffic(wayStreams())
	tr.flows(t)
	began, before := time.Now(), b.usage(t)
	var samples []sample
	rounds := 0
	for ; time.Since(began) < *soakTime || rounds < 8; rounds++ {
		for i := range 40 {
			b.send(t2, frame.VLAN(udp([]byte{2, 6, 0, byte(rounds >> 8), byte(rounds), byte(i)}, peer, 20), 10))
		}
		b.reloadYAML(t, []string{yaml, other, other}[rounds%3])
		if rounds%20 == 0 {
			b.ips.Dead(true)
			b.waitState(t, "down")
			b.ips.Dead(false)
			b.waitState(t, "up")
		}
		tr.flows(t)
		b.ips.Reset()
		samples = append(samples, b.sample(t))
	}
	b.ctl.WaitConverged(t, converge)
	tr.halt()
	took, after := time.Since(began), b.usage(t)
	quarter := len(samples) / 4
	first, last := typical(samples[quarter:2*quarter]), typical(samples[len(samples)-quarter:])
	t.Logf("%d rounds in %v: resident %.1f MiB, then %.1f MiB; goroutines %d, then %d; open files %d, then %d; %.1f %% of a CPU; %s",
		rounds, took.Round(time.Second), mebi(first.resident), mebi(last.resident), first.goroutines, last.goroutines,
		first.files, last.files, 100*(after.CPU-before.CPU).Seconds()/took.Seconds(), tr.tally())
	if last.resident > first.resident+soakGrowth || last.goroutines > first.goroutines+3 || last.files > first.files+3 {
		t.Errorf("it grows: %+v, then %+v", first, last)
	}
	if n := b.ctl.Status()["repairs"]; n != 0.0 {
		t.Errorf("%v repairs: nobody else changed flows", n)
	}
	if y := tr.tally(); !y.clean() || y.lost == y.sent {
		t.Error(y)
	}
}

func mebi(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// typical is the median of each figure.
func typical(all []sample) sample {
	median := func(of func(sample) int64) int64 {
		var vs []int64
		for _, s := range all {
			vs = append(vs, of(s))
		}
		slices.Sort(vs)
		return vs[len(vs)/2]
	}
	return sample{
		resident:   median(func(s sample) int64 { return s.resident }),
		goroutines: int(median(func(s sample) int64 { return int64(s.goroutines) })),
		files:      int(median(func(s sample) int64 { return int64(s.files) })),
	}
}

func (b *bed) usage(t *testing.T) testenv.Usage {
	t.Helper()
	u, err := b.ctl.Usage()
	must(t, err)
	return u
}

func (b *bed) sample(t *testing.T) sample {
	t.Helper()
	u := b.usage(t)
	var n float64
	_, text := b.get(t, "/metrics")
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "go_goroutines "); ok {
			var err error
			n, err = strconv.ParseFloat(strings.TrimSpace(rest), 64)
			must(t, err)
		}
	}
	if n == 0 {
		t.Fatal("no go_goroutines among the metrics")
	}
	return sample{resident: u.Resident, goroutines: int(n), files: u.Files}
}
