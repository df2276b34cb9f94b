// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"ofcontroller/ips/afpacket"
	"ofcontroller/ips/suricata"
	"ofcontroller/testenv"
)

// TestReplay replays public captures, the first sender's side at the uplink and
// the other's at a guest, through a Suricata without rules: by itself, with the
// carrier tag put on by the test, and then behind the switch. What comes out must
// be the same in both, in order, byte for byte; and what a Suricata by itself
// drops, it must give a reason for.
func TestReplay(t *testing.T) {
	t.Parallel()
	captures, excluded := readCaptures(t)
	alone, drops := replayAlone(t, captures)
	b := replayBed(t)
	switched := replay(t, path{
		send: func(side int, frames ...[]byte) error {
			for _, f := range frames {
				if err := b.ports[replayPorts[side]].Send(f); err != nil {
					return err
				}
			}
			return nil
		},
		next: func(ctx context.Context, side int) ([]byte, error) {
			f, err := b.ports[replayPorts[side]].Next(ctx)
			return f.Data, err
		},
		wrap: func(_ int, _ uint16, f []byte) []byte { return f },
	}, captures)
	frames, lost, changed := 0, 0, 0
	for i, c := range captures {
		for j := range c.frames {
			frames++
			if !bytes.Equal(alone[i][j], switched[i][j]) {
				t.Errorf("%s, frame %d: sent\n% x, came alone\n% x, behind the switch\n% x", c.name, j, c.frames[j], alone[i][j], switched[i][j])
			}
			switch {
			case alone[i][j] == nil:
				lost++
			case !bytes.Equal(alone[i][j], c.frames[j]):
				changed++
				t.Logf("%s, frame %d: rewritten by Suricata's stream engine", c.name, j)
			}
		}
	}
	if len(captures) < minCaptures {
		t.Errorf("%d captures with frames to replay, want %d or more", len(captures), minCaptures)
	}
	t.Logf("%d captures, %d frames, %d passed, %d of them rewritten, and %d dropped by Suricata", len(captures), frames, frames-lost, changed, lost)
	for why, n := range excluded {
		t.Logf("left out: %4d %s", n, why)
	}
	explain(t, captures, alone, drops)
}

// replayPorts are the ports of the sides: 0 the uplink, 1 the guest.
var replayPorts = [2]string{up, t0}

// replayBed is a gateway with a Suricata and a trunk port of all the VLANs.
func replayBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{t: t, env: testenv.New(t, testenv.WithBridge("br0")), ports: map[string]*testenv.Port{}}
	b.ports[up], b.ports[t0] = b.port(up, 1), b.port(t0, 11)
	b.ctl = b.env.Controller(t, fmt.Sprintf(`
ovsdb: ${DB}
control: ${CONTROL}
bridge: {name: br0}
uplinks: [{port: up0}]
trunks: [{port: trunk0, vlans: ["%d-%d"]}]
local: {enabled: false}
inspection: {on_failure: closed, attachments: [{name: builtin, kind: suricata}]}
`, firstVLAN, firstVLAN+maxCaptures-1))
	t.Cleanup(func() { b.endSuricata() })
	b.ready(t)
	b.suricataPID()
	return b
}

// path is a way from one side to the other.
type path struct {
	send func(side int, frames ...[]byte) error                  // by a side
	next func(ctx context.Context, side int) ([]byte, error)     // what arrives at a side
	wrap func(side int, vlan uint16, f []byte) (onTheWay []byte) // what a side sends, and is to arrive
}

