// SPDX-License-Identifier: Apache-2.0

package config

// keyFaults are the cases about keys: unknown, twice, missing, of the wrong shape.
func keyFaults() []faultCase {
	return []faultCase{
		{"unknown key", least + "colour: red\n", []string{
			`gw.yaml:4: colour: unknown key, the keys here are ovsdb, openflow, tls, bridge, uplinks, trunks, local, inspection, forwarding, failover, control, metrics, monitor, fleet, log`,
		}},
		{"misspelled key", least + "uplink: []\n", []string{
			`gw.yaml:4: uplink: unknown key, did you mean uplinks?`,
		}},
		{"misspelled key inside", least + "bridge: {nmae: br0}\n", []string{
			`gw.yaml:4: bridge.nmae: unknown key, did you mean name?`,
		}},
		{"capital letters", least + "Bridge: {name: br0}\n", []string{
			`gw.yaml:4: Bridge: unknown key, did you mean bridge?`,
		}},
		{"key that is no word", least + "1: 2\n", []string{
			`gw.yaml:4: 1: unknown key, the keys here are ovsdb, openflow, tls, bridge, uplinks, trunks, local, inspection, forwarding, failover, control, metrics, monitor, fleet, log`,
		}},
		{"tagged key", least + "!!str control: /a\n", []string{
			`gw.yaml:4: control: the tag !!str is not taken, leave it out`,
		}},
		{"prefix of a key", least + "inspect: {}\n", []string{
			`gw.yaml:4: inspect: unknown key, did you mean inspection?`,
		}},
		{"key that is a list", least + "[a]: 2\n", []string{
			`gw.yaml:4: ?: the key is a list, a word`,
		}},
		{"key of odd characters", least + "\"a.b\\n\": 2\n", []string{
			`gw.yaml:4: "a.b\n": unknown key, the keys here are ovsdb, openflow, tls, bridge, uplinks, trunks, local, inspection, forwarding, failover, control, metrics, monitor, fleet, log`,
		}},
		{"empty key", least + "\"\": 2\n", []string{
			`gw.yaml:4: "": unknown key, the keys here are ovsdb, openflow, tls, bridge, uplinks, trunks, local, inspection, forwarding, failover, control, metrics, monitor, fleet, log`,
		}},
		{"duplicate key", least + "control: /a\n" + "control: /b\n", []string{
			`gw.yaml:5: control: is given twice, first in line 4, give it once`,
		}},
		{"duplicate mapping", least + "log: {level: info}\n" + "log: {format: json}\n", []string{
			`gw.yaml:5: log: is given twice, first in line 4, give it once`,
		}},
		{"duplicate key in an item", replaceUplinks(`[{port: eth1, port: eth2}]`), []string{
			`gw.yaml:1: uplinks[0].port: is given twice, first in line 1, give it once`,
		}},
		{"alias", least + "bridge: &b {name: br0}\nlocal: *b\n", []string{
			`gw.yaml:5: local: aliases are not taken, write the value out`,
		}},
		{"alias of a scalar", least + "control: &c /a\nmetrics: *c\n", []string{
			`gw.yaml:5: metrics: aliases are not taken, write the value out`,
		}},
		{"alias bomb", least + "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n", []string{
			`gw.yaml:4: a: unknown key, the keys here are ovsdb, openflow, tls, bridge, uplinks, trunks, local, inspection, forwarding, failover, control, metrics, monitor, fleet, log`,
			`gw.yaml:5: b: unknown key, the keys here are ovsdb, openflow, tls, bridge, uplinks, trunks, local, inspection, forwarding, failover, control, metrics, monitor, fleet, log`,
			`gw.yaml:6: c: unknown key, the keys here are ovsdb, openflow, tls, bridge, uplinks, trunks, local, inspection, forwarding, failover, control, metrics, monitor, fleet, log`,
		}},
		{"alias to itself", least + "tls: &t {ca: *t}\n", []string{
			`gw.yaml:4: tls.ca: aliases are not taken, write the value out`,
		}},
		{"alias of an item", replaceTrunks(`[{port: &p t, vlans: [&v 1, *v]}]`), []string{
			`gw.yaml:2: trunks[0].vlans[1]: aliases are not taken, write the value out`,
		}},
		{"merge key", replaceTrunks(`[&a {port: t, vlans: [1]}, {<<: *a, port: u}]`), []string{
			`gw.yaml:2: trunks[1].<<: merge keys and aliases are not taken, write the keys out`,
		}},
		{"tag", least + "control: !!str /a\n", []string{
			`gw.yaml:4: control: the tag !!str is not taken, leave it out`,
		}},
		{"own tag", least + "bridge: !bridge {name: br0}\n", []string{
			`gw.yaml:4: bridge: the tag !bridge is not taken, leave it out`,
		}},
		{"tag on an item", replaceTrunks(`[{port: t, vlans: [!!int 1]}]`), []string{
			`gw.yaml:2: trunks[0].vlans[0]: the tag !!int is not taken, leave it out`,
		}},
		{"empty section", least + "bridge:\n", []string{
			`gw.yaml:4: bridge: is empty, a mapping`,
		}},
		{"list for a mapping", least + "bridge: [br0]\n", []string{
			`gw.yaml:4: bridge: is a list, a mapping`,
		}},
		{"text for a mapping", least + "bridge: br0\n", []string{
			`gw.yaml:4: bridge: is the text "br0", a mapping`,
		}},
		{"mapping for a list", replaceUplinks(`{port: eth1}`), []string{
			`gw.yaml:1: uplinks: is a mapping, a list of mappings`,
		}},
		{"text for a list", replaceAttachments(`[{name: a, kind: embedded, rules: /r}]`), []string{
			`gw.yaml:3: inspection.attachments[0].rules: is the text "/r", a list of absolute paths or fleet:NAME`,
		}},
		{"mapping for text", least + "control: {a: b}\n", []string{
			`gw.yaml:4: control: is a mapping, an absolute path`,
		}},
		{"text for an item", replaceUplinks(`[eth1]`), []string{
			`gw.yaml:1: uplinks[0]: is the text "eth1", a mapping`,
		}},
		{"null for a list", replaceTrunks(``), []string{
			`gw.yaml:2: trunks: is empty, a list of mappings`,
		}},
		{"missing port", replaceUplinks(`[{}]`), []string{
			`gw.yaml:1: uplinks[0].port: is missing, give an interface name (port of the physical adapter)`,
		}},
		{"missing keys of a trunk", replaceTrunks(`[{}]`), []string{
			`gw.yaml:2: trunks[0].port: is missing, give an interface name (port of the virtual trunk adapter)`,
			`gw.yaml:2: trunks[0].vlans: is missing, give a list of numbers 0-4094 and ranges "FIRST-LAST" (VLANs that the port carries; 0 is the untagged network)`,
		}},
		{"missing keys of an attachment", replaceAttachments(`[{}]`), []string{
			`gw.yaml:3: inspection.attachments[0].name: is missing, give a name (name in the log and in status)`,
			`gw.yaml:3: inspection.attachments[0].kind: is missing, give one of embedded, suricata, port (embedded: the engine in this program; suricata: a Suricata that this program runs; port: anything behind switch ports)`,
		}},
		{"missing action", policy(`{vlan: 10}`), []string{
			`gw.yaml:3: inspection.policy[0].action: is missing, give one of inspect, bypass, drop (what becomes of a frame that matches everything on the line)`,
		}},
		{"missing required", "trunks: [{port: trunk0, vlans: [0]}]\n", []string{
			`gw.yaml:1: uplinks: is missing, give a list of mappings (ports on the physical side)`,
			`gw.yaml:1: inspection.attachments: is missing, give a list of mappings (what inspects)`,
		}},
		{"missing attachments", "uplinks: [{port: eth1}]\ninspection: {on_failure: open}\n", []string{
			`gw.yaml:2: inspection.attachments: is missing, give a list of mappings (what inspects)`,
		}},
	}
}
