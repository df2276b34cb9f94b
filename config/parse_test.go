// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// least is the shortest right configuration.
const least = `uplinks: [{port: eth1}]
trunks: [{port: trunk0, vlans: [0, 10]}]
inspection: {attachments: [{name: builtin, kind: embedded}]}
`

// leastConfig is least with every default, written down a second time by hand.
func leastConfig() *Config {
	return &Config{
		OVSDB:   "unix:/var/run/openvswitch/db.sock",
		Bridge:  Bridge{Name: "br0", DatapathType: "system"},
		Uplinks: []Uplink{{Port: "eth1"}},
		Trunks:  []Trunk{{Port: "trunk0", VLANs: []uint16{0, 10}}},
		Local:   Local{Enabled: true},
		Inspection: Inspection{
			OnFailure:   "closed",
			Attachments: []Attachment{{Name: "builtin", Kind: "embedded", Legs: LegsUniform, Weight: 1, Supervise: SuperviseKeep, Memory: 1 << 30, Line: 3}},
			Probe:       Probe{Interval: 500 * time.Millisecond, Timeout: 250 * time.Millisecond, DownAfter: 3, UpAfter: 2, Slow: 100 * time.Millisecond, HoldDown: time.Minute},
			Offload:     Offload{Bypass: true, Block: time.Minute, Limit: 10000, OnReload: Keep},
		},
		Forwarding: Forwarding{MACAging: 300 * time.Second, MACLimit: 4096, MACLimitPerPort: 1024},
		Control:    "/run/ofcontroller/ofcontroller.ctl",
		Fleet:      Fleet{Directory: "/var/lib/ofcontroller/fleet"},
		Log:        Log{Level: "info", Format: "text"},
	}
}

var comparePrefix = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("gw.yaml", []byte(text))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return c
}

