// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
)

// validator holds the rules that one key alone cannot break. A rule says nothing about keys that are at fault already.
type validator struct {
	*decoder
	config *Config
}

func (v *validator) validate() {
	v.fleet()
	v.failover()
	v.ports()
	v.trunks()
	v.staticMACs()
	v.attachments()
	v.policy()
	v.offload()
	v.unsupported()
	if !v.partial || v.reach { // the files of a gateway are its own
		v.tls()
	}
	// What keys say together can be told when none is missing.
	if v.partial && (!v.given("uplinks") || !v.given("inspection.attachments")) {
		return
	}
	v.endpoints()
	v.sockets()
	v.local()
	v.probe()
	v.limits()
	v.monitor()
}

// endpoints makes sure that OpenFlowEndpoint has an answer that a socket address can hold.
func (v *validator) endpoints() {
	c := v.config
	if !v.sound("ovsdb", "openflow", "bridge.name") || c.OpenFlow != "" {
		return
	}
	if !strings.HasPrefix(c.OVSDB, NetworkUnix+":") {
		v.fault("openflow", fmt.Sprintf(`"" asks for a socket next to the database's, but %s is %s`, v.where("ovsdb"), quoteBare(c.OVSDB)),
			"the bridge's endpoint: tcp:HOST:PORT, ssl:HOST:PORT or unix:/PATH")
		return
	}
	if n := len(strings.TrimPrefix(c.OpenFlowEndpoint(), NetworkUnix+":")); n > maxSocketPath {
		v.fault("openflow", fmt.Sprintf(`"" makes a socket path of %d bytes of %s and %s`, n, v.where("ovsdb"), v.where("bridge.name")),
			fmt.Sprintf("at most %d bytes: a shorter path of the database's socket", maxSocketPath))
	}
}

// tls wants all three files or none, and all three for an ssl: endpoint.
func (v *validator) tls() {
	c := v.config
	if !v.sound("ovsdb", "openflow", "tls", "fleet.endpoints") {
		return
	}
	files := []struct{ path, value string }{
		{"tls.certificate", c.TLS.Certificate}, {"tls.private_key", c.TLS.PrivateKey}, {"tls.ca", c.TLS.CA},
	}
	reason, right := "", "the path of a PEM file"
	for _, f := range files {
		if f.value != "" {
			reason, right = v.where(f.path)+" is set", "set all three or none"
		}
	}
	if strings.HasPrefix(c.OpenFlow, NetworkSSL+":") {
		reason, right = v.where("openflow")+" is an ssl: endpoint", "the path of a PEM file"
	}
	if strings.HasPrefix(c.OVSDB, NetworkSSL+":") {
		reason, right = v.where("ovsdb")+" is an ssl: endpoint", "the path of a PEM file"
	}
	for _, e := range c.Fleet.Endpoints {
		if strings.HasPrefix(e, NetworkSSL+":") {
			reason, right = "fleet.endpoints has an ssl: endpoint", "the path of a PEM file"
		}
	}
	for _, f := range files {
		if reason != "" && f.value == "" {
			v.fault(f.path, "is not set, but "+reason, right)
		}
	}
}

// sockets keeps the control socket off the sockets of Open vSwitch: listening removes what is at its path.
func (v *validator) sockets() {
	c := v.config
	if !v.sound("ovsdb", "openflow", "bridge.name", "control") {
		return
	}
	switch NetworkUnix + ":" + c.Control {
	case c.OVSDB:
		v.fault("control", "is the path of the database's socket, "+v.where("ovsdb"), "a path of its own")
	case c.OpenFlowEndpoint():
		v.fault("control", "is the path of the bridge's socket", "a path of its own")
	}
}

// ports gives every interface name one place in the configuration.
func (v *validator) ports() {
	first := map[string]string{} // path by name
	take := func(path, name string) {
		if name == "" || !v.sound(path) {
			return
		}
		have, twice := first[name]
		switch {
		case !twice:
			first[name] = path
		case parent(have) == parent(path) && strings.HasSuffix(path, ".return_port"):
			v.fault(path, quote(name)+" is the same as port", "leave return_port out: one port is one-legged")
		default:
			v.fault(path, quote(name)+" is named by "+v.where(have)+" too", "a port of its own")
		}
	}
	c := v.config
	if !v.partial || v.given("bridge.name") {
		take("bridge.name", c.Bridge.Name)
	}
	for i, u := range c.Uplinks {
		take(item("uplinks", i)+".port", u.Port)
	}
	for i, t := range c.Trunks {
		take(item("trunks", i)+".port", t.Port)
	}
	for i, a := range c.Inspection.Attachments {
		take(item("inspection.attachments", i)+".port", a.Port)
		take(item("inspection.attachments", i)+".return_port", a.ReturnPort)
	}
	if v.sound("uplinks") && len(c.Uplinks) == 0 && (!v.partial || v.given("uplinks")) {
		v.fault("uplinks", "is empty", "name a port of the physical side: [{port: eth1}]")
	}
}

func (v *validator) local() {
	c := v.config
	if v.sound("local") && !c.Local.Enabled && c.Local.VLAN != 0 {
		v.fault("local.vlan", fmt.Sprintf("is %d, but %s is false", c.Local.VLAN, v.where("local.enabled")), "enabled: true, or no vlan")
	}
	if v.sound("trunks", "local.enabled") && !c.Local.Enabled && len(c.Trunks) == 0 {
		v.fault("trunks", "is empty and "+v.where("local.enabled")+" is false: nothing is behind the gateway", "a trunk, or local.enabled: true")
	}
}

// maxProbesUnderWay bounds the probes of an attachment that may be on their way at once.
const maxProbesUnderWay = 100

func (v *validator) probe() {
	p := &v.config.Inspection.Probe
	if v.sound("inspection.probe.interval", "inspection.probe.timeout") && p.Timeout > maxProbesUnderWay*p.Interval {
		v.fault("inspection.probe.timeout", fmt.Sprintf("%s is longer than %d intervals", short(p.Timeout), maxProbesUnderWay),
			"at most "+short(maxProbesUnderWay*p.Interval))
	}
	const slow = "inspection.probe.slow"
	if !v.sound(slow, "inspection.probe.timeout") || p.Slow < p.Timeout {
		return
	}
	if !v.given(slow) { // no contradiction: with so short a timeout the slow ones are lost
		p.Slow = 0
		return
	}
	v.fault(slow, fmt.Sprintf("%s is not below %s: a probe that takes so long is lost", short(p.Slow), v.where("inspection.probe.timeout")),
		"below "+short(p.Timeout)+", or 0s for never")
}

// limits compares only what was given: a default that is larger than a given limit contradicts nobody.
func (v *validator) limits() {
	const all, one = "forwarding.mac_limit", "forwarding.mac_limit_per_port"
	f := &v.config.Forwarding
	if v.given(all) && v.given(one) && v.sound(all, one) && f.MACLimitPerPort > f.MACLimit {
		v.fault(one, fmt.Sprintf("%d is more than %s allows over all ports", f.MACLimitPerPort, v.where(all)), fmt.Sprintf("at most %d", f.MACLimit))
	}
}
