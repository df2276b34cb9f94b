// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// engineFault is something that goes wrong with a Suricata, or is done to it.
type engineFault struct {
	name     string
	do       func(b *faultBed, t *testing.T)
	lossless bool
}

func engineFaults() []engineFault {
	again := func(b *faultBed, t *testing.T) {
		eventually(t, suricataStart, "it is up", func() bool { return b.attachmentState() == "up" && b.ctl.Status()["converged"] == true })
	}
	return []engineFault{
		{"a Suricata killed", func(b *faultBed, t *testing.T) {
			pid := b.suricataPID()
			must(t, b.signalSuricata(syscall.SIGKILL))
			eventually(t, suricataStart, "another one runs", func() bool { n := b.suricataPID(); return n != 0 && n != pid })
			again(b, t)
		}, false},
		{"a Suricata hangs and goes on", func(b *faultBed, t *testing.T) {
			must(t, b.signalSuricata(syscall.SIGSTOP))
			b.waitState(t, "down")
			must(t, b.signalSuricata(syscall.SIGCONT))
			again(b, t)
		}, false},
		{"rules of a Suricata reloaded, and bad ones", func(b *faultBed, t *testing.T) {
			b.hup(t, badRule, "nosuchoption")
			b.hup(t, evilRule, "configuration read again")
		}, true},
		{"controller with a Suricata killed and started", func(b *faultBed, t *testing.T) {
			b.ctl.Kill()
			b.ctl = b.env.Controller(b.home, b.yaml)
			b.ready(t)
			again(b, t)
		}, true},
	}
}

// suricataRows has a Suricata as the IPS: of two frames that are sent at a time
// its rule drops one, which is counted as leaked where it arrives.
func suricataRows(t *testing.T) (rows [][]string) {
	b := newFaultBed(t, "closed")
	for _, f := range engineFaults() {
		t.Run(f.name, func(t *testing.T) {
			b.t = t
			b.expectWindow(t, "before", true, false)
			from := b.settled()
			f.do(b, t)
			b.expectWindow(t, "after", true, false)
			y := b.tallyFrom(from)
			t.Log(y)
			if !y.clean() || f.lossless && y.lost > 0 {
				t.Errorf("%s\n%s", y, b.ctl.Logs())
			}
			rows = append(rows, row(f.name, y))
		})
	}
	return rows
}

// tallyFrom counts what became of the pairs from one on to those that have
// arrived for sure.
func (b *faultBed) tallyFrom(from int) tally {
	b.mu.Lock()
	defer b.mu.Unlock()
	var y tally
	first, last := -1, -1
	for n := from; n < len(b.sent)-window/2; n++ {
		y.sent++
		y.leaked += len(b.arrived[fmt.Sprintf("evil-%d-", n)])
		switch good := len(b.arrived[fmt.Sprintf("good-%d-", n)]); {
		case good > 1:
			y.doubled += good - 1
		case good == 0:
			y.lost++
			if last = n; first < 0 {
				first = n
			}
		}
	}
	if first >= 0 {
		y.outage = b.sent[last].Sub(b.sent[first]) + pace
	}
	return y
}

// row is a line of the table of faults.
func row(name string, y tally) []string {
	return []string{
		name, fmt.Sprint(y.sent), fmt.Sprint(y.lost), fmt.Sprint(y.leaked), fmt.Sprint(y.doubled), y.outage.Round(time.Millisecond).String(),
	}
}
