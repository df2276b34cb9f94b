// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"ofcontroller/config"
	"ofcontroller/fleet/lease"
	"ofcontroller/fleet/schema"
)

// version is the one of a schema.
func version(t *testing.T, text []byte) string {
	t.Helper()
	return parsedSchema(t, text).Version
}

func parsedSchema(t *testing.T, text []byte) (s ovsdb.DatabaseSchema) {
	t.Helper()
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// convert gives the database another schema, under all who are connected.
func convert(t *testing.T, s *server, text []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "schema")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "ovsdb-client", "--timeout=20", "convert", s.endpoint(), file)
	if got, want := run(t, "ovsdb-client", "--timeout=20", "get-schema-version", s.endpoint(), "IPS_Gateway"), version(t, text); got != want {
		t.Fatalf("version %s, want %s", got, want)
	}
}

// applied waits until the database says that a host runs a configuration.
func applied(t *testing.T, s *server, host string, cfg int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s runs %d", host, cfg), func() bool {
		return strings.Contains(run(t, "ovsdb-client", "--timeout=20", "-f", "csv", "dump", s.endpoint(), "IPS_Gateway", "Host_Status", "cur_cfg", "name", "state"),
			fmt.Sprintf("%d,%s,applied", cfg, host))
	})
}

// olderSchemas are those of earlier versions.
func olderSchemas(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/ips-gateway-*.ovsschema")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	all := map[string][]byte{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[version(t, text)] = text
	}
	return all
}

// TestUpgrade: hosts of this version on a server whose schema is an older one, beside hosts of that version, and then under
// all of them the schema is converted. All take what is asked and tell their state before and afterwards, and what was
// acknowledged while it was converted is there.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	for name, old := range olderSchemas(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serversWith(t, 1, old)[0]
			o := operator(t, s)
			oldHost, newHost := followerOf(t, "host1", known().in(parsedSchema(t, old)), s), follower(t, "host2", s)
			both := func(cfg int) {
				t.Helper()
				for name, f := range map[string]*Follower{"host1": oldHost, "host2": newHost} {
					f.Taken(waitFor(t, f, cfg), nil, SourceFleet)
					applied(t, s, name, cfg)
				}
			}
			both(apply(t, o, two, false))
			knowsRules := parsedSchema(t, old).Table(schema.RuleChunkTable) != nil
			if _, err := applyOnce(t, s, files(t, "rule_sets: {web: {text: x}}\n"+two)); !knowsRules && (err == nil || !strings.Contains(err.Error(), "no table Rule_Chunk; convert it")) {
				t.Errorf("rules for which the schema has no table: %v", err)
			}
			if name == "1.0.0" {
				text := strings.Replace(two, "on_failure: open", "offload: {share: true}", 1)
				p := plan(t, o, text, false)
				if _, err := o.Apply(t.Context(), p); err == nil || !strings.Contains(err.Error(), "no column inspection_offload_share; convert it") {
					t.Errorf("a key that the schema lacks: %v", err)
				}
				newHost.Share(true) // and gets nothing, and waits
			}

			// Operators work on meanwhile.
			texts := []Document{files(t, strings.Replace(two, "open", "closed", 1)), files(t, two)}
			stop, done := make(chan struct{}), make(chan int)
			go func() { done <- applyUntil(t, stop, s, texts) }()
			convert(t, s, schema.Text)
			close(stop)
			last := <-done
			o = operator(t, s)
			r, err := o.rows(t.Context())
			if err != nil || r.fleet.NextCfg < last {
				t.Errorf("%d was acknowledged, the database has %d: %v", last, r.fleet.NextCfg, err)
			}
			both(apply(t, o, strings.Replace(two, "ips0", "ips1", 1), false))
			if err := o.Init(t.Context(), nil); err != nil { // rights on what is new
				t.Fatal(err)
			}
			for _, f := range []*Follower{oldHost, newHost} {
				f.Share(true)
			}
			newHost.Raise(Block{Connection: connection(1), For: time.Minute})
			eventually(t, "the block is in the database", func() bool {
				list, err := o.Blocks(t.Context(), time.Now())
				return err == nil && len(list) == 1
			})
			cfg := apply(t, o, "rule_sets: {web: {text: x}}\n"+strings.Replace(two, "kind: port, port: ips0", "kind: embedded, rules: [fleet:web]", 1), false)
			if c := waitFor(t, newHost, cfg); len(c.RuleSets) != 1 {
				t.Errorf("%+v", c)
			}
			if knowsRules {
				waitFor(t, oldHost, cfg)
				return
			}
			eventually(t, "the old host refuses what it does not know", func() bool { return strings.Contains(oldHost.State().Error, "too old") })
			if parsedSchema(t, old).Table(schema.BlockTable) != nil {
				eventually(t, "the old host has the block", has(oldHost, connection(1)))
			}
		})
	}
}

// applyUntil applies one document after the other, as an operator who connects anew when a connection is lost, and returns
// the last configuration that was acknowledged.
func applyUntil(t *testing.T, stop <-chan struct{}, s *server, documents []Document) (last int) {
	var o *Operator
	for i := 0; ; i++ {
		select {
		case <-stop:
			if o != nil {
				o.Close()
			}
			return last
		default:
		}
		var err error
		if o == nil {
			o, err = Open(t.Context(), Server{Endpoints: []string{s.endpoint()}, Log: silent()})
		}
		if err == nil {
			var p Plan
			if p, err = o.Plan(t.Context(), documents[i%len(documents)], false); err == nil && !p.Empty() {
				var cfg int
				if cfg, err = o.Apply(t.Context(), p); err == nil {
					last = cfg
				}
			}
		}
		if err != nil {
			if o != nil {
				o.Close()
				o = nil
			}
			// Not at once: the library has a data race when a server hangs up on a connection that was made a moment ago.
			select {
			case <-stop:
			case <-time.After(300 * time.Millisecond):
			}
		}
	}
}

