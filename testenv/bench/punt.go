// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"ofcontroller/ips/probe"
	"ofcontroller/openflow"
	"ofcontroller/openflow/oftest"
)

const (
	armTestController = "ovs-testcontroller"
	armBareLoop       = "bare loop"
)

func punts() subject {
	return subject{
		name: "punt", title: "Packet-ins", limit: 2 * time.Minute,
		method: "A switch of ours, which has nothing behind it, sends packet-ins with a probe and keeps 1, 4, 16 or 64 of them outstanding; each is handled when its packet-out has come. " +
			"On our side a process runs the program's own channel and check of probes (framing, decoding, SHA-256, encoding) and sends the frame on; ovs-testcontroller runs with `--noflow` and does the same with a look at its table of addresses. " +
			"The bare loop is the limit for any controller on this machine: one thread that reads, and writes the frame back without a look at it.",
		plots: []plotSpec{
			{title: "Packet-ins handled", unit: "packet-ins/s", x: "outstanding", logX: true},
			{title: "Time of a packet-in, median", unit: "p50, µs", x: "outstanding", logX: true, logY: true},
		},
		run: runPunts,
	}
}

// handlePunts is the child that answers packet-ins by the program's own code.
func handlePunts(args []string) error {
	if len(args) != 1 {
		return errors.New("want an endpoint")
	}
	ctx := context.Background()
	c, err := openflow.Dial(ctx, openflow.Options{Endpoint: args[0]})
	if err != nil {
		return err
	}
	var frames []openflow.PacketOut
	for range c.Ready() {
		frames = frames[:0]
		for _, e := range c.Events() {
			in, ok := e.(*openflow.PacketIn)
			if !ok {
				continue
			}
			p, err := probe.Parse(in.Data)
			if err != nil {
				return err
			}
			frames = append(frames, openflow.PacketOut{Port: uint32(p.Attachment) + 1, Data: in.Data})
		}
		if err := c.PacketOut(ctx, frames...); err != nil {
			return nil //nolint:nilerr // the switch has hung up, which is how a run ends
		}
	}
	return nil
}

// echoPunts is the child that answers packet-ins with the least work that does
// it: frames are copied from one buffer to the other.
func echoPunts(args []string) error {
	if len(args) != 1 {
		return errors.New("want an endpoint")
	}
	conn, err := net.Dial("unix", strings.TrimPrefix(args[0], "unix:"))
	if err != nil {
		return err
	}
	defer conn.Close()
	const matchEnd = 16 + 16 + 2 // ofp_packet_in up to the frame, with a match of the ingress port
	features := oftest.Message{Type: oftest.Features}.Bytes()
	if _, err := conn.Write(append(oftest.Message{Type: oftest.Hello}.Bytes(), features...)); err != nil {
		return err
	}
	in, out := bufio.NewReaderSize(conn, 1<<16), bufio.NewWriterSize(conn, 1<<16)
	head := []byte{4, oftest.PacketOut, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
	for {
		b, err := in.Peek(8)
		if err != nil {
			return nil //nolint:nilerr // the switch has hung up, which is how a run ends
		}
		n, typ := int(binary.BigEndian.Uint16(b[2:])), b[1]
		if b, err = in.Peek(n); err != nil {
			return err
		}
		if typ == oftest.PacketIn {
			frame := b[8+matchEnd:]
			binary.BigEndian.PutUint16(head[2:], uint16(len(head)+len(frame)))
			_, _ = out.Write(head) // an error stays until the Flush
			_, _ = out.Write(frame)
		}
		if _, err = in.Discard(n); err != nil {
			return err
		}
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return nil //nolint:nilerr // as above
			}
		}
	}
}

// fakeSwitch is the switch's end of one connection of a controller.
type fakeSwitch struct {
	conn net.Conn
	in   *bufio.Reader
	out  *bufio.Writer
	xid  uint32
	msg  []byte // a packet-in, but for its xid
}

// packetInOf is an OpenFlow 1.3 packet-in of port 1 (OpenFlow 1.3.5, 7.4.1).
func packetInOf(frame []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, 0xffffffff) // not buffered
	b = binary.BigEndian.AppendUint16(b, uint16(len(frame)))
	b = append(b, openflow.PacketInNoMatch, 0) // lib/learning-switch.c takes no other reason
	b = binary.BigEndian.AppendUint64(b, 0)
	b = append(b, 0, 1, 0, 12, 0x80, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0) // match: in_port 1
	b = append(append(b, 0, 0), frame...)
	return oftest.Message{Type: oftest.PacketIn, Body: b}.Bytes()
}

func (s *fakeSwitch) packetIn() error {
	s.xid++
	binary.BigEndian.PutUint32(s.msg[4:], s.xid)
	_, err := s.out.Write(s.msg)
	return err
}

// next answers what is asked until a packet-out comes.
func (s *fakeSwitch) next() error {
	for {
		if s.in.Buffered() == 0 {
			if err := s.out.Flush(); err != nil {
				return err
			}
		}
		h, err := s.in.Peek(8)
		if err != nil {
			return err
		}
		if h[1] == oftest.PacketOut { // many: no memory is taken for them
			_, err = s.in.Discard(int(binary.BigEndian.Uint16(h[2:])))
			return err
		}
		m, err := oftest.Read(s.in)
		if err != nil {
			return err
		}
		if err := oftest.Polite(&oftest.Peer{Conn: s.conn}, m); err != nil {
			return err
		}
	}
}