// replay sends all captures, and tells which frames arrive.
func replay(t *testing.T, p path, captures []*capture) (passed [][][]byte) {
	t.Helper()
	began := time.Now()
	for _, c := range captures {
		arrived := make([][]byte, len(c.frames))
		passed = append(passed, arrived)
		for side := range 2 { // the marker's datapath flow is there from here on
			for _, lane := range []bool{false, true} {
				if _, err := p.through(c.vlan, side, lane); err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
			}
		}
		for _, part := range c.bursts() {
			side := 0
			if c.guest[part.first] {
				side = 1
			}
			var sent [][]byte
			for _, f := range c.frames[part.first:part.end] {
				sent = append(sent, p.wrap(side, c.vlan, f))
			}
			got, err := p.through(c.vlan, side, stacked(c.frames[part.first]), sent...)
			if err != nil {
				t.Fatalf("%s, from frame %d on: %v", c.name, part.first, err)
			}
			i := 0
			for _, f := range got {
				n := slices.IndexFunc(sent[i:], func(s []byte) bool { return bytes.Equal(f, s) })
				if n < 0 {
					n = slices.IndexFunc(sent[i:], func(s []byte) bool { return rewritten(s, f) })
				}
				if n < 0 {
					t.Fatalf("%s, frames %d to %d: changed, doubled or out of order: % x", c.name, part.first, part.end-1, f)
				}
				i += n
				arrived[part.first+i] = slices.Concat(f[:12], f[len(f)-len(c.frames[part.first+i])+12:]) // without carrier tag
				i++
			}
		}
	}
	t.Logf("replayed in %s", time.Since(began).Round(time.Millisecond))
	return passed
}

// rewritten tells whether a frame is one that was sent but for its payload and
// the TCP checksum: where segments overlap, an inline Suricata puts the data in
// that it has seen first ("stream.inline" in Suricata's user guide).
func rewritten(sent, got []byte) bool {
	if len(sent) != len(got) {
		return false
	}
	kind, ip := network(sent)
	at := len(sent) - len(ip)
	switch {
	case kind == 0x0800 && len(ip) >= 20 && ip[9] == 6:
		at += int(ip[0]&15) * 4
	case kind == 0x86dd && len(ip) >= 40 && ip[6] == 6:
		at += 40
	default:
		return false
	}
	return at+18 <= len(sent) && bytes.Equal(sent[:at+16], got[:at+16])
}

// markerType is of frames that every IPS lets pass (IEEE 802 local experimental).
const markerType = 0x88b6

var markers uint64

// through sends frames, and a marker behind them that nothing overtakes from
// behind, and gives what arrived at the other side before the marker. Stacked
// frames want a marker that is stacked too.
func (p path) through(vlan uint16, side int, stacked bool, frames ...[]byte) (got [][]byte, err error) {
	markers++
	text := make([]byte, 60)
	copy(text, append(append([]byte{}, guest0...), peer...))
	binary.BigEndian.PutUint16(text[12:], markerType)
	binary.BigEndian.PutUint64(text[14:], markers)
	if stacked {
		text = addTag(text, vlan)
	}
	marker := p.wrap(side, vlan, addTag(text, vlan))
	if err := p.send(side, append(frames[:len(frames):len(frames)], marker)...); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), testenv.Scaled(settle))
	defer cancel()
	for {
		f, err := p.next(ctx, 1-side)
		if err != nil {
			return nil, fmt.Errorf("no marker behind %d frames, %d of which arrived: %w", len(frames), len(got), err)
		}
		if bytes.Equal(f, marker) {
			return got, nil
		}
		got = append(got, f)
	}
}

