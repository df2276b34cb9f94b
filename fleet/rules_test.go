// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ofcontroller/config"
)

// TestPacked: any text comes back, whatever the size of the pieces in which it is read.
func TestPacked(t *testing.T) {
	t.Parallel()
	r := rand.NewChaCha8([32]byte{1})
	large := make([]byte, 3*maxChunk) // does not compress
	_, _ = r.Read(large)
	for _, text := range [][]byte{nil, []byte("alert ip any any -> any any (sid:1;)\n"), []byte("\xff\x00\r\n"), large} {
		pieces, err := packed(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pieces {
			if len(p) == 0 || len(p) > maxChunk {
				t.Errorf("%d bytes in a piece", len(p))
			}
		}
		var got bytes.Buffer
		if err := unpack(strings.NewReader(strings.Join(pieces, "")), newRuleSet(text).Digest, maxRuleSet, &got); err != nil || !bytes.Equal(got.Bytes(), text) {
			t.Errorf("%d bytes: %v", len(text), err)
		}
	}
}

// TestUnpackHostile: rows that hold something else are told as such, and cost no more than a rule set may.
func TestUnpackHostile(t *testing.T) {
	t.Parallel()
	text := []byte("alert ip any any -> any any (sid:1;)\n")
	pieces, err := packed(text)
	if err != nil {
		t.Fatal(err)
	}
	right := newRuleSet(text).Digest
	var bomb bytes.Buffer
	in64 := base64.NewEncoder(base64.StdEncoding, &bomb)
	zip := gzip.NewWriter(in64)
	const most = 64 << 10
	_, _ = zip.Write(make([]byte, 8*most))
	_, _ = zip.Close(), in64.Close()
	for name, rows := range map[string]string{
		"nothing":       "",
		"no base64":     "%%%%",
		"no gzip":       "AAAA",
		"half":          pieces[0][:len(pieces[0])/2],
		"another text":  mustPack(t, []byte("x")),
		"a large one":   bomb.String(),
		"wrong in gzip": pieces[0][:20] + "AAAAAAAA" + pieces[0][28:],
	} {
		var got counter
		if err := unpack(strings.NewReader(rows), right, most, &got); !errors.Is(err, errRuleSet) || got > most+1 {
			t.Errorf("%s: %v, %d bytes", name, err, got)
		}
	}
	full := errors.New("the disk is full")
	if err := unpack(strings.NewReader(pieces[0]), right, most, failing{full}); !errors.Is(err, full) {
		t.Errorf("a full disk: %v", err)
	}
}

func mustPack(t *testing.T, text []byte) string {
	t.Helper()
	pieces, err := packed(text)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(pieces, "")
}

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// ruled is a fleet in which host1 takes two rule sets, and host2 one.
func ruled(base, web string) string {
	return fmt.Sprintf("rule_sets: {base: {text: %q}, web: {text: %q}, spare: {text: spare}}\n", base, web) + `
profiles:
  base: {inspection: {attachments: [{name: ips, kind: embedded, rules: ["fleet:base"]}]}}
  web: {inspection: {attachments: [{name: ips, kind: suricata, rules: [/etc/own.rules, "fleet:web", "fleet:base"]}]}}
hosts:
  host1: {profiles: [base, web], config: {uplinks: [{port: eth1}]}}
  host2: {profiles: [base], config: {uplinks: [{port: eth2}]}}
`
}

// onDisk are the rule sets that a host has, by name, with their texts, and other files there.
func onDisk(t *testing.T, f *Follower) map[string]string {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(f.o.Disk.Directory, ruleDirectory))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range files {
		text, err := os.ReadFile(filepath.Join(f.o.Disk.Directory, ruleDirectory, e.Name()))
		if err != nil {
			continue // gone meanwhile
		}
		name := e.Name()
		if i := strings.LastIndex(name, "-"); i > 0 {
			name = name[:i]
		}
		out[name+":"+string(text)] = e.Name()
	}
	return out
}

func holdsJust(t *testing.T, f *Follower, want ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("the disk holds just %q", want), func() bool {
		return slices.Equal(names(onDisk(t, f), nil), want)
	})
}

