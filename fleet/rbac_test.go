// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// thief speaks to a server with the key of a host, by other means than this program.
func thief(t *testing.T, s *server, host, operations string) (string, error) {
	t.Helper()
	dir := filepath.Dir(s.dir)
	out, err := exec.Command("ovsdb-client", "--timeout=20",
		"--private-key="+filepath.Join(dir, host+"-key.pem"), "--certificate="+filepath.Join(dir, host+".pem"), "--ca-cert="+filepath.Join(dir, CACertificate),
		"transact", s.ssl, `["IPS_Gateway",`+operations+`]`).CombinedOutput()
	return string(out), err
}

// TestStolenKey: the key of a host lets nobody write anything but the status and the blocks of that host.
func TestStolenKey(t *testing.T) {
	t.Parallel()
	s := servers(t, 1)[0]
	o := operator(t, s)
	f1, f2 := follower(t, "host1", s), follower(t, "host2", s)
	cfg := apply(t, o, "rule_sets: {web: {text: x}}\n"+two, false)
	for _, f := range []*Follower{f1, f2} {
		f.Taken(waitFor(t, f, cfg), nil, SourceFleet)
	}
	dump := func() (text string) {
		for _, what := range [][]string{
			{"Fleet"},
			{"Host"},
			{"Layer"},
			{"Uplink"},
			{"Trunk"},
			{"Attachment"},
			{"Policy_Line"},
			{"Host_Status", "_uuid", "name", "cur_cfg", "state", "error"},
			{"Block"},
			{"MAC"},
			{"Failover_Group"},
			{"Lease"},
			{"Rule_Set"},
			{"Rule_Chunk"},
			{"RBAC_Role"},
			{"RBAC_Permission"},
			{"Connection", "_uuid", "target", "role"}, // and not how often each is written
		} {
			text += run(t, "ovsdb-client", append([]string{"--timeout=20", "-f", "csv", "dump", s.endpoint(), "IPS_Gateway"}, what...)...) + "\n"
		}
		return text
	}
	eventually(t, "both have told their state", func() bool {
		return strings.Count(run(t, "ovsdb-client", "--timeout=20", "-f", "csv", "dump", s.endpoint(), "IPS_Gateway", "Host_Status", "name"), "host") == 2
	})
	before := ""
	eventually(t, "the database is quiet", func() bool {
		last := before
		before = dump()
		return before == last
	})

	run(t, "ovsdb-client", "--timeout=20", "transact", s.endpoint(), `["IPS_Gateway",
		{"op":"insert","table":"MAC","row":{"host":"host2","vlan":1,"mac":"x"}},
		{"op":"insert","table":"Block","row":{"host":"host2","proto":6,"src":"192.0.2.1:1","dst":"192.0.2.2:2","seconds":60}},
		{"op":"insert","table":"Block","row":{"host":"","proto":6,"src":"192.0.2.1:3","dst":"192.0.2.2:4","seconds":60}},
		{"op":"insert","table":"Lease","row":{"name":"own","primary":"host2","standby":"host1","holder":"host2","epoch":7}},
		{"op":"insert","table":"Lease","row":{"name":"others","primary":"host2","standby":"host3","holder":"host2","epoch":7}}]`)
	before = dump()

	const anyRow, own, others = `[]`, `[["name","==","host1"]]`, `[["name","==","host2"]]`
	update := func(table, where, row string) string {
		return fmt.Sprintf(`{"op":"update","table":"%s","where":%s,"row":%s}`, table, where, row)
	}
	remove := func(table, where string) string {
		return fmt.Sprintf(`{"op":"delete","table":"%s","where":%s}`, table, where)
	}
	insert := func(table, row string) string {
		return fmt.Sprintf(`{"op":"insert","table":"%s","row":%s}`, table, row)
	}
	for name, operation := range map[string]string{
		"another's configuration":         update("Layer", `[["name","==","host host2"]]`, `{"inspection_on_failure":"open"}`),
		"its own configuration":           update("Layer", `[["name","==","host host1"]]`, `{"inspection_on_failure":"open"}`),
		"a profile":                       update("Layer", `[["name","==","profile base"]]`, `{"inspection_on_failure":"open"}`),
		"a policy line":                   insert("Policy_Line", `{"layer":"profile base","position":0,"action":"bypass"}`),
		"all policy lines":                remove("Policy_Line", anyRow),
		"another's profiles":              update("Host", others, `{"profiles":["map",[[0,"web"]]]}`),
		"its own profiles":                update("Host", own, `{"profiles":["map",[[0,"web"]]]}`),
		"its own drains":                  update("Host", own, `{"drains":["set",["ips"]]}`),
		"a host of its own":               insert("Host", `{"name":"host3"}`),
		"the sequence":                    update("Fleet", anyRow, `{"next_cfg":1000}`),
		"the sequence, mutated":           `{"op":"mutate","table":"Fleet","where":[],"mutations":[["next_cfg","+=",1]]}`,
		"another's status":                update("Host_Status", others, `{"state":"applied","cur_cfg":1000}`),
		"another's status, mutated":       `{"op":"mutate","table":"Host_Status","where":[],"mutations":[["cur_cfg","+=",1]]}`,
		"another's status, removed":       remove("Host_Status", others),
		"all status":                      remove("Host_Status", anyRow),
		"a status in another's name":      insert("Host_Status", `{"name":"host4"}`),
		"its status as another's":         update("Host_Status", own, `{"name":"host9"}`),
		"a block in another's name":       insert("Block", `{"host":"host2","seconds":60}`),
		"a block as an operator":          insert("Block", `{"host":"","seconds":60}`),
		"another's block":                 update("Block", `[["host","==","host2"]]`, `{"seconds":0}`),
		"another's block as its own":      update("Block", `[["host","==","host2"]]`, `{"host":"host1"}`),
		"another's block, mutated":        `{"op":"mutate","table":"Block","where":[],"mutations":[["seconds","+=",1]]}`,
		"another's block, removed":        remove("Block", `[["host","==","host2"]]`),
		"an operator's block, removed":    remove("Block", `[["host","==",""]]`),
		"all blocks":                      remove("Block", anyRow),
		"an address in another's name":    insert("MAC", `{"host":"host2","vlan":2}`),
		"another's address":               update("MAC", `[["host","==","host2"]]`, `{"port":"x"}`),
		"another's address as its own":    update("MAC", `[["host","==","host2"]]`, `{"host":"host1"}`),
		"another's address, removed":      remove("MAC", `[["host","==","host2"]]`),
		"rules":                           update("Rule_Chunk", anyRow, `{"text":""}`),
		"other rules":                     update("Rule_Set", anyRow, `{"digest":""}`),
		"rules of its own":                insert("Rule_Chunk", `{"digest":"x","position":1}`),
		"all rules":                       remove("Rule_Set", anyRow),
		"a lease of others":               update("Lease", `[["name","==","others"]]`, `{"holder":"host1","epoch":8}`),
		"a lease of others, mutated":      `{"op":"mutate","table":"Lease","where":[],"mutations":[["epoch","+=",1]]}`,
		"all leases":                      update("Lease", anyRow, `{"epoch":8}`),
		"a lease, removed":                remove("Lease", `[["name","==","own"]]`),
		"a lease of its own":              insert("Lease", `{"name":"new","primary":"host1","standby":"host3"}`),
		"what its group is":               update("Lease", `[["name","==","own"]]`, `{"definition":"x"}`),
		"whom operators want":             update("Lease", `[["name","==","own"]]`, `{"wanted":"host1"}`),
		"who is in its group":             update("Lease", `[["name","==","own"]]`, `{"primary":"host3"}`),
		"a failover group":                insert("Failover_Group", `{"layer":"host host1","position":0}`),
		"its permissions":                 update("RBAC_Permission", anyRow, `{"authorization":["set",[""]]}`),
		"a role without permissions":      update("RBAC_Role", anyRow, `{"name":"x"}`),
		"the way in":                      update("Connection", anyRow, `{"role":""}`),
		"another way in":                  insert("Connection", `{"target":"ptcp:6641"}`),
		"the fleet's ways in":             update("Fleet", anyRow, `{"connections":["set",[]]}`),
		"its status and, with it, others": update("Host_Status", own, `{"state":"refused"}`) + "," + update("Host", others, `{"next_cfg":1000}`),
	} {
		out, _ := thief(t, s, "host1", operation)
		if !strings.Contains(out, "permission error") {
			t.Errorf("%s: %s", name, out)
		}
	}
	if diff := cmp.Diff(before, dump()); diff != "" {
		t.Errorf("the database (-before +after):\n%s", diff)
	}

	// What it may do, so that the above says something.
	if out, err := thief(t, s, "host1", update("Host_Status", own, `{"error":"x"}`)); err != nil || !strings.Contains(out, `"count":1`) {
		t.Errorf("its own status: %s, %v", out, err)
	}
	if out, err := thief(t, s, "host1", remove("Host_Status", own)); err != nil || !strings.Contains(out, `"count":1`) {
		t.Errorf("its own status, removed: %s, %v", out, err)
	}
	if out, err := thief(t, s, "host1", insert("Block", `{"host":"host1","seconds":60}`)+","+insert("Block", `{"host":"host1","seconds":6}`)); err != nil || !strings.Contains(out, `uuid`) {
		t.Errorf("its own blocks: %s, %v", out, err)
	}
	if out, err := thief(t, s, "host1", remove("Block", `[["host","==","host1"]]`)); err != nil || !strings.Contains(out, `"count":2`) {
		t.Errorf("its own blocks, removed: %s, %v", out, err)
	}
	if out, err := thief(t, s, "host1", update("Lease", `[["name","==","own"]]`, `{"holder":"host1","epoch":8,"ready":1,"relay":"tcp:192.0.2.1:1"}`)); err != nil || !strings.Contains(out, `"count":1`) {
		t.Errorf("the lease of its group: %s, %v", out, err)
	}
	for name, row := range map[string]string{
		"a long message": `{"host":"host1","message":"` + strings.Repeat("x", 257) + `"}`,
		"a long time":    `{"host":"host1","seconds":65536}`,
	} {
		if out, _ := thief(t, s, "host1", insert("Block", row)); !strings.Contains(out, "constraint violation") {
			t.Errorf("%s: %s", name, out)
		}
	}
	// Who has no certificate of the fleet gets in nowhere.
	stranger := t.TempDir()
	mustCertificate(t, stranger, "host1")
	if out, err := exec.Command("ovsdb-client", "--timeout=5", "--private-key="+filepath.Join(stranger, "host1-key.pem"),
		"--certificate="+filepath.Join(stranger, "host1.pem"), "--ca-cert="+filepath.Join(filepath.Dir(s.dir), CACertificate),
		"list-dbs", s.ssl).CombinedOutput(); err == nil {
		t.Errorf("a stranger got in: %s", out)
	}
}
