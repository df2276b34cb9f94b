// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAttachmentsRefused asks for attachments that can't be had: the reload says
// what, where and what would be right, and touches neither flows nor engines.
func TestAttachmentsRefused(t *testing.T) {
	t.Parallel()
	const standin, own = "{name: a, kind: port, port: ips0}", "{name: own, kind: embedded, rules: [RULES]}"
	r := newRosterBed(t, standin, own)
	bad := filepath.Join(r.env.Dir(), "bad.rules")
	writeFile(t, bad, "# a comment\ndrop tcp any any -> any any (msg:\"x\"; nosuchkeyword:1; sid:2;)\n")
	if _, err := r.env.AddLink("ofc-taken"); err != nil {
		t.Fatal(err)
	}
	r.env.VsctlT(t, "--", "add-br", "br1", "--", "set", "bridge", "br1", "datapath_type=netdev",
		"--", "add-port", "br1", "theirs", "--", "set", "interface", "theirs", "type=internal")
	before, began, states := r.dumpAges(), time.Now(), r.attachmentStates()
	for _, c := range []struct {
		name        string
		attachments []string
		want        []string // in the log's line
	}{
		{"rules of an embedded engine", []string{own, "{name: new, kind: embedded, rules: [" + bad + "]}"}, []string{"attachment new", bad + ":2", "nosuchkeyword"}},
		{"rules of a Suricata", []string{own, "{name: s0, kind: suricata, rules: [" + bad + "]}"}, []string{"attachment s0", bad + ":2", "nosuchkeyword"}},
		{"rules of one that goes on", []string{"{name: b, kind: port, port: ips1}", "{name: own, kind: embedded, rules: [" + bad + "]}"}, []string{"attachment own", bad + ":2"}},
		{"an include file that is not there", []string{own, "{name: s0, kind: suricata, include: /nonexistent/more.yaml}"}, []string{"attachment s0", "/nonexistent/more.yaml"}},
		{"another link in an engine's place", []string{own, "{name: taken, kind: embedded}"}, []string{"attachment taken", "ofc-taken", "another name"}},
		{"a port of another bridge", []string{own, "{name: b, kind: port, port: theirs}"}, []string{"theirs", "br1", "a port of bridge br0"}},
		{"a port that an engine makes", []string{own, "{name: b, kind: port, port: ofc-own}"}, []string{"attachment own", "ofc-own", "another name"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := r.ctl.Rewrite(r.text(c.attachments)); err != nil {
				t.Fatal(err)
			}
			const line = "not reloaded: the old configuration runs on"
			n := strings.Count(r.ctl.Logs(), line)
			if err := r.ctl.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			var told string
			eventually(t, suricataStart, "the refusal is in the log", func() bool {
				parts := strings.Split(r.ctl.Logs(), line)
				told = parts[len(parts)-1]
				return len(parts) > n+1
			})
			for _, w := range c.want {
				if !strings.Contains(told, w) {
					t.Errorf("without %q: %s", w, told)
				}
			}
		})
	}
	r.expectUntouched(t, before, began)
	if _, err := os.Stat(filepath.Join(r.env.Dir(), "s0")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refused Suricata has left its run directory: %v", err)
	}
	if now := r.attachmentStates(); !slices.Equal(now, states) {
		t.Errorf("attachments %v, were %v", now, states)
	}
	if text, err := r.ctl.CLI("status", "-o", "json"); err != nil || strings.Contains(text, `"leaving"`) {
		t.Errorf("%v %s", err, text)
	}
}
