// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"fmt"
	"testing"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// TestGoldenTraceOffload explains connections that the switch handles itself.
func TestGoldenTraceOffload(t *testing.T) {
	t.Parallel()
	b, _ := offloadBed(t, "", "")
	tr := &tracer{bed: b}
	tag := frame.Tag{VID: 20}
	bypassed := newConversation("198.51.100.7", "192.0.2.2", 1000, tag)
	blocked := newConversation("2001:db8::7", "2001:db8:1::2", 2000, tag)
	b.open(bypassed)
	b.crosses(up, t0, bypassed.forth(frame.ACK|frame.PSH, "let me pass"))
	b.open(blocked)
	b.stopped(up, blocked.forth(frame.ACK|frame.PSH, "GET /etc/passwd HTTP/1.0\r\n\r\n"))
	b.waitOffloads(1, 1)
	tr.ask(
		traced{"bypassed connection", hexOf(up, bypassed.forth(frame.ACK, "more"))},
		traced{"bypassed connection, the answer", hexOf(t0, bypassed.back(frame.ACK, "answer"))},
		traced{"blocked connection", hexOf(up, blocked.forth(frame.ACK, "more"))},
		traced{"blocked connection, the answer", hexOf(t0, blocked.back(frame.ACK, "answer"))},
		traced{"another connection between the same hosts", hexOf(up, newConversation("2001:db8::7", "2001:db8:1::2", 2001, tag).forth(frame.SYN, ""))},
	)
	golden(t, "trace_offload.txt", tr.text.String())
}

// TestGoldenTraceFailure explains lines of the policy that have an on_failure
// of their own, while no attachment is up.
func TestGoldenTraceFailure(t *testing.T) {
	t.Parallel()
	ask := func(tr *tracer) {
		tr.ips.Dead(true)
		tr.await("standin (port): down")
		dns := []string{"--vlan", "20", "--proto", "udp", "--sport", "1024", "--dport"}
		tr.ask(
			traced{"a line with an on_failure of its own", fieldsOf(t0, guest0, peer, append(dns, "53")...)},
			traced{"a line without", fieldsOf(t0, guest0, peer, append(dns, "123")...)},
			traced{"no line", fieldsOf(t0, guest0, peer, append(dns, "80")...)},
		)
	}
	for _, c := range []struct{ all, own string }{{"closed", "open"}, {"open", "closed"}} {
		t.Run(c.all, func(t *testing.T) {
			t.Parallel()
			tr := &tracer{bed: newBed(t, 1, `
uplinks: [{port: up0}]
trunks: [{port: trunk0, vlans: [20]}]
inspection:
  on_failure: `+c.all+`
  policy:
    - {proto: udp, port: 53, action: inspect, on_failure: `+c.own+`}
    - {proto: udp, port: 123, action: inspect}
`)}
			ask(tr)
			golden(t, "trace_failure_"+c.all+".txt", tr.text.String())
		})
	}
}

// world is about what stands outside the flows.
func (tr *tracer) world() {
	in20 := fieldsOf(up, peer, guest0, "--vlan", "20")
	out20 := fieldsOf(t0, guest0, peer, "--vlan", "20")
	tr.link(tr.ports[t0], false)
	tr.ask(
		traced{"link of the trunk port down", in20},
		traced{"link of the ingress port down", out20},
	)
	tr.link(tr.ports[t0], true)
	tr.env.VsctlT(tr.t, "set", "interface", t0, "mtu_request=1500")
	tr.ask(traced{"too long for the trunk port", hexOf(up, frame.VLAN(frame.Sized(guest0, peer, 1600), 20))})
	tr.env.VsctlT(tr.t, "set", "interface", t0, fmt.Sprintf("mtu_request=%d", testenv.MTU))
	tr.env.VsctlT(tr.t, "del-port", t0)
	tr.await("port trunk0 is not on bridge br0")
	tr.ask(
		traced{"the VLAN's port is gone", in20},
		traced{"the ingress port is gone", out20},
	)
	if err := tr.ports[t0].Attach("br0", 11); err != nil {
		tr.t.Fatal(err)
	}
	tr.await("trunk0: trunk, OpenFlow port 11, link up")
	tr.env.VsctlT(tr.t, "del-port", up)
	tr.await("port up0 is not on bridge br0")
	tr.ask(traced{"the uplink is gone", out20})
	if err := tr.ports[up].Attach("br0", 1); err != nil {
		tr.t.Fatal(err)
	}
	tr.await("up0: uplink, OpenFlow port 1, link up")
	tr.ips.Dead(true)
	tr.await("standin (port): down")
	tr.ask(traced{"IPS silent, closed", out20})
	tr.env.VsctlT(tr.t, "del-port", "ips0")
	tr.await("port ips0 is not on bridge br0")
	tr.ask(traced{"the IPS's port is gone", out20})
}

// open is about an IPS that fails while the policy is open.
func (tr *tracer) open() {
	out20 := fieldsOf(t0, guest0, peer, "--vlan", "20")
	tr.ask(traced{"two legs", out20})
	tr.ips.Dead(true)
	tr.await("standin (port): down")
	tr.ask(traced{"IPS silent, open", out20})
	tr.env.VsctlT(tr.t, "del-port", "ips1")
	tr.await("port ips1 is not on bridge br0")
	tr.ask(traced{"the IPS's second port is gone", out20})
}

// shared is about two attachments.
func (tr *tracer) shared(second *testenv.Port, ips *testenv.IPS) {
	out20 := fieldsOf(t0, guest0, peer, "--vlan", "20")
	tr.ask(traced{"two attachments", out20})
	tr.link(tr.legPorts["ips0"], false)
	tr.await("standin (port): down")
	tr.ask(traced{"the link of one is down", out20})
	tr.link(second, false)
	tr.await("second (port): down")
	tr.ask(traced{"the links of both are down", out20})
	tr.link(second, true)
	tr.await("second (port): up")
	ips.Dead(true)
	tr.await("second (port): down")
	tr.ask(traced{"one link down, the other silent", out20})
}