// TestRuleSets: a host fetches the rule sets that it needs, by their content, and no other; it hands a configuration on when
// they are there. What is not needed any more goes, in the database and on disk.
func TestRuleSets(t *testing.T) {
	t.Parallel()
	s := servers(t, 1)[0]
	o := operator(t, s)
	f1, f2 := follower(t, "host1", s), follower(t, "host2", s)
	took := func(cfg int) {
		t.Helper()
		for _, f := range []*Follower{f1, f2} {
			c := waitFor(t, f, cfg)
			if err := f.o.Disk.Good(c); err != nil {
				t.Fatal(err)
			}
			f.Taken(c, nil, SourceFleet)
		}
	}
	garbage := f1.o.Disk.ruleFile("old", strings.Repeat("0", 64))
	own := filepath.Join(filepath.Dir(garbage), "own.txt")
	if err := os.MkdirAll(filepath.Dir(garbage), 0o750); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{garbage, garbage + ".4711", own} {
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	took(apply(t, o, ruled("b1", "w1"), false))
	holdsJust(t, f1, "base:b1", "own.txt:x", "web:w1")
	holdsJust(t, f2, "base:b1")

	// The configuration names the files.
	c, _ := f1.Asked()
	cfg, _, err := config.LoadOver("file", []byte("fleet: {name: host1, endpoints: [\"tcp:192.0.2.1:6640\"]}\n"), nil, c.Layers)
	if err != nil {
		t.Fatal(err)
	}
	if err := f1.o.Disk.Resolve(cfg, c); err != nil {
		t.Fatal(err)
	}
	if got, want := cfg.Inspection.Attachments[0].Rules, []string{"/etc/own.rules", f1.o.Disk.ruleFile("web", newRuleSet([]byte("w1")).Digest), f1.o.Disk.ruleFile("base", newRuleSet([]byte("b1")).Digest)}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if err := (Disk{t.TempDir()}).Resolve(cfg, c); err != nil { // there are no names left
		t.Error(err)
	}
	cfg.Inspection.Attachments[0].Rules = []string{"fleet:spare"}
	if err := f1.o.Disk.Resolve(cfg, c); err == nil || !strings.Contains(err.Error(), "no such rule set, it gives [base, web]") {
		t.Errorf("a set that the host does not get: %v", err)
	}

	// One set changes: who does not need it hears nothing, and the plan tells it.
	p := plan(t, o, ruled("b1", "w2"), false)
	if diff := cmp.Diff(fmt.Sprintf("rule set web: changed\n  ~ sha256: %s -> %s\nhosts with another configuration: 1 (host1)\n",
		newRuleSet([]byte("w1")).Digest, newRuleSet([]byte("w2")).Digest), p.String()); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	second, err := o.Apply(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	c = waitFor(t, f1, second)
	holdsJust(t, f1, "base:b1", "own.txt:x", "web:w1", "web:w2") // the old one is in force yet
	if err := f1.o.Disk.Good(c); err != nil {
		t.Fatal(err)
	}
	f1.Taken(c, nil, SourceFleet)
	holdsJust(t, f1, "base:b1", "own.txt:x", "web:w2")
	if c, _ := f2.Asked(); c.Cfg == second {
		t.Error("host2 was asked for another configuration")
	}
	if got := run(t, "ovsdb-client", "--timeout=20", "-f", "csv", "dump", s.endpoint(), "IPS_Gateway", "Rule_Chunk", "digest"); strings.Count(got, "\n") != 1+3 || strings.Contains(got, newRuleSet([]byte("w1")).Digest) {
		t.Errorf("content in the database:\n%s", got)
	}

	// Export gives them back, and a set that is needed can't be taken away.
	d, err := o.Document(t.Context())
	if err == nil {
		err = o.Texts(t.Context(), d)
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := d.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if p := plan(t, o, string(text), true); !p.Empty() {
		t.Errorf("an export would change\n%s", p)
	}
	_, without, _ := strings.Cut(ruled("", ""), "\n")
	if _, err := o.Plan(t.Context(), files(t, without), true); err == nil || err.Error() != "host host1: there is no rule set web, which inspection.attachments[0].rules names" {
		t.Errorf("a set that is named is removed: %v", err)
	}
	took(apply(t, o, strings.NewReplacer(", rules: [\"fleet:base\"]", "", "\"fleet:web\", \"fleet:base\"", "").Replace(without), true))
	holdsJust(t, f1, "own.txt:x")
	holdsJust(t, f2)
	for _, table := range []string{"Rule_Set", "Rule_Chunk"} {
		if got := run(t, "ovsdb-client", "--timeout=20", "-f", "csv", "dump", s.endpoint(), "IPS_Gateway", table, "digest"); got != table+" table\ndigest" {
			t.Errorf("left in %s:\n%s", table, got)
		}
	}
}

// TestRuleSetsDamaged: content that is not what its digest says is refused, and told, and the gateway runs on; applying the
// same file again puts it right. What is damaged on disk is fetched anew.
func TestRuleSetsDamaged(t *testing.T) {
	t.Parallel()
	s := servers(t, 1)[0]
	o := operator(t, s)
	f := follower(t, "host2", s)
	first := waitFor(t, f, apply(t, o, ruled("b1", "w1"), false))
	f.Taken(first, nil, SourceFleet)

	second := plan(t, o, ruled("b2", "w1"), false)
	if err := f.o.Disk.Good(first); err != nil {
		t.Fatal(err)
	}
	// While the host does not look, the rows are changed.
	s.stop(syscall.SIGTERM)
	s.start()
	o = operator(t, s)
	digest := newRuleSet([]byte("b2")).Digest
	if _, err := o.upload(t.Context(), newRuleSet([]byte("b2"))); err != nil {
		t.Fatal(err)
	}
	run(t, "ovsdb-client", "--timeout=20", "transact", s.endpoint(), `["IPS_Gateway",{"op":"update","table":"Rule_Chunk","where":[["digest","==","`+digest+`"]],"row":{"text":"`+mustPack(t, []byte("evil"))+`"}}]`)
	second.lacking = nil // as if it were there
	cfg, err := o.Apply(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	refused := func() HostLine {
		t.Helper()
		var line HostLine
		eventually(t, "the host refuses it", func() bool {
			hosts, err := o.Status(t.Context(), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			line = hosts[slices.IndexFunc(hosts, func(l HostLine) bool { return l.Name == "host2" })]
			return line.State == "refused"
		})
		return line
	}
	if line := refused(); !strings.Contains(line.Reason, "rule set base: what the fleet's database holds of it is not its content") || line.Asked != cfg || line.Reached != first.Cfg {
		t.Errorf("%+v", line)
	}
	f.Taken(first, nil, SourceFleet) // a reload of the gateway's own file hides nothing
	if got := f.State(); got.State != StateRefused || got.Reached != first.Cfg {
		t.Errorf("%+v", got)
	}
	holdsJust(t, f, "base:b1")

	p := plan(t, o, ruled("b2", "w1"), false)
	if diff := cmp.Diff("rule set base: repaired\nhosts with another configuration: 0\n", p.String()); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if _, err := o.Apply(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	wake(f.sets) // lest the test waits for the next attempt
	c := waitFor(t, f, cfg)
	holdsJust(t, f, "base:b1", "base:b2")

	// On disk.
	if err := f.o.Disk.Good(c); err != nil {
		t.Fatal(err)
	}
	path := f.o.Disk.ruleFile("base", digest)
	if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if kept, err := f.o.Disk.Kept("host2"); len(kept) != 0 || err == nil || !strings.Contains(err.Error(), path+": its content is not what was written") {
		t.Errorf("%v, %v", kept, err)
	}
	waitFor(t, f, apply(t, o, strings.Replace(ruled("b2", "w1"), "eth2", "eth3", 1), false))
	if kept, err := f.o.Disk.Kept("host2"); len(kept) != 1 || err != nil {
		t.Errorf("%v, %v", kept, err)
	}
}

// TestRuleSetsAtOnce: of two operators who write the same set one is told to try again, or both have; the content is whole.
func TestRuleSetsAtOnce(t *testing.T) {
	t.Parallel()
	s := servers(t, 1)[0]
	f := follower(t, "host2", s)
	r := rand.NewChaCha8([32]byte{2})
	large := make([]byte, 900<<10) // more than goes into one transaction
	_, _ = r.Read(large)
	set := newRuleSet(large)
	d := files(t, ruled("b1", "w1"))
	d.RuleSets["base"] = set
	results := make(chan error)
	for range 3 {
		go func() {
			_, err := applyOnce(t, s, d)
			results <- err
		}()
	}
	done := 0
	for range 3 {
		if err := <-results; err == nil {
			done++
		}
	}
	if done == 0 {
		if _, err := applyOnce(t, s, d); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, f, 1)
	eventually(t, "it is on disk", func() bool { return f.o.Disk.holds("base", set.Digest) == nil })
}
