// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"os"
	"strings"
	"testing"

	"ofcontroller/fleet/schema"
)

// TestNewerSchema: when the schema is converted to one that has more, under the hosts that follow, they go on: they take
// what is asked for and tell their state. A key of theirs that they do not know they do not ignore.
func TestNewerSchema(t *testing.T) {
	t.Parallel()
	s := servers(t, 1)[0]
	o := operator(t, s)
	f := follower(t, "host1", s)
	waitFor(t, f, apply(t, o, two, false))

	newer := strings.Replace(string(schema.Text), `"version": "1.1.0"`, `"version": "1.2.0"`, 1)
	newer = strings.Replace(newer, `"empty_lists": {`, `"inspection_new_key": {"type": {"key": "string", "min": 0, "max": 1}}, "empty_lists": {`, 1)
	newer = strings.Replace(newer, `"cur_cfg": {`, `"news": {"type": "string"}, "cur_cfg": {`, 1)
	newer = strings.Replace(newer, `"tables": {`, `"tables": {"News": {"columns": {"who": {"type": "string"}}, "isRoot": true},`, 1)
	if err := os.WriteFile(s.path("newer"), []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "ovsdb-client", "--timeout=20", "convert", s.endpoint(), s.path("newer"))
	if got := run(t, "ovsdb-client", "--timeout=20", "get-schema-version", s.endpoint(), "IPS_Gateway"); got != "1.2.0" {
		t.Fatalf("version %s", got)
	}
	again := operator(t, s)
	cfg := apply(t, again, strings.Replace(two, "open", "closed", 1), false)
	f.Taken(waitFor(t, f, cfg), nil, SourceFleet)
	eventually(t, "the host has told its state", func() bool {
		return strings.Contains(run(t, "ovsdb-client", "--timeout=20", "-f", "csv", "dump", s.endpoint(), "IPS_Gateway", "Host_Status", "name", "state"), "host1,applied")
	})
	// As a newer program would write it: the digest is of a text with the key.
	run(t, "ovsdb-client", "--timeout=20", "transact", s.endpoint(), `["IPS_Gateway",
		{"op":"update","table":"Layer","where":[["name","==","host host1"]],"row":{"inspection_new_key":"x"}},
		{"op":"update","table":"Host","where":[["name","==","host1"]],"row":{"digest":"of a text with the key","next_cfg":9}}]`)
	eventually(t, "the host refuses", func() bool { return strings.Contains(f.State().Error, "too old") })
	if c, _ := f.Asked(); c.Cfg != cfg {
		t.Errorf("the host was asked for %d", c.Cfg)
	}
}
