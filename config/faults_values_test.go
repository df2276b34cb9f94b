// SPDX-License-Identifier: Apache-2.0

package config

import "strings"

// valueFaults are the cases about one value alone.
func valueFaults() []faultCase {
	return []faultCase{
		{"text for truth", least + "bridge: {create: \"yes\"}\n", []string{
			`gw.yaml:4: bridge.create: is the text "yes", true or false, without quotes`,
		}},
		{"yes", least + "bridge: {create: yes}\n", []string{
			`gw.yaml:4: bridge.create: is the text "yes", true or false, without quotes`,
		}},
		{"True", least + "bridge: {create: True}\n", []string{
			`gw.yaml:4: bridge.create: is True, true or false in small letters`,
		}},
		{"number for truth", least + "bridge: {create: 1}\n", []string{
			`gw.yaml:4: bridge.create: is the number 1, true or false`,
		}},
		{"number for text", replaceUplinks(`[{port: 17}]`), []string{
			`gw.yaml:1: uplinks[0].port: is the number 17, an interface name, in quotes when it looks like something else`,
		}},
		{"truth for text", replaceUplinks(`[{port: true}]`), []string{
			`gw.yaml:1: uplinks[0].port: is the truth value true, an interface name, in quotes when it looks like something else`,
		}},
		{"null for text", replaceUplinks(`[{port: }]`), []string{
			`gw.yaml:1: uplinks[0].port: is empty, an interface name`,
		}},
		{"date for text", replaceUplinks(`[{port: 2001-01-01}]`), []string{
			`gw.yaml:1: uplinks[0].port: is the date 2001-01-01, an interface name, in quotes when it looks like something else`,
		}},
		{"text for a number", least + "forwarding: {mac_limit: \"10\"}\n", []string{
			`gw.yaml:4: forwarding.mac_limit: is the text "10", a number 1-1000000, without quotes`,
		}},
		{"fraction", least + "forwarding: {mac_limit: 1.5}\n", []string{
			`gw.yaml:4: forwarding.mac_limit: is the number 1.5, a number 1-1000000`,
		}},
		{"hexadecimal", least + "forwarding: {mac_limit: 0x10}\n", []string{
			`gw.yaml:4: forwarding.mac_limit: is 0x10, a number 1-1000000 in plain decimal`,
		}},
		{"octal", least + "forwarding: {mac_limit: 010}\n", []string{
			`gw.yaml:4: forwarding.mac_limit: is 010, a number 1-1000000 in plain decimal`,
		}},
		{"underscores", least + "forwarding: {mac_limit: 1_000}\n", []string{
			`gw.yaml:4: forwarding.mac_limit: is 1_000, a number 1-1000000 in plain decimal`,
		}},
		{"plus", least + "forwarding: {mac_limit: +5}\n", []string{
			`gw.yaml:4: forwarding.mac_limit: is +5, a number 1-1000000 in plain decimal`,
		}},
		{"huge", least + "forwarding: {mac_limit: 99999999999999999999}\n", []string{
			`gw.yaml:4: forwarding.mac_limit: 99999999999999999999 is out of range, a number 1-1000000`,
		}},
		{"large", least + "forwarding: {mac_limit: 1000001}\n", []string{
			`gw.yaml:4: forwarding.mac_limit: 1000001 is out of range, a number 1-1000000`,
		}},
		{"none", least + "forwarding: {mac_limit_per_port: 0}\n", []string{
			`gw.yaml:4: forwarding.mac_limit_per_port: 0 is out of range, a number 1-1000000`,
		}},
		{"list for a number", least + "forwarding: {mac_limit: [1]}\n", []string{
			`gw.yaml:4: forwarding.mac_limit: is a list, a number 1-1000000`,
		}},
		{"no unit", least + "forwarding: {mac_aging: 300}\n", []string{
			`gw.yaml:4: forwarding.mac_aging: 300 has no unit, a number with its unit: 300s`,
		}},
		{"unknown unit", least + "forwarding: {mac_aging: 5d}\n", []string{
			`gw.yaml:4: forwarding.mac_aging: "5d" is no duration, a duration 1s to 65535s in whole seconds, such as 1s`,
		}},
		{"fraction of a second", least + "forwarding: {mac_aging: 1500ms}\n", []string{
			`gw.yaml:4: forwarding.mac_aging: 1500ms is out of range, a duration 1s to 65535s in whole seconds`,
		}},
		{"too short", least + "forwarding: {mac_aging: 0s}\n", []string{
			`gw.yaml:4: forwarding.mac_aging: 0s is out of range, a duration 1s to 65535s in whole seconds`,
		}},
		{"too long", least + "forwarding: {mac_aging: 65536s}\n", []string{
			`gw.yaml:4: forwarding.mac_aging: 65536s is out of range, a duration 1s to 65535s in whole seconds`,
		}},
		{"negative", least + "forwarding: {mac_aging: -1s}\n", []string{
			`gw.yaml:4: forwarding.mac_aging: -1s is out of range, a duration 1s to 65535s in whole seconds`,
		}},
		{"truth for a duration", least + "forwarding: {mac_aging: true}\n", []string{
			`gw.yaml:4: forwarding.mac_aging: is the truth value true, a duration 1s to 65535s in whole seconds`,
		}},
		{"unknown word", least + "log: {level: loud}\n", []string{
			`gw.yaml:4: log.level: is "loud", one of debug, info, warning, error`,
		}},
		{"nearly a word", least + "log: {level: warn, format: Json}\n", []string{
			`gw.yaml:4: log.level: is "warn", did you mean warning? It is one of debug, info, warning, error`,
			`gw.yaml:4: log.format: is "Json", did you mean json? It is one of text, json`,
		}},
		{"datapath", least + "bridge: {datapath_type: dpdk}\n", []string{
			`gw.yaml:4: bridge.datapath_type: is "dpdk", one of system, netdev`,
		}},
		{"endpoint without network", least + "ovsdb: /run/db.sock\n", []string{
			`gw.yaml:4: ovsdb: endpoint "/run/db.sock": names no network, unix:/PATH, tcp:HOST:PORT or ssl:HOST:PORT`,
		}},
		{"endpoint of another network", least + "ovsdb: udp:1.2.3.4:5\n", []string{
			`gw.yaml:4: ovsdb: endpoint "udp:1.2.3.4:5": "udp" is not unix, tcp or ssl, unix:/PATH, tcp:HOST:PORT or ssl:HOST:PORT`,
		}},
		{"relative socket", least + "ovsdb: unix:db.sock\n", []string{
			`gw.yaml:4: ovsdb: endpoint "unix:db.sock": path is not absolute, unix:/PATH, tcp:HOST:PORT or ssl:HOST:PORT`,
		}},
		{"endpoint without port", least + "ovsdb: tcp:192.0.2.1\n", []string{
			`gw.yaml:4: ovsdb: endpoint "tcp:192.0.2.1": not HOST:PORT (an IPv6 address stands in brackets), unix:/PATH, tcp:HOST:PORT or ssl:HOST:PORT`,
		}},
		{"port 0", least + "ovsdb: tcp:192.0.2.1:0\n", []string{
			`gw.yaml:4: ovsdb: endpoint "tcp:192.0.2.1:0": port "0" is not in 1-65535, unix:/PATH, tcp:HOST:PORT or ssl:HOST:PORT`,
		}},
		{"port 65536", least + "openflow: tcp:192.0.2.1:65536\n", []string{
			`gw.yaml:4: openflow: endpoint "tcp:192.0.2.1:65536": port "65536" is not in 1-65535, unix:/PATH, tcp:HOST:PORT or ssl:HOST:PORT`,
		}},
		{"bare IPv6", least + "openflow: \"tcp:::1:6653\"\n", []string{
			`gw.yaml:4: openflow: endpoint "tcp:::1:6653": not HOST:PORT (an IPv6 address stands in brackets), unix:/PATH, tcp:HOST:PORT or ssl:HOST:PORT`,
		}},
		{"odd host", least + "openflow: \"tcp:a_b!:6653\"\n", []string{
			`gw.yaml:4: openflow: endpoint "tcp:a_b!:6653": "a_b!" is not a host name or an address, unix:/PATH, tcp:HOST:PORT or ssl:HOST:PORT`,
		}},
		{"not an address", least + "openflow: \"tcp:300.1.1.1:6653\"\n", []string{
			`gw.yaml:4: openflow: endpoint "tcp:300.1.1.1:6653": "300.1.1.1" is not a host name or an address, unix:/PATH, tcp:HOST:PORT or ssl:HOST:PORT`,
		}},
		{"IPv4 in brackets", least + "openflow: \"tcp:[192.0.2.1]:6653\"\n", []string{
			`gw.yaml:4: openflow: endpoint "tcp:[192.0.2.1]:6653": "192.0.2.1" is not an IPv6 address, unix:/PATH, tcp:HOST:PORT or ssl:HOST:PORT`,
		}},
		{"empty ovsdb", least + "ovsdb: \"\"\n", []string{
			`gw.yaml:4: ovsdb: endpoint "": names no network, unix:/PATH, tcp:HOST:PORT or ssl:HOST:PORT`,
		}},
		{"socket path too long", least + "control: /" + strings.Repeat("x", 107) + "\n", []string{
			`gw.yaml:4: control: "/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"…: path of 108 bytes, a unix socket has at most 107, an absolute path of at most 107 bytes`,
		}},
		{"relative path", least + "control: gw.ctl\n", []string{
			`gw.yaml:4: control: "gw.ctl": path is not absolute, an absolute path of at most 107 bytes`,
		}},
		{"unprintable path", least + "control: \"/a\\x07\"\n", []string{
			`gw.yaml:4: control: "/a\a": path holds an unprintable character, an absolute path of at most 107 bytes`,
		}},
		{"empty control", least + "control: \"\"\n", []string{
			`gw.yaml:4: control: "": path is not absolute, an absolute path of at most 107 bytes`,
		}},
		{"metrics without host", least + "metrics: \":9475\"\n", []string{
			`gw.yaml:4: metrics: ":9475": "" is not a host name or an address, HOST:PORT such as "127.0.0.1:9475"`,
		}},
		{"metrics without port", least + "metrics: localhost\n", []string{
			`gw.yaml:4: metrics: "localhost": not HOST:PORT (an IPv6 address stands in brackets), HOST:PORT such as "127.0.0.1:9475"`,
		}},
		{"name too long", replaceUplinks(`[{port: abcdefghijklmnop}]`), []string{
			`gw.yaml:1: uplinks[0].port: "abcdefghijklmnop" has 16 bytes, at most 15 bytes`,
		}},
		{"name with a slash", replaceUplinks(`[{port: a/b}]`), []string{
			`gw.yaml:1: uplinks[0].port: "a/b" is no interface name, 1-15 bytes without /, :, % and blanks`,
		}},
		{"name with a blank", replaceUplinks(`[{port: "a b"}]`), []string{
			`gw.yaml:1: uplinks[0].port: "a b" is no interface name, 1-15 bytes without /, :, % and blanks`,
		}},
		{"name with a percent sign", replaceUplinks(`[{port: eth%d}]`), []string{
			`gw.yaml:1: uplinks[0].port: "eth%d" is no interface name, 1-15 bytes without /, :, % and blanks`,
		}},
		{"empty name", replaceUplinks(`[{port: ""}]`), []string{
			`gw.yaml:1: uplinks[0].port: "" is no interface name, 1-15 bytes without /, :, % and blanks`,
		}},
		{"dots", replaceUplinks(`[{port: ..}]`), []string{
			`gw.yaml:1: uplinks[0].port: ".." is no interface name, a name that is no directory`,
		}},
		{"bridge with a backslash", least + "bridge: {name: a\\b}\n", []string{
			`gw.yaml:4: bridge.name: "a\\b" is no bridge name, a name without a backslash`,
		}},
		{"attachment name", replaceAttachments(`[{name: a/b, kind: embedded}]`), []string{
			`gw.yaml:3: inspection.attachments[0].name: "a/b" is no attachment name, 1-32 letters, digits, -, _ and ., not . or .. alone`,
		}},
		{"attachment name, a directory", replaceAttachments(`[{name: .., kind: suricata}]`), []string{
			`gw.yaml:3: inspection.attachments[0].name: ".." is no attachment name, 1-32 letters, digits, -, _ and ., not . or .. alone`,
		}},
		{"kind", replaceAttachments(`[{name: a, kind: embeded}]`), []string{
			`gw.yaml:3: inspection.attachments[0].kind: is "embeded", did you mean embedded? It is one of embedded, suricata, port`,
		}},
		{"threads", replaceAttachments(`[{name: a, kind: embedded, threads: 257}]`), []string{
			`gw.yaml:3: inspection.attachments[0].threads: 257 is out of range, a number 0-256`,
		}},
		{"relative rules", replaceAttachments(`[{name: a, kind: embedded, rules: [local.rules]}]`), []string{
			`gw.yaml:3: inspection.attachments[0].rules[0]: "local.rules": path is not absolute, a path that begins with /, or fleet:NAME`,
		}},
		{"rules twice", replaceAttachments(`[{name: a, kind: embedded, rules: [/r, /r]}]`), []string{
			`gw.yaml:3: inspection.attachments[0].rules[1]: "/r" is named twice, name it once`,
		}},
		{"rules not text", replaceAttachments(`[{name: a, kind: embedded, rules: [1]}]`), []string{
			`gw.yaml:3: inspection.attachments[0].rules[0]: is the number 1, an absolute path, in quotes when it looks like something else`,
		}},
		{"VLAN 4095", replaceTrunks(`[{port: t, vlans: [4095]}]`), []string{
			`gw.yaml:2: trunks[0].vlans[0]: 4095 is out of range, a number 0-4094 or a range such as "100-199"`,
		}},
		{"VLAN -1", replaceTrunks(`[{port: t, vlans: [-1]}]`), []string{
			`gw.yaml:2: trunks[0].vlans[0]: -1 is out of range, a number 0-4094 or a range such as "100-199"`,
		}},
		{"VLAN as text", replaceTrunks(`[{port: t, vlans: ["10"]}]`), []string{
			`gw.yaml:2: trunks[0].vlans[0]: is the text "10", 10 without quotes`,
		}},
		{"VLAN as a word", replaceTrunks(`[{port: t, vlans: [all]}]`), []string{
			`gw.yaml:2: trunks[0].vlans[0]: "all" is no VLAN and no range of VLANs, a number 0-4094 or a range such as "100-199"`,
		}},
		{"range without end", replaceTrunks(`[{port: t, vlans: [10-]}]`), []string{
			`gw.yaml:2: trunks[0].vlans[0]: "10-" is no VLAN and no range of VLANs, a number 0-4094 or a range such as "100-199"`,
		}},
		{"range past the end", replaceTrunks(`[{port: t, vlans: [4000-4095]}]`), []string{
			`gw.yaml:2: trunks[0].vlans[0]: "4000-4095" is out of range, VLANs 0-4094`,
		}},
		{"reversed range", replaceTrunks(`[{port: t, vlans: [20-10]}]`), []string{
			`gw.yaml:2: trunks[0].vlans[0]: the range "20-10" is reversed, "10-20"`,
		}},
		{"range of one", replaceTrunks(`[{port: t, vlans: [10-10]}]`), []string{
			`gw.yaml:2: trunks[0].vlans[0]: the range "10-10" is one VLAN, 10 without quotes`,
		}},
		{"overlapping ranges", replaceTrunks(`[{port: t, vlans: [10-20, 15-30]}]`), []string{
			`gw.yaml:2: trunks[0].vlans[1]: VLAN 15 is in the list already, list every VLAN of the port once`,
		}},
		{"VLAN in a range", replaceTrunks(`[{port: t, vlans: [10-20, 15]}]`), []string{
			`gw.yaml:2: trunks[0].vlans[1]: VLAN 15 is in the list already, list every VLAN of the port once`,
		}},
		{"VLAN twice", replaceTrunks(`[{port: t, vlans: [10, 10]}]`), []string{
			`gw.yaml:2: trunks[0].vlans[1]: VLAN 10 is in the list already, list every VLAN of the port once`,
		}},
		{"one text for all VLANs", replaceTrunks(`[{port: t, vlans: "0,10"}]`), []string{
			`gw.yaml:2: trunks[0].vlans: is the text "0,10", a list of numbers 0-4094 and ranges "FIRST-LAST"`,
		}},
		{"native out of range", replaceTrunks(`[{port: t, vlans: [1], native_vlan: 4095}]`), []string{
			`gw.yaml:2: trunks[0].native_vlan: 4095 is out of range, a number 0-4094`,
		}},
		{"short MAC", replaceTrunks(`[{port: t, vlans: [1], macs: ["52:54"]}]`), []string{
			`gw.yaml:2: trunks[0].macs[0]: "52:54" is no MAC address, an address of one station such as 52:54:00:12:34:56`,
		}},
		{"MAC with dashes", replaceTrunks(`[{port: t, vlans: [1], macs: [52-54-00-00-00-01]}]`), []string{
			`gw.yaml:2: trunks[0].macs[0]: "52-54-00-00-00-01" is no MAC address, an address of one station such as 52:54:00:12:34:56`,
		}},
		{"MAC of other letters", replaceTrunks(`[{port: t, vlans: [1], macs: ["52:54:00:00:00:0g"]}]`), []string{
			`gw.yaml:2: trunks[0].macs[0]: "52:54:00:00:00:0g" is no MAC address, an address of one station such as 52:54:00:12:34:56`,
		}},
		{"MAC as a number", replaceTrunks(`[{port: t, vlans: [1], macs: [525400000001]}]`), []string{
			`gw.yaml:2: trunks[0].macs[0]: is the number 525400000001, a MAC address, in quotes when it looks like something else`,
		}},
		{"multicast MAC", replaceTrunks(`[{port: t, vlans: [1], macs: ["01:00:5e:00:00:01"]}]`), []string{
			`gw.yaml:2: trunks[0].macs[0]: 01:00:5e:00:00:01 is a multicast address, an address of one station such as 52:54:00:12:34:56`,
		}},
		{"broadcast MAC", replaceTrunks(`[{port: t, vlans: [1], macs: ["ff:ff:ff:ff:ff:ff"]}]`), []string{
			`gw.yaml:2: trunks[0].macs[0]: ff:ff:ff:ff:ff:ff is a multicast address, an address of one station such as 52:54:00:12:34:56`,
		}},
		{"zero MAC", replaceTrunks(`[{port: t, vlans: [1], macs: ["00:00:00:00:00:00"]}]`), []string{
			`gw.yaml:2: trunks[0].macs[0]: 00:00:00:00:00:00 is the zero address, an address of one station such as 52:54:00:12:34:56`,
		}},
		{"MAC twice", replaceTrunks(`[{port: t, vlans: [1], macs: ["52:54:00:00:00:01", "52:54:00:00:00:01"]}]`), []string{
			`gw.yaml:2: trunks[0].macs[1]: 52:54:00:00:00:01 is listed twice, list it once`,
		}},
		{"local VLAN", least + "local: {vlan: 4095}\n", []string{
			`gw.yaml:4: local.vlan: 4095 is out of range, a number 0-4094`,
		}},
		{"interval too short", probe(`{interval: 9ms, timeout: 1ms}`), []string{
			`gw.yaml:3: inspection.probe.interval: 9ms is out of range, a duration 10ms to 3600s`,
		}},
		{"interval too long", probe(`{interval: 61m}`), []string{
			`gw.yaml:3: inspection.probe.interval: 61m is out of range, a duration 10ms to 3600s`,
		}},
		{"counts", probe(`{down_after: 0, up_after: 101}`), []string{
			`gw.yaml:3: inspection.probe.down_after: 0 is out of range, a number 1-100`,
			`gw.yaml:3: inspection.probe.up_after: 101 is out of range, a number 1-100`,
		}},
		{"no prefix", policy(`{ip: localhost, action: drop}`), []string{
			`gw.yaml:3: inspection.policy[0].ip: "localhost" is no address and no prefix, an address such as 192.0.2.1 or 2001:db8::1, or ADDRESS/LENGTH`,
		}},
		{"host bits", policy(`{ip: 192.0.2.1/24, action: drop}`), []string{
			`gw.yaml:3: inspection.policy[0].ip: "192.0.2.1/24" has bits set behind its length, 192.0.2.0/24 or a longer prefix`,
		}},
		{"prefix too long", policy(`{ip: 192.0.2.0/33, action: drop}`), []string{
			`gw.yaml:3: inspection.policy[0].ip: "192.0.2.0/33" is no address and no prefix, an address such as 192.0.2.1 or 2001:db8::1, or ADDRESS/LENGTH`,
		}},
		{"zone", policy(`{ip: "fe80::1%eth0", action: drop}`), []string{
			`gw.yaml:3: inspection.policy[0].ip: "fe80::1%eth0" is no address and no prefix, an address such as 192.0.2.1 or 2001:db8::1, or ADDRESS/LENGTH`,
		}},
		{"mapped address", policy(`{ip: "::ffff:192.0.2.1", action: drop}`), []string{
			`gw.yaml:3: inspection.policy[0].ip: "::ffff:192.0.2.1" is an IPv4 address written as an IPv6 address, the IPv4 address itself: 192.0.2.1`,
		}},
		{"protocol", policy(`{proto: gre, action: drop}`), []string{
			`gw.yaml:3: inspection.policy[0].proto: is "gre", one of tcp, udp, icmp, sctp, or a number 0-255`,
		}},
		{"protocol 256", policy(`{proto: 256, action: drop}`), []string{
			`gw.yaml:3: inspection.policy[0].proto: 256 is out of range, a number 0-255`,
		}},
		{"policy port 0", policy(`{proto: tcp, port: 0, action: drop}`), []string{
			`gw.yaml:3: inspection.policy[0].port: 0 is out of range, a number 1-65535`,
		}},
		{"policy port 65536", policy(`{proto: tcp, port: 65536, action: drop}`), []string{
			`gw.yaml:3: inspection.policy[0].port: 65536 is out of range, a number 1-65535`,
		}},
		{"policy VLAN any", policy(`{vlan: -1, action: drop}`), []string{
			`gw.yaml:3: inspection.policy[0].vlan: -1 is out of range, a number 0-4094`,
		}},
		{"action", policy(`{action: pass}`), []string{
			`gw.yaml:3: inspection.policy[0].action: is "pass", did you mean bypass? It is one of inspect, bypass, drop`,
		}},
		{"too many entries", replaceUplinks("[" + strings.Repeat("{port: a},", maxUplinks+1) + "]"), []string{
			`gw.yaml:1: uplinks: has 65 entries, at most 64`,
		}},
	}
}
