// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"ofcontroller/flows"
	"ofcontroller/openflow"
	"ofcontroller/openflow/oftest"
)

// TestGiveWay has something to do while the flows are read, from a switch that
// ends its first answer only after that was done: the look gives way, is asked
// for again and then finds the flow. One that gave way for long goes on.
func TestGiveWay(t *testing.T) {
	const multipartFlow, more = 1, 1
	flow := func() []byte { // ofp_flow_stats: the first table, a foreign cookie, an empty match
		b := make([]byte, 56)
		binary.BigEndian.PutUint16(b, 56)
		binary.BigEndian.PutUint64(b[24:], 1)
		binary.BigEndian.PutUint16(b[48:], 1)
		binary.BigEndian.PutUint16(b[50:], 4)
		return b
	}()
	a := &App{
		wake: make(chan struct{}, 1), doubt: make(chan struct{}, 1), log: logrus.New(),
		offloads: newOffloader(1), tally: newTally(), work: newWork(),
	}
	var err error
	if a.forms, err = newOffloadForms(); err != nil {
		t.Fatal(err)
	}
	dumps := make(chan int, 10)
	asked := 0
	sw := oftest.Start(t, func(p *oftest.Peer, m oftest.Message) error {
		if m.Type != oftest.Multipart || binary.BigEndian.Uint16(m.Body) != multipartFlow {
			return oftest.Polite(p, m)
		}
		asked++
		dumps <- asked
		flags := byte(0)
		switch asked {
		case 1:
			flags = more // and no more comes
			signal(a.wake)
		case 3:
			signal(a.wake)
		}
		return p.Reply(m, oftest.MultipartReply, append([]byte{0, multipartFlow, 0, flags, 0, 0, 0, 0}, flow...))
	})
	conn, err := openflow.Dial(t.Context(), openflow.Options{Endpoint: sw.Endpoint(), Log: logrus.New()})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s := &syncer{a: a, conn: conn, silence: map[string]*silence{}, held: newHeld(nil), quiet: true}
	before := s.held
	next := time.NewTimer(time.Hour)
	defer next.Stop()
	inspect := func(wakes, doubts int, late bool) {
		t.Helper()
		if err := s.inspect(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		if len(a.wake) != wakes || len(a.doubt) != doubts || !s.late.IsZero() != late {
			t.Errorf("look %d: %d wakes, %d doubts, late since %v", <-dumps, len(a.wake), len(a.doubt), s.late)
		}
	}
	s.due = true
	inspect(0, 1, true)
	if s.held != before || s.quiet || !s.due {
		t.Errorf("the same held %t, quiet %t, due %t", s.held == before, s.quiet, s.due)
	}
	<-a.doubt
	inspect(0, 0, false)
	if s.held.other.size() != 1 || s.held.counted.tables[uint8(flows.TableClassify)] != 1 || s.due {
		t.Errorf("%d flows, due %t", s.held.other.size(), s.due)
	}
	s.late = time.Now().Add(-giveWay)
	inspect(1, 0, false)
}
