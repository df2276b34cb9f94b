// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// offloadRules: one rule for each verdict.
const offloadRules = `
alert tcp any any -> any 80 (msg:"known good"; content:"let me pass"; bypass; sid:10;)
drop tcp any any -> any 80 (msg:"traversal"; content:"/etc/passwd"; sid:11;)
alert udp any any -> any any (msg:"tunnel"; content:"let me pass"; bypass; sid:12;)
`

// offloadBed is a bed whose engine is in the program, with the keys of
// inspection.offload as given and policy lines.
func offloadBed(t *testing.T, keys, policy string) (b *bed, rulesFile string) {
	t.Helper()
	b = &bed{t: t, env: testenv.New(t, testenv.WithBridge("br0")), ports: map[string]*testenv.Port{}}
	b.ports[up], b.ports[t0] = b.port(up, 1), b.port(t0, 11)
	b.ips = testenv.NewIPS(b.port("unused", 40), nil, nil)
	t.Cleanup(b.ips.Stop)
	rulesFile = filepath.Join(b.env.Dir(), "test.rules")
	writeFile(t, rulesFile, offloadRules)
	b.ctl = b.env.Controller(t, offloadConfig(rulesFile, keys, policy))
	b.ready(t)
	return b, rulesFile
}

func offloadConfig(rulesFile, keys, policy string) string {
	return `
ovsdb: ${DB}
control: ${CONTROL}
bridge: {name: br0}
uplinks: [{port: up0}]
trunks: [{port: trunk0, vlans: [0, 20]}]
local: {enabled: false}
inspection:
  ` + patientProbe() + `
  on_failure: closed
  attachments: [{name: builtin, kind: embedded, rules: ["` + rulesFile + `"]}]
  offload: {` + keys + `}
  policy: [` + policy + `]
`
}

// conversation is a connection from outside to a guest, frame by frame.
type conversation struct {
	frame.Addrs
	tags     []frame.Tag
	seq, ack uint32
}

func newConversation(client, server string, port uint16, tags ...frame.Tag) *conversation {
	return &conversation{tags: tags, seq: 100, ack: 500, Addrs: frame.Addrs{
		SrcMAC: peer, DstMAC: guest0, Src: netip.MustParseAddr(client), Dst: netip.MustParseAddr(server), SrcPort: port, DstPort: 80,
	}}
}

func (c *conversation) ends() [2]string {
	return [2]string{netip.AddrPortFrom(c.Src, c.SrcPort).String(), netip.AddrPortFrom(c.Dst, c.DstPort).String()}
}

// forth is the client's next segment, back the server's.
func (c *conversation) forth(flags uint8, text string) []byte {
	f := frame.TCP(c.Addrs, frame.Segment{Flags: flags, Seq: c.seq, Ack: c.ack, Payload: []byte(text)})
	c.seq += uint32(len(text))
	return frame.Tagged(f, c.tags...)
}

func (c *conversation) back(flags uint8, text string) []byte {
	f := frame.TCP(c.Reply(), frame.Segment{Flags: flags, Seq: c.ack, Ack: c.seq, Payload: []byte(text)})
	c.ack += uint32(len(text))
	return frame.Tagged(f, c.tags...)
}

// open carries the handshake through the gateway.
func (b *bed) open(c *conversation) {
	b.t.Helper()
	syn := c.forth(frame.SYN, "")
	c.seq++
	b.crosses(up, t0, syn)
	answer := c.back(frame.SYN|frame.ACK, "")
	c.ack++
	b.crosses(t0, up, answer)
	b.crosses(up, t0, c.forth(frame.ACK, ""))
}

// crosses sends a frame that has to come out of just the one port.
func (b *bed) crosses(from, out string, f []byte) {
	b.t.Helper()
	b.drain()
	b.send(from, f)
	b.expect(b.t, to(f, out))
}

// stopped sends a frame that has to come out nowhere.
func (b *bed) stopped(from string, f []byte) {
	b.t.Helper()
	b.drain()
	b.send(from, f)
	b.expect(b.t, nil)
}

// inspected is how many frames the switch has handed to the IPS.
func (b *bed) inspected() int {
	b.t.Helper()
	b.env.AppctlT(b.t, "revalidator/purge") // takes the datapath's counters along
	sum := 0
	for _, m := range regexp.MustCompile(`n_packets=(\d+),.*priority=100`).FindAllStringSubmatch(b.env.OfctlT(b.t, "dump-flows", "--no-names", b.env.Mgmt("br0"), "table=30"), -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			b.t.Fatal(err)
		}
		sum += n
	}
	return sum
}

