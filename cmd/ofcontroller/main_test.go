// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write makes a file in a directory of the test's own.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCommandLine holds exit code and output of each way that a command line
// can end.
func TestCommandLine(t *testing.T) {
	rules := write(t, "bad.rules", "alert tcp any any -> any any (msg:\"x\"; nosuch:1; sid:5;)\n")
	base := "uplinks: [{port: eth1}]\ntrunks: [{port: t0, vlans: [7]}]\n"
	good := write(t, "good.yaml", base+"inspection: {attachments: [{name: a, kind: port, port: ips0}]}\ncontrol: /nonexistent/x.ctl\n")
	faulty := write(t, "faulty.yaml", base+"inspection: {attachments: [{name: a, kind: port}]}\nlogs: {}\n")
	badSuricata := write(t, "suricata.yaml", base+"inspection: {attachments: [{name: a, kind: suricata, rules: ["+rules+"]}]}\n")
	badRules := write(t, "rules.yaml", base+"inspection: {attachments: [{name: a, kind: embedded, rules: ["+rules+"]}]}\n")
	for _, c := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr []string // parts that must be there; none: nothing may be there
	}{
		{"check, right", []string{"check", "-c", good}, 0, nil, nil},
		{"check, faults", []string{"check", "-c", faulty}, 1, []string{
			faulty + ":3: inspection.attachments[0].port: is missing, the port behind which the attachment stands\n",
			faulty + ":4: logs: unknown key, did you mean log?\n",
		}, nil},
		{"check, rules", []string{"check", "-c", badRules}, 1, []string{rules + ":1: sid 5: ", "nosuch"}, nil},
		{"check, Suricata's rules", []string{"check", "-c", badSuricata}, 1, []string{rules + ":1: ", "nosuch"}, nil},
		{"check, flag over the file", []string{"check", "-c", good, "--log.level", "loud"}, 1, []string{"flag --log.level:0: log.level: "}, nil},
		{"no file", []string{"check", "-c", "/nonexistent/config.yaml"}, 1, nil, []string{"ofcontroller: read configuration: open /nonexistent/config.yaml"}},
		{"flows", []string{"flows", "-c", good}, 0, []string{"# port 1: eth1\n# port 2: t0\n# port 3: ips0\n", "in_port=2,dl_vlan=7 actions="}, nil},
		{"flows, JSON", []string{"flows", "-c", good, "-o", "json"}, 0, []string{`"table": "classify"`}, nil},
		{"flows, faulty", []string{"flows", "-c", faulty}, 1, nil, []string{faulty + ":4: logs: "}},
		{"run, faulty", []string{"run", "-c", faulty}, 1, nil, []string{faulty + ":4: logs: "}},
		{"status, nobody there", []string{"status", "-c", good}, 1, nil, []string{"no ofcontroller answers on /nonexistent/x.ctl"}},
		{"alerts, nobody there", []string{"alerts", "-f", "-c", good}, 1, nil, []string{"no ofcontroller answers on /nonexistent/x.ctl"}},
		{"events, number", []string{"events", "-n", "-1"}, 2, nil, []string{"-n"}},
		{"events, format", []string{"events", "-o", "xml"}, 2, nil, []string{"--output xml: table, json or yaml would be right"}},
		{"offloads, nobody there", []string{"offloads", "-c", good}, 1, nil, []string{"no ofcontroller answers on /nonexistent/x.ctl"}},
		{"offloads rm, nobody there", []string{"offloads", "rm", "--all", "-c", good}, 1, nil, []string{"no ofcontroller answers on /nonexistent/x.ctl"}},
		{"offloads rm, one end", []string{"offloads", "rm", "192.0.2.1:80", "-c", good}, 2, nil, []string{"offloads rm wants --all, or two ends ADDR:PORT"}},
		{"offloads rm, all and ends", []string{"offloads", "rm", "--all", "192.0.2.1:80", "-c", good}, 2, nil, []string{`--all takes no argument`}},
		{"drain, nobody there", []string{"drain", "a", "-c", good}, 1, nil, []string{"no ofcontroller answers on /nonexistent/x.ctl"}},
		{"drain, two", []string{"drain", "a", "b", "-c", good}, 2, nil, []string{"drain: one attachment would be right"}},
		{"drain, undo what", []string{"drain", "--undo", "-c", good}, 2, nil, []string{"--undo and --force want an attachment"}},
		{"drain, undo by force", []string{"drain", "a", "--undo", "--force", "-c", good}, 2, nil, []string{"either --undo or --force would be right"}},
		{"version", []string{"version"}, 0, []string{"ofcontroller " + version}, nil},
		{"version, JSON", []string{"version", "-o", "json"}, 0, []string{`"version": "` + version + `"`}, nil},
		{"format", []string{"version", "-o", "xml"}, 2, nil, []string{"--output xml: table, json or yaml would be right", "--help"}},
		{"argument", []string{"check", "extra"}, 2, nil, []string{`takes no argument "extra"`}},
		{"flag", []string{"check", "--nosuch"}, 2, nil, []string{"unknown flag: --nosuch"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := run(c.args, &stdout, &stderr); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			contains(t, "standard output", stdout.String(), c.stdout)
			contains(t, "standard error", stderr.String(), c.stderr)
		})
	}
}

func contains(t *testing.T, what, got string, parts []string) {
	t.Helper()
	if len(parts) == 0 && got != "" {
		t.Errorf("%s: %q, want nothing", what, got)
	}
	for _, p := range parts {
		if !strings.Contains(got, p) {
			t.Errorf("%s: %q, want %q in it", what, got, p)
		}
	}
}

// TestCheckWithoutSuricata says that rules were not tested, which is no fault of
// theirs.
func TestCheckWithoutSuricata(t *testing.T) {
	rules := write(t, "some.rules", "")
	file := write(t, "s.yaml", "uplinks: [{port: eth1}]\ninspection: {attachments: [{name: a, kind: suricata, rules: ["+rules+"]}]}\n")
	t.Setenv("PATH", t.TempDir())
	var stdout, stderr bytes.Buffer
	if code := run([]string{"check", "-c", file}, &stdout, &stderr); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	contains(t, "standard output", stdout.String(), nil)
	contains(t, "standard error", stderr.String(), []string{"attachment a: its rules are not tested: suricata is not installed"})
}