// ready waits for the first packet-out: the controller has done its greetings.
// A packet-in before that may be lost to it.
func (s *fakeSwitch) ready(d time.Duration) error {
	if err := s.conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	for asked := false; !asked; { // all ask for the features first
		m, err := oftest.Read(s.in)
		if err != nil {
			return err
		}
		asked = m.Type == oftest.Features
		if err := oftest.Polite(&oftest.Peer{Conn: s.conn}, m); err != nil {
			return err
		}
	}
	if err := s.packetIn(); err != nil {
		return err
	}
	return s.next()
}

// load keeps so many packet-ins outstanding for a time and returns how long
// each took.
func (s *fakeSwitch) load(outstanding int, d time.Duration) ([]time.Duration, error) {
	var all []time.Duration
	sent := make([]time.Time, 0, outstanding)
	for range outstanding {
		sent = append(sent, time.Now())
		if err := s.packetIn(); err != nil {
			return nil, err
		}
	}
	began := time.Now()
	if err := s.conn.SetReadDeadline(began.Add(d + 5*time.Second)); err != nil {
		return nil, err
	}
	for i := 0; ; i = (i + 1) % outstanding {
		if err := s.next(); err != nil {
			return nil, err
		}
		now := time.Now()
		all = append(all, now.Sub(sent[i])) // answers come in order
		if now.Sub(began) >= d {
			break
		}
		sent[i] = now
		if err := s.packetIn(); err != nil {
			return nil, err
		}
	}
	for range outstanding - 1 {
		if err := s.next(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// connect starts a controller that dials us. stop ends it.
func connect(ctx context.Context, dir, name string, argv func(socket string) []string) (s *fakeSwitch, pid int, stop func(), err error) {
	socket := filepath.Join(dir, name+".mgmt")
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, 0, nil, err
	}
	defer l.Close()
	args := argv("unix:" + socket)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, 0, nil, err
	}
	kill := func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	}
	if u, ok := l.(*net.UnixListener); ok {
		err = u.SetDeadline(time.Now().Add(10 * time.Second))
	}
	var conn net.Conn
	if err == nil {
		conn, err = l.Accept()
	}
	if err == nil {
		s = &fakeSwitch{conn: conn, in: bufio.NewReaderSize(conn, 1<<16), out: bufio.NewWriterSize(conn, 1<<16)}
		s.msg = packetInOf(probe.Probe{Format: probe.Format{Origin: 1}, Seq: 1, Nonce: [8]byte{1}}.Frame())
		if _, err = conn.Write(oftest.Message{Type: oftest.Hello}.Bytes()); err == nil {
			err = s.ready(10 * time.Second)
		}
	}
	if err != nil {
		kill()
		return nil, 0, nil, fmt.Errorf("%s: %w: %s", name, err, stderr.String())
	}
	return s, cmd.Process.Pid, func() { _ = conn.Close(); kill() }, nil
}

func runPunts(ctx context.Context, b *bench) error {
	dir, err := os.MkdirTemp("", "ofbench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ours, ourPID, stop, err := connect(ctx, dir, "ours", func(s string) []string { return []string{self, childPunt, s} })
	if err != nil {
		return err
	}
	defer stop()
	theirs, theirPID, stop, err := connect(ctx, dir, "theirs", func(s string) []string {
		return []string{"ovs-testcontroller", "-O", "OpenFlow13", "--noflow", "-vconsole:err", "-vsyslog:off", "--unixctl=" + filepath.Join(dir, "theirs.ctl"), s}
	})
	if err != nil {
		return err
	}
	defer stop()
	bare, barePID, stop, err := connect(ctx, dir, "bare", func(s string) []string { return []string{self, childEcho, s} })
	if err != nil {
		return err
	}
	defer stop()
	d := pick(b, time.Second, 30*time.Millisecond)
	for _, n := range []int{1, 4, 16, 64} {
		what := fmt.Sprintf("%d outstanding", n)
		run := func(name string, s *fakeSwitch, pid int) arm {
			return arm{name, func(context.Context) error { return b.punt(what, n, name, s, pid, d) }}
		}
		if err := interleave(ctx, b.rounds(6), []arm{
			run(armOFController, ours, ourPID), run(armTestController, theirs, theirPID), run(armBareLoop, bare, barePID),
		}); err != nil {
			return err
		}
		bars := map[int]bar{1: atLeast(3), 64: atLeast(3)}
		quick := map[int]bar{1: atMost(100)}
		if err := errors.Join(
			b.ratio(what, "packet-ins/s", armOFController, armTestController, bars[n]),
			b.ratio(what, "packet-ins/s", armBareLoop, armTestController, reported()),
			b.ratio(what, "µs CPU per packet-in", armOFController, armTestController, reported()),
			b.limit(what, "p50, µs", armOFController, quick[n]),
		); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) punt(what string, n int, name string, s *fakeSwitch, pid int, d time.Duration) error {
	before, err := cpuTime(pid)
	if err != nil {
		return err
	}
	began := time.Now()
	all, err := s.load(n, d)
	if err != nil {
		return err
	}
	took := time.Since(began)
	after, err := cpuTime(pid)
	if err != nil {
		return err
	}
	handled := float64(len(all) + n - 1)
	slices.Sort(all)
	b.add(what, float64(n), name, "packet-ins/s", handled/took.Seconds())
	b.add(what, float64(n), name, "µs CPU per packet-in", float64((after-before).Nanoseconds())/1e3/handled)
	b.add(what, float64(n), name, "p50, µs", float64(all[len(all)/2].Nanoseconds())/1e3)
	b.add(what, float64(n), name, "p99, µs", float64(all[len(all)*99/100].Nanoseconds())/1e3)
	return nil
}