// offloaded is a connection as the command tells it.
type offloaded struct {
	VLAN                     int
	Proto, Src, Dst, Verdict string
	SID                      int
	Attachment               string
	AgeS                     int `json:"age_s"`
	IdleS                    int `json:"idle_timeout_s"`
	RemainingS               int `json:"remaining_s"`
	Packets, Bytes           uint64
}

func (b *bed) offloads() []offloaded {
	b.t.Helper()
	text, err := b.ctl.CLI("offloads", "-o", "json")
	if err != nil {
		b.t.Fatal(err, text)
	}
	var list []offloaded
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		b.t.Fatal(err)
	}
	return list
}

// offloadOf is what the command tells of a conversation.
func (b *bed) offloadOf(c *conversation) offloaded {
	b.t.Helper()
	for _, o := range b.offloads() {
		if [2]string{o.Src, o.Dst} == c.ends() && o.VLAN == vid(c) {
			return o
		}
	}
	b.t.Fatalf("no offload of %v", c.ends())
	return offloaded{}
}

// waitOffloads waits for so many connections on the switch and in status.
func (b *bed) waitOffloads(bypass, block int) {
	b.t.Helper()
	eventually(b.t, settle, fmt.Sprintf("%d connections bypassed, %d blocked", bypass, block), func() bool {
		counts, _ := b.ctl.Status()["offloads"].(map[string]any)
		if counts["bypass"] != float64(bypass) || counts["block"] != float64(block) {
			return false
		}
		list := b.offloads()
		blocked := len(slices.DeleteFunc(slices.Clone(list), func(o offloaded) bool { return o.Verdict != "block" }))
		return len(list) == bypass+block && blocked == block
	})
}

// TestOffload has the engine's verdicts carried out by the switch: the rest of a
// bypassed connection does not reach the engine, that of a blocked one is
// dropped before it; IPv4 and IPv6, untagged and tagged, in both directions.
func TestOffload(t *testing.T) {
	t.Parallel()
	b, _ := offloadBed(t, "", "")
	for i, c := range []*conversation{
		newConversation("198.51.100.7", "192.0.2.2", 1000),
		newConversation("198.51.100.7", "192.0.2.2", 1000, frame.Tag{VID: 20}),
		newConversation("2001:db8::7", "2001:db8:1::2", 1000),
		newConversation("2001:db8::7", "2001:db8:1::2", 1000, frame.Tag{VID: 20, PCP: 3}),
	} {
		t.Run(fmt.Sprintf("bypass %s %v", c.Src, c.tags), func(t *testing.T) {
			b.t = t
			b.open(c)
			b.crosses(up, t0, c.forth(frame.ACK|frame.PSH, "let me pass"))
			b.waitOffloads(1, 0)
			before := b.inspected()
			b.crosses(up, t0, c.forth(frame.ACK|frame.PSH, "GET /etc/passwd HTTP/1.0\r\n\r\n"))
			b.crosses(t0, up, c.back(frame.ACK|frame.PSH, "secret"))
			if n := b.inspected() - before; n != 0 {
				t.Errorf("the engine got %d frames of a bypassed connection", n)
			}
			o := b.offloadOf(c)
			if o.Verdict != "bypass" || o.SID != 10 || o.Attachment != "builtin" || o.Proto != "tcp" || o.IdleS != 60 || o.Packets != 2 {
				t.Errorf("%+v", o)
			}
			b.removeAllOffloads()
		})
		c = newConversation(c.Src.String(), c.Dst.String(), uint16(2000+i), c.tags...)
		t.Run(fmt.Sprintf("block %s %v", c.Src, c.tags), func(t *testing.T) {
			b.t = t
			b.open(c)
			b.stopped(up, c.forth(frame.ACK|frame.PSH, "GET /etc/passwd HTTP/1.0\r\n\r\n"))
			b.waitOffloads(0, 1)
			before := b.inspected()
			b.stopped(up, c.forth(frame.ACK|frame.PSH, "anything"))
			b.stopped(t0, c.back(frame.ACK|frame.PSH, "secret"))
			if n := b.inspected() - before; n != 0 {
				t.Errorf("the engine got %d frames of a blocked connection", n)
			}
			b.open(newConversation(c.Src.String(), c.Dst.String(), c.SrcPort+100, c.tags...)) // another one between the same hosts
			o := b.offloadOf(c)
			if o.Verdict != "block" || o.SID != 11 || o.RemainingS == 0 || o.Packets != 2 {
				t.Errorf("%+v", o)
			}
			b.removeAllOffloads()
		})
	}
	t.Run("not told apart", func(t *testing.T) { b.t = t; b.notOffloaded() })
	t.Run("rm", func(t *testing.T) { b.t = t; b.removeOffloads() })
}