func readTestdata(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestDefaults(t *testing.T) {
	if diff := cmp.Diff(leastConfig(), mustParse(t, least), comparePrefix); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSample(t *testing.T) {
	want := leastConfig()
	want.Metrics = "127.0.0.1:9475"
	want.Trunks[0].VLANs = []uint16{0, 10, 30}
	for v := uint16(100); v <= 199; v++ {
		want.Trunks[0].VLANs = append(want.Trunks[0].VLANs, v)
	}
	want.Inspection.Attachments[0].Rules = []string{"/etc/ofcontroller/rules/local.rules"}
	want.Inspection.Attachments[0].Line = 25
	want.Inspection.Policy = []PolicyLine{
		{VLAN: 30, IP: netip.MustParsePrefix("192.0.2.0/24"), Proto: "tcp", Port: 3260, Action: "bypass"},
	}
	if diff := cmp.Diff(want, mustParse(t, readTestdata(t, "supported.yaml")), comparePrefix); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestValues tries single values that are right, one key at a time, over least.
func TestValues(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		got        func(*Config) any
		want       any
	}{
		{"VLANs in any order", replaceTrunks("[{port: t, vlans: [200, 5-7, 0]}]"), func(c *Config) any { return c.Trunks[0].VLANs }, []uint16{0, 5, 6, 7, 200}},
		{"range to the end", replaceTrunks("[{port: t, vlans: [4093-4094]}]"), func(c *Config) any { return c.Trunks[0].VLANs }, []uint16{4093, 4094}},
		{"native VLAN", replaceTrunks("[{port: t, vlans: [1, 2], native_vlan: 2}]"), func(c *Config) any { return c.Trunks[0].NativeVLAN }, uint16(2)},
		{"ranges out of order", replaceTrunks("[{port: t, vlans: [30-32, 10-12, 4094, 20, 0]}]"), func(c *Config) any { return c.Trunks[0].VLANs }, []uint16{0, 10, 11, 12, 20, 30, 31, 32, 4094}},
		{"one MAC in two VLANs", replaceTrunks(`[{port: t, vlans: [1], macs: ["52:54:00:00:00:01"]}, {port: u, vlans: [2], macs: ["52:54:00:00:00:01"]}]`), func(c *Config) any { return c.Trunks[1].MACs[0].String() }, "52:54:00:00:00:01"},
		{"MAC in capitals", replaceTrunks("[{port: t, vlans: [1], macs: [52:54:00:AB:CD:EF]}]"), func(c *Config) any { return c.Trunks[0].MACs[0].String() }, "52:54:00:ab:cd:ef"},
		{"host only", "uplinks: [{port: eth1}]\ninspection: {attachments: [{name: a, kind: embedded, rules: []}]}\n", func(c *Config) any { return len(c.Trunks) }, 0},
		{"name that looks like a number", strings.Replace(least, "eth1", `"17"`, 1), func(c *Config) any { return c.Uplinks[0].Port }, "17"},
		{"two legs", replaceAttachments("[{name: a, kind: port, port: ips0, return_port: ips1}]"), func(c *Config) any { return c.Inspection.Attachments[0].ReturnPort }, "ips1"},
		{"memory", replaceAttachments("[{name: a, kind: suricata, memory: 1536MiB}]"), func(c *Config) any { return c.Inspection.Attachments[0].Memory }, uint64(1536 << 20)},
		{"memory's default", replaceAttachments("[{name: a, kind: suricata}]"), func(c *Config) any { return c.Inspection.Attachments[0].Memory }, uint64(1 << 30)},
		{"EVE", replaceAttachments("[{name: a, kind: embedded, eve: /var/log/eve.json, threads: 8}]"), func(c *Config) any { return c.Inspection.Attachments[0].EVE }, "/var/log/eve.json"},
		{"number of a named protocol", policy("{proto: 132, port: 5, action: drop}"), func(c *Config) any { return c.Inspection.Policy[0].Proto }, "sctp"},
		{"number of another protocol", policy("{proto: 47, action: drop}"), func(c *Config) any { return c.Inspection.Policy[0].Proto }, "47"},
		{"address", policy("{ip: 192.0.2.1, action: drop}"), func(c *Config) any { return c.Inspection.Policy[0].IP.String() }, "192.0.2.1/32"},
		{"number of ICMP", policy("{proto: 1, action: drop}"), func(c *Config) any { return c.Inspection.Policy[0].Proto }, "icmp"},
		{"number of UDP", policy("{proto: 17, port: 53, action: drop}"), func(c *Config) any { return c.Inspection.Policy[0].Proto }, "udp"},
		{"IPv6 address", policy(`{ip: "2001:db8::1", action: drop}`), func(c *Config) any { return c.Inspection.Policy[0].IP.String() }, "2001:db8::1/128"},
		{"all of IPv4", policy("{ip: 0.0.0.0/0, action: drop}"), func(c *Config) any { return c.Inspection.Policy[0].IP.String() }, "0.0.0.0/0"},
		{"any VLAN", policy("{action: drop}"), func(c *Config) any { return c.Inspection.Policy[0].VLAN }, AnyVLAN},
		{"untagged", policy("{vlan: 0, action: drop}"), func(c *Config) any { return c.Inspection.Policy[0].VLAN }, 0},
		{"narrow before wide", policy("{vlan: 10, proto: tcp, port: 80, action: drop}, {vlan: 10, proto: tcp, action: inspect}, {vlan: 10, action: drop}, {action: inspect}"), func(c *Config) any { return len(c.Inspection.Policy) }, 4},
		{"longest aging", least + "forwarding: {mac_aging: 65535s}\n", func(c *Config) any { return c.Forwarding.MACAging }, 65535 * time.Second},
		{"duration of two units", least + "forwarding: {mac_aging: 1m30s}\n", func(c *Config) any { return c.Forwarding.MACAging }, 90 * time.Second},
		{"limit below the other's default", least + "forwarding: {mac_limit: 10}\n", func(c *Config) any { return c.Forwarding.MACLimitPerPort }, 1024},
		{"tcp", least + "ovsdb: tcp:192.0.2.1:6640\nopenflow: \"tcp:[::1]:6653\"\n", (*Config).openFlow, "tcp:[::1]:6653"},
		{"management socket", least + "ovsdb: unix:/tmp/x/db.sock\nbridge: {name: gw}\n", (*Config).openFlow, "unix:/tmp/x/gw.mgmt"},
		{"management socket elsewhere", least + "ovsdb: tcp:db:6640\nopenflow: unix:/tmp/y\n", (*Config).openFlow, "unix:/tmp/y"},
		{"TLS", least + "ovsdb: ssl:db:6640\nopenflow: tcp:br:6653\ntls: {certificate: /a, private_key: /b, ca: /c}\n", func(c *Config) any { return c.TLS }, TLS{"/a", "/b", "/c"}},
		{"byte order mark", "\ufeff" + least, func(c *Config) any { return c.Bridge.Name }, "br0"},
		{"carriage returns", strings.ReplaceAll(least, "\n", "\r\n"), func(c *Config) any { return c.Bridge.Name }, "br0"},
		{"document marks", "---\n" + least + "...\n", func(c *Config) any { return c.Bridge.Name }, "br0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.got(mustParse(t, tc.text))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func (c *Config) openFlow() any { return c.OpenFlowEndpoint() }

// The three below are least with one of its lines replaced.

func replaceTrunks(list string) string {
	return strings.Replace(least, "[{port: trunk0, vlans: [0, 10]}]", list, 1)
}

func replaceAttachments(list string) string {
	return strings.Replace(least, "[{name: builtin, kind: embedded}]", list, 1)
}

func policy(lines string) string {
	return strings.Replace(least, "{attachments", "{policy: ["+lines+"], attachments", 1)
}

// stable fails when the configuration, written as YAML and read again, is another one.
func stable(t *testing.T, c *Config) {
	t.Helper()
	text, err := c.YAML()
	if err != nil {
		t.Fatalf("YAML: %v", err)
	}
	again, err := Parse("again.yaml", text)
	if err != nil {
		t.Fatalf("what YAML wrote is at fault:\n%v\n%s", err, text)
	}
	ignoreLine := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Line" }, cmp.Ignore())
	if diff := cmp.Diff(c, again, comparePrefix, ignoreLine); diff != "" {
		t.Errorf("read again (-first +again):\n%s\n%s", diff, text)
	}
}

func TestYAMLIsStable(t *testing.T) {
	for name, text := range map[string]string{
		"least":    least,
		"sample":   readTestdata(t, "supported.yaml"),
		"odd name": strings.Replace(least, "eth1", `"true"`, 1),
		"policy":   policy("{vlan: 0, proto: 0, action: drop}, {ip: '::/0', proto: icmp, action: bypass}"),
		"ranges":   replaceTrunks(`[{port: "1-2", vlans: [0-4094]}, {port: "~", vlans: [1, 3, 5-6], macs: [52:54:00:00:00:01]}]`),
	} {
		t.Run(name, func(t *testing.T) { stable(t, mustParse(t, text)) })
	}
}

// The default of slow gives way to a short timeout, and the result is read again as it is.
func TestSlowGivesWay(t *testing.T) {
	for keys, want := range map[string]time.Duration{
		"{timeout: 101ms}": 100 * time.Millisecond, "{timeout: 100ms}": 0, "{timeout: 50ms, slow: 40ms}": 40 * time.Millisecond, "{slow: 0s}": 0,
	} {
		c := mustParse(t, probe(keys))
		if got := c.Inspection.Probe.Slow; got != want {
			t.Errorf("%s: slow is %v, want %v", keys, got, want)
		}
		text, err := c.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if got := mustParse(t, string(text)).Inspection.Probe.Slow; got != want {
			t.Errorf("%s: read again slow is %v, want %v", keys, got, want)
		}
	}
}
