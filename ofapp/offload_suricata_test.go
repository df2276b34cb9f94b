// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// TestSuricataBlock: after an attack that Suricata drops the flow for, the switch
// drops the rest of the connection; after one for which it drops the packet
// alone, the rest goes on through Suricata.
func TestSuricataBlock(t *testing.T) {
	t.Parallel()
	b, _, _ := engineBed(t, `
drop http any any -> any any (msg:"traversal"; http.uri; content:"/etc/passwd"; sid:11;)
drop tcp any any -> any any (msg:"packet"; flow:established,no_stream; content:"bad packet"; sid:12;)
`, "closed", "kind: suricata")
	t.Cleanup(func() { b.endSuricata() })
	b.waitState(t, "up")
	b.suricataPID()
	block := 0
	for i, tags := range [][]frame.Tag{nil, {{VID: 20}}} {
		for k, hosts := range [][2]string{{"198.51.100.7", "192.0.2.2"}, {"2001:db8::7", "2001:db8:1::2"}} {
			t.Run(fmt.Sprintf("%s %v", hosts[0], tags), func(t *testing.T) {
				b.t = t
				c := newConversation(hosts[0], hosts[1], uint16(3000+10*i+k), tags...)
				b.open(c)
				b.stopped(up, c.forth(frame.ACK|frame.PSH, "GET /etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n"))
				block++
				b.waitOffloads(0, block)
				before := b.inspected()
				b.stopped(up, c.forth(frame.ACK|frame.PSH, "anything"))
				b.stopped(t0, c.back(frame.ACK|frame.PSH, "secret"))
				if n := b.inspected() - before; n != 0 {
					t.Errorf("Suricata got %d frames of a blocked connection", n)
				}
				if o := b.offloadOf(c); o.SID != 11 || o.Verdict != "block" || o.Packets != 2 {
					t.Errorf("%+v", o)
				}

				d := newConversation(hosts[0], hosts[1], uint16(4000+10*i+k), tags...)
				b.open(d)
				b.stopped(up, d.forth(frame.ACK|frame.PSH, "bad packet"))
				eventually(t, settle, "an alert", func() bool { return b.alerts("packet") == block })
				before = b.inspected()
				b.crosses(up, t0, d.forth(frame.ACK|frame.PSH, "good bytes"))
				b.crosses(t0, up, d.back(frame.ACK|frame.PSH, "an answer"))
				if n := b.inspected() - before; n != 2 {
					t.Errorf("Suricata got %d of 2 frames", n)
				}
				b.waitOffloads(0, block)
			})
		}
	}
}

// gibibyte is the length of the transfer in bytes.
const gibibyte = 1 << 30

// TestSuricataBypass transfers a gibibyte through a gateway whose Suricata lets
// go of a connection beyond 200 kB: it sees less than one in a hundred frames. It
// is not parallel: it keeps the whole machine busy.
func TestSuricataBypass(t *testing.T) {
	b := &bed{t: t, env: testenv.New(t, testenv.WithBridge("br0")), ports: map[string]*testenv.Port{}}
	client, err := b.env.AddHost("br0", up, netip.MustParsePrefix("192.0.2.1/24"), 0)
	if err != nil {
		t.Fatal(err)
	}
	server, err := b.env.AddHost("br0", t0, netip.MustParsePrefix("192.0.2.2/24"), 0)
	if err != nil {
		t.Fatal(err)
	}
	rulesFile := t.TempDir() + "/test.rules"
	writeFile(t, rulesFile, `alert tcp any any -> any any (msg:"big"; flow:established; stream_size:either,>,200000; bypass; sid:21;)`+"\n")
	b.ctl = b.env.Controller(t, `
ovsdb: ${DB}
control: ${CONTROL}
bridge: {name: br0}
uplinks: [{port: up0}]
trunks: [{port: trunk0, vlans: [0]}]
local: {enabled: false}
inspection: {attachments: [{name: suricata0, kind: suricata, threads: 1, rules: ["`+rulesFile+`"]}]}
`)
	t.Cleanup(func() { b.endSuricata() })
	b.ready(t)
	b.suricataPID()

	began := time.Now()
	b.transfer(client, server)
	took := time.Since(began)
	list := b.offloads()
	if len(list) != 1 || list[0].SID != 21 || list[0].Attachment != "suricata0" {
		t.Fatalf("offloads: %+v", list)
	}
	inspected := b.portCounter("ofs-suricata0-0", "tx")
	all := b.portCounter(up, "rx") + b.portCounter(t0, "rx")
	t.Logf("%v, %.0f Mbit/s: Suricata got %d of %d frames, probes included", took, gibibyte*8/took.Seconds()/1e6, inspected, all)
	if inspected < 100 || inspected*100 >= all {
		t.Errorf("Suricata got %d of %d frames", inspected, all)
	}
}

// portCounter is how many frames have gone out of a port of the switch ("tx") or
// come in ("rx"). Flows' counters are no measure where traffic runs while flows
// change: what the datapath has counted up to half a second before goes to the
// flows that hold then.
func (b *bed) portCounter(port, direction string) int {
	b.t.Helper()
	text := b.env.OfctlT(b.t, "-O", "OpenFlow13", "dump-ports", b.env.Mgmt("br0"), port)
	m := regexp.MustCompile(direction + ` pkts=(\d+)`).FindStringSubmatch(text)
	if m == nil {
		b.t.Fatalf("no counter %s: %s", direction, text)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// transfer sends the gibibyte.
func (b *bed) transfer(from, to *testenv.Host) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), testenv.Scaled(2*time.Minute))
	defer cancel()
	listener, err := to.Listen(ctx, "tcp", "192.0.2.2:873")
	if err != nil {
		b.t.Fatal(err)
	}
	defer listener.Close()
	received := make(chan error, 1)
	go func() {
		c, err := listener.Accept()
		if err != nil {
			received <- err
			return
		}
		defer c.Close()
		n, err := io.Copy(io.Discard, c)
		if err == nil && n != gibibyte {
			err = fmt.Errorf("%d bytes arrived", n)
		}
		received <- err
	}()
	c, err := from.Dial(ctx, "tcp", "192.0.2.2:873")
	if err != nil {
		b.t.Fatal(err)
	}
	defer c.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			b.t.Fatal(err)
		}
	}
	chunk := make([]byte, 256<<10)
	for sent := 0; sent < gibibyte; sent += len(chunk) {
		if _, err := c.Write(chunk); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		b.t.Fatal(err)
	}
	if err := <-received; err != nil {
		b.t.Fatal(err)
	}
}

// alerts counts alerts in the log.
func (b *bed) alerts(signature string) int {
	return strings.Count(b.ctl.Logs(), `"alert: `+signature+`"`)
}