func vid(c *conversation) int {
	if len(c.tags) == 0 {
		return 0
	}
	return int(c.tags[0].VID)
}

// notOffloaded sends frames whose connection the switch can't tell from others:
// an inner tag, a fragment, a group of receivers. Their alerts are there, and the
// next frames are inspected like these.
func (b *bed) notOffloaded() {
	b.t.Helper()
	have := len(b.offloads())
	a := frame.Addrs{
		SrcMAC: peer, DstMAC: guest0, Src: netip.MustParseAddr("198.51.100.7"), Dst: netip.MustParseAddr("192.0.2.2"), SrcPort: 7000, DstPort: 7001,
	}
	qinq := frame.Tagged(frame.UDP(a, []byte("let me pass")), frame.Tag{VID: 20}, frame.Tag{VID: 7})
	piece := frame.UDP(a, []byte("let me pass"))
	piece[14+6] |= 0x20 // more fragments
	copy(piece[14+10:], []byte{0, 0})
	sum := ipChecksum(piece[14:34])
	piece[14+10], piece[14+11] = byte(sum>>8), byte(sum)
	broadcast := frame.UDP(frame.Addrs{
		SrcMAC: peer, DstMAC: frame.Broadcast(), Src: a.Src, Dst: netip.MustParseAddr("192.0.2.255"), SrcPort: 7000, DstPort: 7001,
	}, []byte("let me pass"))
	for _, f := range [][]byte{qinq, piece, broadcast} {
		n, before := strings.Count(b.ctl.Logs(), "alert: tunnel"), b.inspected()
		b.crosses(up, t0, f)
		eventually(b.t, settle, "an alert", func() bool { return strings.Count(b.ctl.Logs(), "alert: tunnel") > n })
		b.crosses(up, t0, f)
		if got := b.inspected() - before; got != 2 {
			b.t.Errorf("%d of 2 frames were inspected: %x", got, f)
		}
	}
	if got := len(b.offloads()); got != have {
		b.t.Errorf("%d connections are offloaded, there were %d", got, have)
	}
}

func ipChecksum(header []byte) uint16 {
	var sum uint32
	for i := 0; i < len(header); i += 2 {
		sum += uint32(header[i])<<8 | uint32(header[i+1])
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// removeOffloads hands back to the engine what is between two ends, which is a
// connection of each VLAN, and no other.
func (b *bed) removeOffloads() {
	b.t.Helper()
	for _, args := range [][]string{{"nonsense", "192.0.2.2:80"}, {"192.0.2.9:1", "192.0.2.2:80"}} {
		if text, err := b.ctl.CLI(append([]string{"offloads", "rm"}, args...)...); err == nil {
			b.t.Errorf("rm %v: %s", args, text)
		}
	}
	for i, c := range []*conversation{
		newConversation("198.51.100.7", "192.0.2.2", 3000),
		newConversation("198.51.100.7", "192.0.2.2", 3000, frame.Tag{VID: 20}),
		newConversation("198.51.100.7", "192.0.2.2", 3001),
	} {
		b.open(c)
		b.crosses(up, t0, c.forth(frame.ACK|frame.PSH, "let me pass"))
		b.waitOffloads(i+1, 0)
	}
	if text, err := b.ctl.CLI("offloads", "rm", "192.0.2.2:80", "198.51.100.7:3000"); err != nil || !strings.HasPrefix(text, "2 connections") {
		b.t.Errorf("rm: %v %s", err, text)
	}
	b.waitOffloads(1, 0)
	b.removeAllOffloads()
}

// removeAllOffloads hands all connections back to the engine.
func (b *bed) removeAllOffloads() {
	b.t.Helper()
	if text, err := b.ctl.CLI("offloads", "rm", "--all"); err != nil {
		b.t.Errorf("rm --all: %v %s", err, text)
	}
	b.waitOffloads(0, 0)
}

// bypassed opens a connection and has it bypassed.
func (b *bed) bypassed(port uint16) *conversation {
	b.t.Helper()
	c := newConversation("198.51.100.7", "192.0.2.2", port)
	b.open(c)
	b.crosses(up, t0, c.forth(frame.ACK|frame.PSH, "let me pass"))
	return c
}

// blocked opens a connection and has it blocked.
func (b *bed) blocked(port uint16) *conversation {
	b.t.Helper()
	c := newConversation("198.51.100.7", "192.0.2.2", port)
	b.open(c)
	b.stopped(up, c.forth(frame.ACK|frame.PSH, "GET /etc/passwd HTTP/1.0\r\n\r\n"))
	return c
}
