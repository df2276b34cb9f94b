// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ofcontroller/testenv/frame"
)

// TestRulesWatched changes a rule file in each way that editors, tools and
// mounts do, and breaks it: the last good rules are in force, without a signal.
func TestRulesWatched(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"embedded", "suricata"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b, rulesFile, _ := engineBed(t, "", "closed", "kind: "+kind)
			t.Cleanup(func() {
				if kind == "suricata" {
					b.suricataPID()
					b.endSuricata()
				}
			})
			b.waitState(t, "up")
			if kind == "suricata" {
				eventually(t, suricataStart, "Suricata answers", func() bool { return b.suricataPID() != 0 })
			}
			rule := func(port int) string {
				return fmt.Sprintf("drop udp any any -> any %d (msg:\"w\"; sid:%d;)\n", port, port)
			}
			b.changedRules(t, 1001, func() { writeFile(t, rulesFile, rule(1001)) })
			b.changedRules(t, 1002, func() {
				writeFile(t, rulesFile+".new", rule(1002))
				if err := os.Rename(rulesFile+".new", rulesFile); err != nil {
					t.Fatal(err)
				}
			})
			b.changedRules(t, 1003, func() { behindLinks(t, rulesFile, "one", rule(1003)) })
			b.changedRules(t, 1004, func() { behindLinks(t, rulesFile, "two", rule(1004)) })

			writeFile(t, rulesFile, "drop udp any any -> any 9 (msg:\"w\"; nosuchoption:1; sid:9;)\n")
			eventually(t, settle, "the problem is told", func() bool {
				return strings.Contains(fmt.Sprint(b.ctl.Status()["problems"]), "nosuchoption")
			})
			if b.passes(1004) || !b.passes(9) {
				t.Error("the old rules are not in force")
			}
			b.changedRules(t, 1005, func() { writeFile(t, rulesFile, rule(1005)) })
			eventually(t, settle, "the problem is gone", func() bool {
				return !strings.Contains(fmt.Sprint(b.ctl.Status()["problems"]), "rules")
			})
		})
	}
}

// behindLinks puts the rules behind two symbolic links, as mounted configuration
// maps have them: of the file, and of the directory, which is exchanged.
func behindLinks(t *testing.T, file, dir, rules string) {
	t.Helper()
	base := filepath.Dir(file)
	if err := os.Mkdir(filepath.Join(base, dir), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(base, dir, "r"), rules)
	for _, l := range []struct{ to, name string }{{dir, filepath.Join(base, "data")}, {"data/r", file}} {
		if err := os.Symlink(l.to, l.name+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(l.name+".new", l.name); err != nil {
			t.Fatal(err)
		}
	}
}

// changedRules changes the rules and waits until they drop datagrams to the
// port.
func (b *bed) changedRules(t *testing.T, port uint16, change func()) {
	t.Helper()
	b.t = t
	if !b.passes(port) {
		t.Fatalf("port %d is dropped before the rules say so", port)
	}
	change()
	eventually(t, settle, fmt.Sprintf("port %d is dropped", port), func() bool { return !b.passes(port) })
}

// passes tells whether a datagram to the port gets from the uplink to the guest.
func (b *bed) passes(port uint16) bool {
	b.lastPort++
	f := frame.UDP(frame.Addrs{
		SrcMAC: peer, DstMAC: guest0, Src: outside, Dst: inside, SrcPort: 10000 + b.lastPort, DstPort: port,
	}, []byte("x"))
	b.drain()
	b.send(up, f)
	return len(b.collect()[t0]) == 1
}

// TestConfigurationWatched changes the configuration file: what is right is
// applied and what is wrong is refused, without a signal.
func TestConfigurationWatched(t *testing.T) {
	t.Parallel()
	b := newBareBed(t, 1)
	b.ctl = b.env.Controller(t, b.yaml(wayConfig), "--watch")
	b.ready(t)
	in := frame.VLAN(udp(peer, guest0, 10), 99)
	look := func() bool { b.drain(); b.send(up, in); return len(b.collect()[t0]) == 1 }
	if look() {
		t.Fatal("VLAN 99 is carried")
	}
	if err := b.ctl.Rewrite(b.yaml(wayConfig + "nosuchkey: 1\n")); err != nil {
		t.Fatal(err)
	}
	eventually(t, settle, "it is refused", func() bool { return strings.Contains(b.ctl.Logs(), "nosuchkey") })
	if err := b.ctl.Rewrite(b.yaml(strings.Replace(wayConfig, "40]", "40, 99]", 1))); err != nil {
		t.Fatal(err)
	}
	eventually(t, settle, "VLAN 99 is carried", look)
}