// applyOnce connects, applies a document and goes.
func applyOnce(t *testing.T, s *server, d Document) (int, error) {
	o, err := Open(t.Context(), Server{Endpoints: []string{s.endpoint()}, Log: silent()})
	if err != nil {
		return 0, err
	}
	defer o.Close()
	p, err := o.Plan(t.Context(), d, false)
	if err != nil {
		return 0, err
	}
	if p.Empty() {
		return 0, errors.New("nothing would change")
	}
	return o.Apply(t.Context(), p)
}

// TestNewerSchema: when the schema is converted to one that has more, under the hosts that follow, they go on: they take
// what is asked for and tell their state. A key of theirs that they do not know they do not ignore.
func TestNewerSchema(t *testing.T) {
	t.Parallel()
	s := servers(t, 1)[0]
	o := operator(t, s)
	f := follower(t, "host1", s)
	waitFor(t, f, apply(t, o, two, false))

	newer := strings.Replace(string(schema.Text), `"version": "`+version(t, schema.Text)+`"`, `"version": "1.99.0"`, 1)
	newer = strings.Replace(newer, `"empty_lists": {`, `"inspection_new_key": {"type": {"key": "string", "min": 0, "max": 1}}, "empty_lists": {`, 1)
	newer = strings.Replace(newer, `"cur_cfg": {`, `"news": {"type": "string"}, "cur_cfg": {`, 1)
	newer = strings.Replace(newer, `"tables": {`, `"tables": {"News": {"columns": {"who": {"type": "string"}}, "isRoot": true},`, 1)
	convert(t, s, []byte(newer))
	again := operator(t, s)
	cfg := apply(t, again, strings.Replace(two, "open", "closed", 1), false)
	f.Taken(waitFor(t, f, cfg), nil, SourceFleet)
	applied(t, s, "host1", cfg)
	// As a newer program would write it: the digest is of a text with the key.
	run(t, "ovsdb-client", "--timeout=20", "transact", s.endpoint(), `["IPS_Gateway",
		{"op":"update","table":"Layer","where":[["name","==","host host1"]],"row":{"inspection_new_key":"x"}},
		{"op":"update","table":"Host","where":[["name","==","host1"]],"row":{"digest":"of a text with the key","next_cfg":9}}]`)
	eventually(t, "the host refuses", func() bool { return strings.Contains(f.State().Error, "too old") })
	if c, _ := f.Asked(); c.Cfg != cfg {
		t.Errorf("the host was asked for %d", c.Cfg)
	}
}

// TestUpgradeLeases: hosts of before and of now write one lease, with a schema that knows no relays and after it is converted:
// nobody misses what the other one does not know, and also not the right to write it.
func TestUpgradeLeases(t *testing.T) {
	t.Parallel()
	old, err := os.ReadFile("testdata/ips-gateway-1.2.0.ovsschema")
	if err != nil {
		t.Fatal(err)
	}
	s := serversWith(t, 1, old)[0]
	o := operator(t, s)
	before, now := followerOf(t, "a", known().in(parsedSchema(t, old)), s), follower(t, "b", s)
	apply(t, o, "hosts: {a: {config: {failover: [{name: g, vlans: [10], hosts: [a, b], lease: 1s}]}}, b: {config: {failover: [{name: g, vlans: [10], hosts: [a, b], lease: 1s}]}}}", false)
	g := config.FailoverGroup{Name: "g", VLANs: []uint16{10}, Hosts: []string{"a", "b"}, Lease: time.Second}
	row := lease.Row{}
	write := func(f *Follower, host string, step lease.Step) {
		t.Helper()
		step.Epoch, step.Ready = row.Epoch, row.Ready
		eventually(t, fmt.Sprintf("the lease is seen by %s: %+v", host, row), func() bool { return f.Leases()["g"].Row == row })
		eventually(t, "a server answers", func() bool {
			if step.Kind == lease.Ask && f == now {
				_ = f.WriteRelay(t.Context(), g, "tcp:"+host, patience)
			}
			err := f.WriteLease(t.Context(), g, step, patience)
			if err != nil && !errors.Is(err, errNoServer) {
				t.Fatal(host, step, err)
			}
			return err == nil
		})
		row, _ = step.Apply(row, host, other(g, host))
	}
	round := func() {
		t.Helper()
		write(before, "a", lease.Step{Kind: lease.Claim})
		write(now, "b", lease.Step{Kind: lease.Ask})
		write(before, "a", lease.Step{Kind: lease.HandOver})
		write(before, "a", lease.Step{Kind: lease.Ask})
	}
	round()
	if at, _ := now.Reached(); at != "" {
		t.Errorf("frames are taken in at %q, of which nobody can be told", at)
	}
	convert(t, s, schema.Text)
	eventually(t, "both are back, and the new host knows that there are relays", func() bool {
		at, _ := now.Reached()
		return at != "" && before.State().Connected
	})
	round()
	if l := now.Leases()["g"]; l.Relay != "tcp:b" {
		t.Errorf("%+v", l)
	}
	if l := before.Leases()["g"]; l.Relay != "" {
		t.Errorf("a host of before knows of relays: %+v", l)
	}
	run(t, "ovsdb-client", "--timeout=20", "transact", s.endpoint(),
		`["IPS_Gateway", {"op": "update", "table": "Lease", "where": [], "row": {"relay": "tcp:c", "wanted": "b"}}]`)
	eventually(t, "a host of before sees what has changed beside what it does not know", func() bool { return before.Leases()["g"].Wanted == "b" })
}
