// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/cluster"
	"ofcontroller/testenv/frame"
)

const gatewayCount = 3

func gatewayName(i int) string { return fmt.Sprintf("gw%d", i) }

// attackRules is one rule, which the frames of an attack meet.
const attackRules = `drop tcp any any -> any 80 (msg:"traversal"; content:"/etc/passwd"; sid:11;)` + "\n"

// member is a gateway of a fleet on a switch of its own.
type member struct {
	env       *testenv.Env
	ctl       *testenv.Controller
	up, trunk *testenv.Port
}

// members starts the gateways. They get all but the way to the fleet from it.
func members(ctx context.Context, c *cluster.Cluster) (list []*member, err error) {
	binary, err := controllerBinary()
	if err != nil {
		return nil, err
	}
	for i := range gatewayCount {
		if err := c.Certify(gatewayName(i)); err != nil {
			return list, err
		}
		env, err := testenv.Start(ctx, testenv.Options{Bridge: "br0"})
		if err != nil {
			return list, err
		}
		m := &member{env: env}
		list = append(list, m)
		if _, err := c.Backbone.Join(env); err != nil {
			return list, err
		}
		if m.up, err = env.AddPort("br0", "up0", 1); err != nil {
			return list, err
		}
		if m.trunk, err = env.AddPort("br0", "trunk0", 2); err != nil {
			return list, err
		}
		text := "ovsdb: ${DB}\ncontrol: ${CONTROL}\nbridge: {name: br0}\n" + c.YAML(gatewayName(i), filepath.Join(env.Dir(), "kept"))
		if m.ctl, err = env.StartController(testenv.ControllerOptions{YAML: text, Binary: binary}); err != nil {
			return list, err
		}
	}
	return list, nil
}

// cross sends a frame that has to come out on the other side.
func (m *member) cross(ctx context.Context, from, to *testenv.Port, f []byte) error {
	ctx, cancel := context.WithTimeout(ctx, convergeTime)
	defer cancel()
	to.Drain()
	if err := from.Send(f); err != nil {
		return err
	}
	for {
		got, err := to.Next(ctx)
		if err != nil {
			return fmt.Errorf("a frame from %s to %s: %w", from.Name(), to.Name(), err)
		}
		if bytes.Equal(got.Data, f) {
			return nil
		}
	}
}

// attack opens a connection through the gateway, which its engine then drops, and tells its source and when its last frame
// was sent.
func (m *member) attack(ctx context.Context, port uint16) (end string, at time.Time, err error) {
	a := frame.Addrs{
		SrcMAC: frame.MAC("00:16:3e:00:00:01"), DstMAC: frame.MAC("02:00:00:00:00:10"),
		Src: netip.MustParseAddr("198.51.100.7"), Dst: netip.MustParseAddr("192.0.2.2"), SrcPort: port, DstPort: 80,
	}
	tcp := func(a frame.Addrs, flags uint8, seq, ack uint32, text string) []byte {
		return frame.Tagged(frame.TCP(a, frame.Segment{Flags: flags, Seq: seq, Ack: ack, Payload: []byte(text)}), frame.Tag{VID: 20})
	}
	err = errors.Join(
		m.cross(ctx, m.up, m.trunk, tcp(a, frame.SYN, 100, 0, "")),
		m.cross(ctx, m.trunk, m.up, tcp(a.Reply(), frame.SYN|frame.ACK, 500, 101, "")),
		m.cross(ctx, m.up, m.trunk, tcp(a, frame.ACK, 101, 501, "")),
	)
	if err != nil {
		return "", at, err
	}
	at = time.Now()
	return netip.AddrPortFrom(a.Src, port).String(), at, m.up.Send(tcp(a, frame.ACK|frame.PSH, 101, 501, "GET /etc/passwd"))
}

var flowAge = regexp.MustCompile(`duration=([0-9.]+)s`)

// since waits for a flow that matches, and tells since when the switch has it, to the millisecond.
func (m *member) since(ctx context.Context, match string) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, convergeTime)
	defer cancel()
	for {
		text, err := m.env.Ofctl("-O", "OpenFlow13", "dump-flows", m.env.Mgmt("br0"), match)
		if err != nil {
			return time.Time{}, err
		}
		now := time.Now()
		if age := flowAge.FindStringSubmatch(text); age != nil {
			d, err := time.ParseDuration(age[1] + "s")
			return now.Add(-d), err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("no flow %s: %w: %s", match, ctx.Err(), tail(m.ctl.Logs()))
		}
	}
}

// sinceAll is since of several, with one thing more that matches.
func sinceAll(ctx context.Context, list []*member, match ...string) (out []time.Time, err error) {
	for _, m := range list {
		at, err := m.since(ctx, strings.Join(match, ","))
		if err != nil {
			return nil, err
		}
		out = append(out, at)
	}
	return out, nil
}

func writeRules(dir string) (string, error) {
	file := filepath.Join(dir, "attack.rules")
	return file, os.WriteFile(file, []byte(attackRules), 0o600)
}
