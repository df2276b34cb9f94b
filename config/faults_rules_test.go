// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
)

// ruleFaults are the cases about keys that contradict each other, and what is not supported yet.
func ruleFaults() []faultCase {
	return []faultCase{
		{"fleet without a name", least + "fleet: {endpoints: [\"tcp:192.0.2.1:6640\"]}\n", []string{
			`gw.yaml:4: fleet.name: is not set, but fleet.endpoints (line 4) is, the name of this gateway in the fleet`,
		}},
		{"fleet without servers", least + "fleet: {name: host17}\n", []string{
			`gw.yaml:4: fleet.endpoints: is not set, but fleet.name (line 4) is, the servers of the fleet's database, such as [ssl:db1:6640]`,
		}},
		{"fleet without certificate", least + "fleet: {name: host17, endpoints: [\"ssl:db1:6640\"]}\ntls: {certificate: /c, private_key: /k}\n", []string{
			`gw.yaml:5: tls.ca: is not set, but fleet.endpoints has an ssl: endpoint, the path of a PEM file`,
		}},
		{"fleet's servers", least + "fleet:\n  name: a b\n  endpoints: [\"tcp:192.0.2.1:6640\", \"tcp:192.0.2.1:6640\", db1]\n", []string{
			`gw.yaml:5: fleet.name: "a b" is no name of a fleet's host, 1-64 letters, digits, -, _ and .`,
			`gw.yaml:6: fleet.endpoints[1]: "tcp:192.0.2.1:6640" is named twice, name it once`,
			`gw.yaml:6: fleet.endpoints[2]: endpoint "db1": names no network, unix:/PATH, tcp:HOST:PORT or ssl:HOST:PORT`,
		}},
		{"rule set without a fleet", replaceAttachments(`[{name: a, kind: embedded, rules: ["fleet:web"]}]`), []string{
			`gw.yaml:3: inspection.attachments[0].rules: "fleet:web" is a rule set of a fleet, and this gateway follows none, a path that begins with /`,
		}},
		{"rule set without a name", replaceAttachments(`[{name: a, kind: embedded, rules: ["fleet:", "fleet:../x", "fleet"]}]`), []string{
			`gw.yaml:3: inspection.attachments[0].rules[0]: "fleet:" names no rule set, fleet: and 1-64 letters, digits, -, _ and .`,
			`gw.yaml:3: inspection.attachments[0].rules[1]: "fleet:../x" names no rule set, fleet: and 1-64 letters, digits, -, _ and .`,
			`gw.yaml:3: inspection.attachments[0].rules[2]: "fleet": path is not absolute, a path that begins with /, or fleet:NAME`,
		}},
		{"failover without a fleet", least + "failover: [{name: a, vlans: [10], hosts: [x, y]}]\n", []string{
			`gw.yaml:4: failover[0]: needs the database of a fleet, and fleet.endpoints is not set, the servers of the fleet's database, or no group`,
		}},
		{"failover of others", least + "fleet: {name: z, endpoints: [\"tcp:192.0.2.1:6640\"]}\nfailover: [{name: a, vlans: [10], hosts: [x, y]}]\n", []string{
			`gw.yaml:5: failover[0].hosts: does not name this gateway, "z", a group of this gateway, or none`,
		}},
		{"failover of what is not there", least + "failover: [{name: a, vlans: [], hosts: []}]\n", []string{
			`gw.yaml:4: failover[0].vlans: is empty, list the VLANs of the group`,
			`gw.yaml:4: failover[0].hosts: is empty, the names of the two gateways, first the one that is to have the VLANs`,
		}},
		{"failover twice", least + "failover:\n- {name: a, vlans: [10], hosts: [x]}\n- {name: a, vlans: [20, 10], hosts: [x]}\n", []string{
			`gw.yaml:6: failover[1].name: "a" is the name of failover[0] too, another name, or one group of both`,
			`gw.yaml:6: failover[1].vlans: VLAN 10 is in failover[0] too, list it in one of them`,
		}},
		{"failover of the host's VLAN", least + "fleet: {name: x, endpoints: [\"tcp:192.0.2.1:6640\"]}\nfailover: [{name: a, vlans: [0], hosts: [x, y]}]\n", []string{
			`gw.yaml:5: failover[0].vlans: VLAN 0 is that of local.vlan (line 1): the host would be cut off while the other gateway has it, another VLAN for the host, or local.enabled: false`,
		}},
		{"failover's values", least + "failover: [{name: a b, vlans: [10], hosts: [x, x], lease: 1500ms}]\n", []string{
			`gw.yaml:4: failover[0].name: "a b" is no name of a fleet's host, 1-64 letters, digits, -, _ and .`,
			`gw.yaml:4: failover[0].hosts[1]: "x" is named twice, name it once`,
			`gw.yaml:4: failover[0].lease: 1500ms is out of range, a duration 1s to 60s in whole seconds`,
		}},
		{"no uplink", replaceUplinks(`[]`), []string{
			`gw.yaml:1: uplinks: is empty, name a port of the physical side: [{port: eth1}]`,
		}},
		{"no attachment", replaceAttachments(`[]`), []string{
			`gw.yaml:3: inspection.attachments: is empty, name one, such as {name: builtin, kind: embedded}`,
		}},
		{"no VLAN", replaceTrunks(`[{port: t, vlans: []}]`), []string{
			`gw.yaml:2: trunks[0].vlans: is empty, list the VLANs that the port carries, [0] for the untagged network alone`,
		}},
		{"port twice among uplinks and trunks", replaceTrunks(`[{port: eth1, vlans: [1]}]`), []string{
			`gw.yaml:2: trunks[0].port: "eth1" is named by uplinks[0].port (line 1) too, a port of its own`,
		}},
		{"port twice among trunks", replaceTrunks(`[{port: t, vlans: [1]}, {port: t, vlans: [2]}]`), []string{
			`gw.yaml:2: trunks[1].port: "t" is named by trunks[0].port (line 2) too, a port of its own`,
		}},
		{"port of the bridge's name", least + "bridge: {name: eth1}\n", []string{
			`gw.yaml:1: uplinks[0].port: "eth1" is named by bridge.name (line 4) too, a port of its own`,
		}},
		{"attachment on a trunk", replaceAttachments(`[{name: a, kind: port, port: trunk0}]`), []string{
			`gw.yaml:3: inspection.attachments[0].port: "trunk0" is named by trunks[0].port (line 2) too, a port of its own`,
		}},
		{"attachment back on the uplink", replaceAttachments(`[{name: a, kind: port, port: ips0, return_port: eth1}]`), []string{
			`gw.yaml:3: inspection.attachments[0].return_port: "eth1" is named by uplinks[0].port (line 1) too, a port of its own`,
		}},
		{"one port as two legs", replaceAttachments(`[{name: a, kind: port, port: ips0, return_port: ips0}]`), []string{
			`gw.yaml:3: inspection.attachments[0].return_port: "ips0" is the same as port, leave return_port out: one port is one-legged`,
		}},
		{"two attachments on one port", replaceAttachments(`[{name: a, kind: port, port: ips0}, {name: b, kind: port, port: ips0}]`), []string{
			`gw.yaml:3: inspection.attachments[1].port: "ips0" is named by inspection.attachments[0].port (line 3) too, a port of its own`,
		}},
		{"two attachments of one name", replaceAttachments(`[{name: a, kind: embedded}, {name: a, kind: port, port: ips0}]`), []string{
			`gw.yaml:3: inspection.attachments[1].name: "a" is the name at inspection.attachments[0].name (line 3) too, a name of its own`,
		}},
		{"native not listed", replaceTrunks(`[{port: t, vlans: [1, 5-7], native_vlan: 2}]`), []string{
			`gw.yaml:2: trunks[0].native_vlan: 2 is not listed in vlans, one of 1, 5-7, or list it`,
		}},
		{"native and untagged", replaceTrunks(`[{port: t, vlans: [0, 2], native_vlan: 2}]`), []string{
			`gw.yaml:2: trunks[0].native_vlan: 2 and VLAN 0, listed in vlans, would both be the port's untagged frames, take 0 out of vlans, or native_vlan out`,
		}},
		{"MAC behind two trunks", replaceTrunks(`[{port: t, vlans: [1-9], macs: ["52:54:00:00:00:01"]}, {port: u, vlans: [5], macs: ["52:54:00:00:00:01"]}]`), []string{
			`gw.yaml:2: trunks[1].macs[0]: 52:54:00:00:00:01 is behind trunks[0] (line 2) too, and both carry VLAN 5, list it behind one of them`,
		}},
		{"many MACs with port security", replaceTrunks(`[{port: t, vlans: [1], port_security: true, macs: [` + manyMACs(257) + `]}]`), []string{
			`gw.yaml:2: trunks[0].macs: 257 addresses on a port with port_security, list at most 256 there, or leave port_security out`,
		}},
		{"host absent but in a VLAN", least + "local: {enabled: false, vlan: 10}\n", []string{
			`gw.yaml:4: local.vlan: is 10, but local.enabled (line 4) is false, enabled: true, or no vlan`,
		}},
		{"nothing behind the gateway", "uplinks: [{port: eth1}]\nlocal: {enabled: false}\ninspection: {attachments: [{name: a, kind: embedded}]}\n", []string{
			`gw.yaml:1: trunks: is empty and local.enabled (line 2) is false: nothing is behind the gateway, a trunk, or local.enabled: true`,
		}},
		{"nothing behind, said outright", replaceTrunks(`[]`) + "local: {enabled: false}\n", []string{
			`gw.yaml:2: trunks: is empty and local.enabled (line 4) is false: nothing is behind the gateway, a trunk, or local.enabled: true`,
		}},
		{"port on embedded", replaceAttachments(`[{name: a, kind: embedded, port: x, return_port: y}]`), []string{
			`gw.yaml:3: inspection.attachments[0].port: an attachment of kind embedded has no such key, leave it out, or kind: port`,
			`gw.yaml:3: inspection.attachments[0].return_port: an attachment of kind embedded has no such key, leave it out, or kind: port`,
		}},
		{"rules on port", replaceAttachments(`[{name: a, kind: port, port: x, rules: [], threads: 1, eve: /e}]`), []string{
			`gw.yaml:3: inspection.attachments[0].rules: an attachment of kind port has no such key, leave it out, or kind: embedded, or kind: suricata`,
			`gw.yaml:3: inspection.attachments[0].threads: an attachment of kind port has no such key, leave it out, or kind: embedded, or kind: suricata`,
			`gw.yaml:3: inspection.attachments[0].eve: an attachment of kind port has no such key, leave it out, or kind: embedded`,
		}},
		{"port without port", replaceAttachments(`[{name: a, kind: port}]`), []string{
			`gw.yaml:3: inspection.attachments[0].port: is missing, the port behind which the attachment stands`,
		}},
		{"directional with one leg", replaceAttachments(`[{name: a, kind: port, port: x, legs: directional}]`), []string{
			`gw.yaml:3: inspection.attachments[0].legs: directional needs two legs, a return_port`,
		}},
		{"return_port alone", replaceAttachments(`[{name: a, kind: port, return_port: x}]`), []string{
			`gw.yaml:3: inspection.attachments[0].port: is missing, the port behind which the attachment stands`,
		}},
		{"timeout above 100 intervals", probe(`{interval: 100ms, timeout: 10001ms}`), []string{
			`gw.yaml:3: inspection.probe.timeout: 10001ms is longer than 100 intervals, at most 10s`,
		}},
		{"slow as long as timeout", probe(`{slow: 250ms}`), []string{
			`gw.yaml:3: inspection.probe.slow: 250ms is not below inspection.probe.timeout (line 3): a probe that takes so long is lost, below 250ms, or 0s for never`,
		}},
		{"port without protocol", policy(`{port: 80, action: drop}`), []string{
			`gw.yaml:3: inspection.policy[0].port: is 80, but the line names no protocol, proto: tcp, udp or sctp`,
		}},
		{"port of a protocol without ports", policy(`{proto: icmp, port: 80, action: drop}`), []string{
			`gw.yaml:3: inspection.policy[0].port: is 80, but protocol icmp has no ports, proto: tcp, udp or sctp`,
		}},
		{"Suricata's keys elsewhere", replaceAttachments(`[{name: a, kind: embedded, include: /a.yaml, supervise: stop, memory: 2GiB}]`), []string{
			`gw.yaml:3: inspection.attachments[0].include: an attachment of kind embedded has no such key, leave it out, or kind: suricata`,
			`gw.yaml:3: inspection.attachments[0].supervise: an attachment of kind embedded has no such key, leave it out, or kind: suricata`,
			`gw.yaml:3: inspection.attachments[0].memory: an attachment of kind embedded has no such key, leave it out, or kind: suricata`,
		}},
		{"memory without unit", replaceAttachments(`[{name: a, kind: suricata, memory: 1000}]`), []string{
			`gw.yaml:3: inspection.attachments[0].memory: 1000 has no unit, a number with its unit: KiB, MiB, GiB or TiB`,
		}},
		{"memory too small", replaceAttachments(`[{name: a, kind: suricata, memory: 64MiB}]`), []string{
			`gw.yaml:3: inspection.attachments[0].memory: 64MiB is out of range, a size 128MiB to 1TiB`,
		}},
		{"memory with another unit", replaceAttachments(`[{name: a, kind: suricata, memory: 1GB}]`), []string{
			`gw.yaml:3: inspection.attachments[0].memory: "1GB" is no size, a size 128MiB to 1TiB, such as 1GiB`,
		}},
		{"memory beyond all bounds", replaceAttachments(`[{name: a, kind: suricata, memory: 99999999999999999TiB}]`), []string{
			`gw.yaml:3: inspection.attachments[0].memory: "99999999999999999TiB" is no size, a size 128MiB to 1TiB, such as 1GiB`,
		}},
		{"failure policy of a line without inspection", policy(`{vlan: 10, action: bypass, on_failure: open}`), []string{
			`gw.yaml:3: inspection.policy[0].on_failure: is open, but a line with action: bypass has nothing inspected, leave it out, or action: inspect`,
		}},
		{"failure policy of a line misspelt", policy(`{vlan: 10, action: inspect, on_failure: opne}`), []string{
			`gw.yaml:3: inspection.policy[0].on_failure: is "opne", did you mean open? It is one of closed, open`,
		}},
		{"line after one that matches all", policy(`{action: inspect}, {vlan: 10, action: drop}`), []string{
			`gw.yaml:3: inspection.policy[1]: can never match: inspection.policy[0] (line 3) matches all of it before, delete it or move it up`,
		}},
		{"line repeated", policy(`{vlan: 10, action: drop}, {vlan: 10, action: drop}`), []string{
			`gw.yaml:3: inspection.policy[1]: repeats inspection.policy[0] (line 3), delete it`,
		}},
		{"line contradicted", policy(`{vlan: 10, action: drop}, {vlan: 10, action: bypass}`), []string{
			`gw.yaml:3: inspection.policy[1]: can never match: inspection.policy[0] (line 3) matches all of it before, delete it or move it up`,
		}},
		{"line within a prefix", policy(`{ip: 10.0.0.0/8, action: drop}, {ip: 10.1.0.0/16, proto: tcp, action: bypass}`), []string{
			`gw.yaml:3: inspection.policy[1]: can never match: inspection.policy[0] (line 3) matches all of it before, delete it or move it up`,
		}},
		{"limit per port above the limit", least + "forwarding: {mac_limit: 10, mac_limit_per_port: 11}\n", []string{
			`gw.yaml:4: forwarding.mac_limit_per_port: 11 is more than forwarding.mac_limit (line 4) allows over all ports, at most 10`,
		}},
		{"no OpenFlow endpoint", least + "ovsdb: tcp:192.0.2.1:6640\n", []string{
			`gw.yaml:1: openflow: "" asks for a socket next to the database's, but ovsdb (line 4) is tcp:192.0.2.1:6640, the bridge's endpoint: tcp:HOST:PORT, ssl:HOST:PORT or unix:/PATH`,
		}},
		{"management socket path too long", least + "ovsdb: unix:/" + strings.Repeat("x", 98) + "/db.sock\n", []string{
			`gw.yaml:1: openflow: "" makes a socket path of 108 bytes of ovsdb (line 4) and bridge.name (line 1), at most 107 bytes: a shorter path of the database's socket`,
		}},
		{"ssl database without TLS", least + "ovsdb: ssl:192.0.2.1:6640\n" + "openflow: tcp:192.0.2.1:6653\n", []string{
			`gw.yaml:1: tls.certificate: is not set, but ovsdb (line 4) is an ssl: endpoint, the path of a PEM file`,
			`gw.yaml:1: tls.private_key: is not set, but ovsdb (line 4) is an ssl: endpoint, the path of a PEM file`,
			`gw.yaml:1: tls.ca: is not set, but ovsdb (line 4) is an ssl: endpoint, the path of a PEM file`,
		}},
		{"ssl bridge without key", least + "openflow: ssl:192.0.2.1:6653\n" + "tls: {certificate: /a, ca: /c}\n", []string{
			`gw.yaml:5: tls.private_key: is not set, but openflow (line 4) is an ssl: endpoint, the path of a PEM file`,
		}},
		{"half of TLS", least + "tls: {ca: /c}\n", []string{
			`gw.yaml:4: tls.certificate: is not set, but tls.ca (line 4) is set, set all three or none`,
			`gw.yaml:4: tls.private_key: is not set, but tls.ca (line 4) is set, set all three or none`,
		}},
		{"control on the database's socket", least + "ovsdb: unix:/x/db.sock\n" + "control: /x/db.sock\n", []string{
			`gw.yaml:5: control: is the path of the database's socket, ovsdb (line 4), a path of its own`,
		}},
		{"control on the bridge's socket", least + "ovsdb: unix:/x/db.sock\n" + "control: /x/br0.mgmt\n", []string{
			`gw.yaml:5: control: is the path of the bridge's socket, a path of its own`,
		}},
		{"two uplinks", replaceUplinks(`[{port: eth1}, {port: eth2}]`), []string{
			`gw.yaml:1: uplinks[1]: more than one uplink is not supported yet, make one bond of the adapters in the kernel and name that`,
		}},
		{"offload", replaceInspection(`offload: {block: 24h, limit: 0, on_reload: forget}`), []string{
			`gw.yaml:3: inspection.offload.block: 24h is out of range, a duration 0s to 65535s in whole seconds`,
			`gw.yaml:3: inspection.offload.limit: 0 is out of range, a number 1-1000000`,
			`gw.yaml:3: inspection.offload.on_reload: is "forget", one of keep, flush`,
		}},
		{"blocks shared, and none made", replaceInspection(`offload: {block: 0s, share: true}`), []string{
			`gw.yaml:3: inspection.offload.share: is true, but inspection.offload.block (line 3) is 0s: nothing is blocked, share: false, or how long a block lasts`,
		}},
		{"share", replaceInspection(`offload: {share: some}`), []string{
			`gw.yaml:3: inspection.offload.share: is the text "some", true or false, without quotes`,
		}},
		{"metrics for all the world", least + "metrics: \"0.0.0.0:9475\"\n", []string{
			`gw.yaml:4: metrics: "0.0.0.0:9475" can be reached from other hosts, and nobody is asked for a password, monitor: {user: NAME, password_file: PATH} beside it, or an address of this host such as "127.0.0.1:9475"`,
		}},
		{"metrics on a name of the network", least + "metrics: \"gw.example.net:9475\"\n", []string{
			`gw.yaml:4: metrics: "gw.example.net:9475" can be reached from other hosts, and nobody is asked for a password, monitor: {user: NAME, password_file: PATH} beside it, or an address of this host such as "127.0.0.1:9475"`,
		}},
		{"user without password", least + "metrics: \"0.0.0.0:9475\"\nmonitor: {user: prometheus}\n", []string{
			`gw.yaml:5: monitor.password_file: is not set, but monitor.user (line 5) is, the path of a file whose first line is the password`,
		}},
		{"password without user", least + "metrics: \"127.0.0.1:9475\"\nmonitor: {password_file: /p}\n", []string{
			`gw.yaml:5: monitor.user: is not set, but monitor.password_file (line 5) is, the name that goes with the password`,
		}},
		{"colon in the user", least + "metrics: \"127.0.0.1:9475\"\nmonitor: {user: \"a:b\", password_file: /p}\n", []string{
			`gw.yaml:5: monitor.user: "a:b" is no user name, at most 128 printable characters, none of them a colon`,
		}},
		{"https without certificate", least + "metrics: \"127.0.0.1:9475\"\nmonitor: {tls: true}\n", []string{
			`gw.yaml:5: monitor.tls: true needs a certificate, and tls.certificate is not set, set tls.certificate, tls.private_key and tls.ca`,
		}},
		{"monitor without listener", least + "monitor: {pprof: true}\n", []string{
			`gw.yaml:4: monitor.pprof: is set, but metrics is not: nothing listens, metrics: "127.0.0.1:9475", or leave it out`,
		}},
	}
}

// manyMACs lists n addresses.
func manyMACs(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`"02:00:00:00:%02x:%02x"`, i>>8, i&0xff))
	}
	return strings.Join(list, ", ")
}