// replayAlone replays through a Suricata of the same settings, without a switch,
// and gives what it says of the frames that it drops.
func replayAlone(t *testing.T, captures []*capture) (passed [][][]byte, drops []suricata.Event) {
	t.Helper()
	env := testenv.New(t)
	dir, err := os.MkdirTemp("", "ofs-replay-") // short: there are sockets in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	include := filepath.Join(dir, "include.yaml")
	dropFile := filepath.Join(dir, "drops.json")
	// In place of one drop event for a connection, one for each frame.
	writeFile(t, include, `%YAML 1.1
---
outputs:
  - eve-log:
      enabled: yes
      filetype: regular # a datagram would be dropped where there is no room
      filename: `+dropFile+`
      types: [{drop: {alerts: yes, flows: all}}]
`)
	log := logrus.New()
	log.SetOutput(io.Discard)
	a, err := suricata.New(suricata.Options{
		Name: "alone", Dir: dir, Include: include, MTU: testenv.MTU, Stop: true, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- env.Do(func() error { return a.Run(ctx) }) }()
	end := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Suricata: %v", err)
		}
	})
	t.Cleanup(end)
	eventually(t, suricataStart, "Suricata answers", func() bool { return a.Status().Running })
	p := carrierPath(t, env, a.Ports())
	warm := addTag(make([]byte, 60), 1)
	for i := range 4 { // it answers a little before it forwards, in each lane
		side, f := i%2, warm
		if i > 1 {
			f = addTag(warm, 1)
		}
		eventually(t, suricataStart, "Suricata forwards", func() bool {
			ctx, cancel := context.WithTimeout(context.Background(), testenv.Scaled(time.Second/10))
			defer cancel()
			if err := p.send(side, p.wrap(side, 1, f)); err != nil {
				return false
			}
			_, err := p.next(ctx, 1-side)
			return err == nil
		})
	}
	passed = replay(t, p, captures)
	end() // its last events are out
	text, err := os.ReadFile(dropFile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		e, err := suricata.ParseEvent(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		drops = append(drops, e)
	}
	return passed, drops
}

// carrierPath is the way through an IPS by itself, from the switch's end of one
// leg to that of the other. As in the gateway, stacked frames go in at leg 1
// and all others at leg 0.
func carrierPath(t *testing.T, env *testenv.Env, legs [2]string) path {
	t.Helper()
	var sockets [2]*afpacket.Socket
	arrives := make(chan []byte, 1<<12)
	for i, name := range legs {
		err := env.Do(func() (err error) {
			sockets[i], err = afpacket.Open(name, afpacket.Options{Slots: 8192})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var done sync.WaitGroup
	for _, s := range sockets {
		done.Go(func() {
			for s.ReadBatch(func(frames [][]byte) {
				for _, f := range frames {
					arrives <- bytes.Clone(f)
				}
			}) == nil {
			}
		})
	}
	t.Cleanup(func() {
		_ = errors.Join(sockets[0].Close(), sockets[1].Close())
		done.Wait()
	})
	return path{
		send: func(_ int, frames ...[]byte) error {
			for _, f := range frames {
				in := sockets[0]
				if stacked(slices.Concat(f[:12], f[16:])) { // behind the carrier tag
					in = sockets[1]
				}
				if _, err := in.Send(f); err != nil {
					return err
				}
			}
			return nil
		},
		next: func(ctx context.Context, _ int) ([]byte, error) {
			select {
			case f := <-arrives:
				return f, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
		wrap: func(side int, vlan uint16, f []byte) []byte { return addTag(f, uint16(side+1)<<13|vlan) },
	}
}

// explain holds the events against the frames that did not pass: each must have
// its own, in order. A whole connection follows the frame that was refused first.
func explain(t *testing.T, captures []*capture, passed [][][]byte, drops []suricata.Event) {
	t.Helper()
	type drop struct {
		Drop struct {
			Len    int    `json:"len"`
			Reason string `json:"reason"`
		} `json:"drop"`
	}
	byVLAN := map[uint16][]drop{}
	for _, e := range drops {
		var d drop
		if err := json.Unmarshal(e.Raw, &d); err != nil || len(e.VLANs) == 0 {
			t.Fatalf("event %s: %v", e.Raw, err)
		}
		byVLAN[e.VLANs[0]] = append(byVLAN[e.VLANs[0]], d)
	}
	reasons := map[string]int{}
	for i, c := range captures {
		events := byVLAN[c.vlan]
		for j, came := range passed[i] {
			if came != nil {
				continue
			}
			kind, ip := network(c.frames[j])
			if len(events) == 0 || kind == 0x0800 && events[0].Drop.Len != int(binary.BigEndian.Uint16(ip[2:])) {
				t.Errorf("%s, frame %d: dropped without a reason; next events %+v", c.name, j, events)
				break
			}
			reasons[events[0].Drop.Reason]++
			t.Logf("%s, frame %d: %s", c.name, j, events[0].Drop.Reason)
			events = events[1:]
		}
	}
	t.Logf("dropped by Suricata, with reasons: %v", reasons)
}
