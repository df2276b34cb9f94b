// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"encoding/hex"
	"strings"
	"testing"

	"ofcontroller/flows"
)

// TestParseFaults holds that hostile and mistaken words get an error that names
// them.
func TestParseFaults(t *testing.T) {
	right := []string{"in-port=eth1", "src=02:00:00:00:00:01", "dst=02:00:00:00:00:02"}
	for _, c := range []struct {
		words []string
		want  string
	}{
		{nil, "in-port is missing"},
		{[]string{"in-port"}, "KEY=VALUE"},
		{[]string{"nosuch=1"}, "KEY=VALUE"},
		{append(right, "src=02:00:00:00:00:01"), "src is given twice"},
		{right[:2], "dst"},
		{append(right, "vlan=4095"), "0 to 4094"},
		{append(right, "vlan=x"), "0 to 4094"},
		{append(right, "ip-src=300.1.1.1"), "IPv4 or IPv6"},
		{append(right, "ip-src=fe80::1%eth0"), "IPv4 or IPv6"},
		{append(right, "ip-src=1.1.1.1", "ip-dst=::1"), "one is IPv4"},
		{append(right, "dport=80"), "proto tcp, udp or sctp"},
		{append(right, "proto=tpc"), "tcp, udp, sctp, icmp"},
		{append(right, "proto=tcp", "ethertype=0x0806"), "those of an IP packet"},
		{append(right, "ethertype=0x8100"), "without VLAN tags"},
		{append(right, "ethertype=5"), "0x0600"},
		{append(right, "hex=00"), "hex is the whole frame"},
		{[]string{"in-port=eth1", "hex=xy"}, "hex"},
		{[]string{"in-port=eth1", "hex=0011"}, "ends within its header"},
		{[]string{"in-port=eth1", "hex=" + strings.Repeat("00", maxFrame+2)}, "are the most"},
		{[]string{"in-port=eth1", "src=03:00:00:00:00:01", "dst=02:00:00:00:00:02"}, "unicast"},
	} {
		if _, err := Parse(c.words); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.80q: %v, want %q in it", c.words, err, c.want)
		}
	}
}

// TestExpression holds what the switch is asked.
func TestExpression(t *testing.T) {
	const macs = "020000000002" + "020000000001"
	for _, c := range []struct{ hex, want string }{
		{macs + "0800" + "4500001c0001000040110000c0000201c0000202" + "03e807d000080000", "dl_type=0x0800,nw_src=192.0.2.1,nw_dst=192.0.2.2,nw_proto=17,udp_src=1000,udp_dst=2000"},
		{macs + "0800" + "4500001c0001200040110000c0000201c0000202" + "03e807d000080000", "nw_frag=first,udp_src=1000"},
		{macs + "0800" + "4500001c0001000140110000c0000201c0000202" + "03e807d000080000", "nw_proto=17,nw_frag=later"},
		{macs + "8100a014" + "0806", "vlan_tci=0xb014,dl_type=0x0806"},
		{macs + "81000014" + "88a80007" + "0800", "vlan_tci=0x1014,dl_type=0x88a8"},
		{macs + "0026" + "424203" + strings.Repeat("00", 35), "dl_type=0x05ff"},
		{macs + "0026" + "aaaa03000000" + "0806", "dl_type=0x0806"},
		{macs + "86dd" + "6000000000100040" + strings.Repeat("fe800000000000000000000000000001", 2) + "0600000000000000" + "00500051", "nw_proto=6,tcp_src=80,tcp_dst=81"},
		{macs + "86dd" + "6000000000102c40" + strings.Repeat("fe800000000000000000000000000001", 2) + "0600000800000000" + "00500051", "nw_proto=6,nw_frag=later"},
	} {
		b, err := hex.DecodeString(c.hex)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Decode(b)
		if err != nil {
			t.Errorf("%s: %v", c.hex, err)
		}
		const head = "in_port=LOCAL,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,"
		if got := f.expression(flows.LocalPort); !strings.HasPrefix(got, head) || !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.hex, got, c.want)
		}
	}
}

// sample is what a switch prints: nested look-ups, a bucket, a remark.
const sample = `Flow: in_port=1

bridge("br0")
-------------
 0. in_port=1, priority 100, cookie 0xfc0010000000001
    load:0x1->NXM_NX_REG0[0..1]
    goto_table:60
60. priority 7
    resubmit(,70)
    70. No match.
            drop
    group:33
     -> using bucket 0
    bucket 0
            output:11
             >> skipping output to input port
    output:12
    LOCAL

Final flow: unchanged
Datapath actions: 3,1
`

func TestPath(t *testing.T) {
	events, err := parse(sample)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		if e.action == "" {
			got = append(got, e.rule.String())
			continue
		}
		text := e.rule.Table.String() + ": " + e.action
		if p, ok := e.output(); ok {
			text += " sends"
			if p == 11 {
				t.Error("an output that was skipped counts")
			}
		}
		got = append(got, text)
	}
	want := []string{
		"table=0(classify), priority=100,in_port=1, cookie=0xfc0010000000001",
		"classify: load:0x1->NXM_NX_REG0[0..1]", "classify: goto_table:60",
		"table=60(forward), priority=7, cookie=0x0", "forward: resubmit(,70)",
		"table=70(mac): no match", "mac: drop", "forward: group:33", "forward: bucket 0", "forward: output:11",
		"forward: output:12 sends", "forward: LOCAL sends",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x86\xdd\x60\x00\x00\x00\x00\x10\x00\x40"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if fr, err := Decode(b); err == nil {
			_ = fr.expression(1) + fr.String()
		}
	})
}

// FuzzExplain has a switch answer anything.
func FuzzExplain(f *testing.F) {
	f.Add(sample)
	w := World{Bridge: "br0", Ports: []Port{{Name: "p", Number: 1, LinkUp: true}}}
	w.Gateway.Uplink = flows.Port{Name: "p", OFPort: 1}
	w.Gateway.Attachments = []flows.Attachment{{Name: "a", Legs: []flows.Leg{{Port: flows.Port{Name: "q", OFPort: 12}, Sends: flows.AllOrigins}}}}
	w.Attachments = []Attachment{{}}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Explain(w, Query{InPort: "p", Frame: Frame{EtherType: typeNone}}, func(string) (string, error) { return text, nil })
		if err == nil && r.Arrives == (r.Stopped != "") {
			t.Errorf("arrives %t, stopped %q", r.Arrives, r.Stopped)
		}
	})
}
