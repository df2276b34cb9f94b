// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"ofcontroller/config"
	"ofcontroller/fleet/schema"
)

// TestEveryKeyHasAColumn: whatever a configuration can say the database can say, and nothing else. It fails when a key is
// new and the schema lacks it.
func TestEveryKeyHasAColumn(t *testing.T) {
	named := map[string]string{} // table and column by key
	for _, k := range config.Reference() {
		list, key, inList := strings.Cut(k.Path, "[].")
		var row model.Model = &schema.Layer{}
		switch {
		case k.Type == "mapping", k.Type == "list of mappings" && items()[k.Path] != nil, strings.HasPrefix(k.Path, "fleet."):
			continue
		case inList:
			row = items()[list]
		default:
			key = k.Path
		}
		if row == nil {
			t.Errorf("the list of key %s has no table", k.Path)
			continue
		}
		f, ok := field(row, column(key))
		if !ok {
			t.Errorf("key %s: no column %s in %T", k.Path, column(key), row)
			continue
		}
		want := "*string"
		switch {
		case strings.HasPrefix(k.Type, "number"):
			want = "*int"
		case k.Type == "true or false":
			want = "*bool"
		case key == "rules", key == "hosts": // in order
			want = "map[int]string"
		case strings.HasPrefix(k.Type, "list of"):
			want = "[]string"
		}
		if f.Type().String() != want {
			t.Errorf("key %s of type %s: column %s is %s, want %s", k.Path, k.Type, column(key), f.Type(), want)
		}
		named[fmt.Sprintf("%T.%s", row, column(key))] = k.Path
	}
	all := []model.Model{&schema.Layer{}}
	for _, row := range items() {
		all = append(all, row)
	}
	for _, row := range all {
		for name := range columns(t, row) {
			if !slices.Contains([]string{"name", "layer", "position", "empty_lists"}, name) && named[fmt.Sprintf("%T.%s", row, name)] == "" {
				t.Errorf("column %s of %T is no key's", name, row)
			}
		}
	}
}

// columns are those of the schema in the table of a row.
func columns(t *testing.T, row model.Model) map[string]*ovsdb.ColumnSchema {
	t.Helper()
	var s ovsdb.DatabaseSchema
	if err := json.Unmarshal(schema.Text, &s); err != nil {
		t.Fatal(err)
	}
	m, err := schema.FullDatabaseModel()
	if err != nil {
		t.Fatal(err)
	}
	for name, table := range s.Tables {
		if fmt.Sprintf("%T", m.Types()[name].Elem()) != "" && m.Types()[name].String() == fmt.Sprintf("%T", row) {
			return table.Columns
		}
	}
	t.Fatalf("no table of %T", row)
	return nil
}

// random makes configurations.
type random struct{ *rand.Rand }

func (r random) chance() bool { return r.IntN(2) == 0 }

func pick[T any](r random, list ...T) T { return list[r.IntN(len(list))] }

// config is a valid configuration in which every key may have any kind of value.
func (r random) config(whole *config.Config) *config.Config {
	c := *whole // the defaults
	c.OVSDB = pick(r, c.OVSDB, "unix:/run/x.sock")
	c.OpenFlow = pick(r, "", "tcp:192.0.2.1:6653")
	if r.chance() {
		c.TLS = config.TLS{Certificate: "/c", PrivateKey: "/k", CA: "/a"}
	}
	c.Bridge = config.Bridge{Name: pick(r, "br0", "17", "true", "null"), Create: r.chance(), DatapathType: pick(r, "system", "netdev")}
	c.Uplinks = []config.Uplink{{Port: "eth1"}}
	c.Trunks = nil
	for i := range r.IntN(4) {
		c.Trunks = append(c.Trunks, r.trunk(i))
	}
	c.Local = config.Local{Enabled: true, VLAN: pick[uint16](r, 0, 5)}
	in := &c.Inspection
	in.OnFailure = pick(r, config.Closed, config.Open)
	in.Attachments = nil
	for i := range 1 + r.IntN(3) {
		in.Attachments = append(in.Attachments, r.attachment(i))
	}
	in.Probe.Interval = pick(r, 500*time.Millisecond, time.Second, 15500*time.Microsecond)
	in.Probe.Slow = pick(r, 0, 50*time.Millisecond, 100*time.Millisecond)
	in.Probe.DownAfter, in.Probe.UpAfter, in.Probe.HoldDown = 1+r.IntN(9), 1+r.IntN(9), pick(r, 0, time.Minute, 24*time.Hour)
	in.Policy = nil
	for i := range r.IntN(4) {
		in.Policy = append(in.Policy, r.line(i))
	}
	in.Offload = config.Offload{Bypass: r.chance(), Block: pick(r, 0, time.Minute), Limit: 1 + r.IntN(1e6), OnReload: pick(r, config.Keep, config.Flush)}
	in.Offload.Share = in.Offload.Block > 0 && r.chance()
	c.Forwarding = config.Forwarding{EastWest: r.chance(), MACAging: time.Duration(1+r.IntN(65535)) * time.Second, MACLimit: 500 + r.IntN(1000), MACLimitPerPort: 1 + r.IntN(500), ShareMACs: r.chance()}
	c.Failover = nil
	for i := range r.IntN(3) {
		c.Failover = append(c.Failover, config.FailoverGroup{
			Name: pick(r, "blue", "17", "true") + fmt.Sprint(i), VLANs: []uint16{uint16(100 + i), uint16(200 + 10*i), uint16(300 + i)},
			Hosts: []string{pick(r, "a", "null")}, Lease: pick(r, time.Second, time.Minute), // with two of them it needs a fleet
		})
	}
	c.Control = pick(r, c.Control, "/run/c.ctl")
	if c.Metrics = pick(r, "", "127.0.0.1:9475"); c.Metrics != "" {
		c.Monitor = config.Monitor{User: "a", PasswordFile: "/p", Pprof: r.chance(), TLS: c.TLS.CA != "" && r.chance()}
	}
	c.Log = config.Log{Level: pick(r, "debug", "error"), Format: pick(r, "text", "json")}
	return &c
}

func (r random) trunk(i int) config.Trunk {
	t := config.Trunk{Port: fmt.Sprint("t", i), PortSecurity: r.chance()}
	for v := range uint16(4095) {
		if v%1000 == uint16(i) || r.IntN(3000) == 0 || v > 100*uint16(i) && v < 100*uint16(i)+10 {
			t.VLANs = append(t.VLANs, v)
		}
	}
	if t.VLANs[0] != 0 && r.chance() {
		t.NativeVLAN = pick(r, t.VLANs...)
	}
	for k := range r.IntN(3) {
		t.MACs = append(t.MACs, config.MAC{2, 0, byte(i), 0, byte(r.IntN(256)), byte(k)})
	}
	slices.SortFunc(t.MACs, func(a, b config.MAC) int { return strings.Compare(a.String(), b.String()) })
	return t
}

func (r random) attachment(i int) config.Attachment {
	a := config.Attachment{
		Name: fmt.Sprint("a", i), Kind: pick(r, config.KindEmbedded, config.KindSuricata, config.KindPort),
		Legs: config.LegsUniform, Weight: 1 + r.IntN(100), Supervise: config.SuperviseKeep, Memory: 1 << 30,
	}
	if a.Kind == config.KindPort {
		a.Port, a.ReturnPort = fmt.Sprint("ips", i), pick(r, "", fmt.Sprint("back", i))
		if a.ReturnPort != "" {
			a.Legs = pick(r, config.LegsUniform, config.LegsDirectional)
		}
		return a
	}
	for k := range r.IntN(13) { // more than ten: 10 is behind 2
		a.Rules = append(a.Rules, fmt.Sprint("/r/", r.IntN(1000), "-", k))
	}
	a.Threads = r.IntN(3)
	if a.Kind == config.KindEmbedded {
		a.EVE = pick(r, "", "/eve")
	} else {
		a.Include, a.Supervise, a.Memory = pick(r, "", "/i"), pick(r, config.SuperviseKeep, config.SuperviseStop), pick[uint64](r, 1<<30, 1<<28, 300<<20)
	}
	return a
}

func (r random) line(i int) config.PolicyLine {
	l := config.PolicyLine{VLAN: i, Action: pick(r, config.ActionInspect, config.ActionBypass, config.ActionDrop), Proto: pick(r, "", "tcp", "47", "0")}
	if r.chance() {
		l.IP = pick(r, netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128"))
	}
	if l.Proto == "tcp" {
		l.Port = uint16(r.IntN(65536))
	}
	if l.Action == config.ActionInspect {
		l.OnFailure = pick(r, "", config.Closed, config.Open)
	}
	return l
}

const least = "uplinks: [{port: eth1}]\ntrunks: [{port: t, vlans: [1]}]\ninspection: {attachments: [{name: a, kind: port, port: ips0}]}\n"

func mustParse(t *testing.T, text []byte) *config.Config {
	t.Helper()
	c, err := config.Parse("test", text)
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	for i := range c.Inspection.Attachments {
		c.Inspection.Attachments[i].Line = 0
	}
	return c
}

var comparePrefix = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

// TestThroughRows: a configuration that was in the database says what it said.
func TestThroughRows(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := random{rand.New(rand.NewPCG(seed, 0))}
	for range 100 {
		want := r.config(mustParse(t, []byte(least)))
		text, err := want.YAML()
		if err != nil {
			t.Fatal(err)
		}
		want = mustParse(t, text)
		got := mustParse(t, throughRows(t, text))
		if diff := cmp.Diff(want, got, comparePrefix); diff != "" {
			t.Fatalf("%s\nsays (-want +got):\n%s", text, diff)
		}
	}
}

// throughRows puts a text into rows as the database would give them back, sets and items in another order, and reads it.
func throughRows(t *testing.T, text []byte) []byte {
	t.Helper()
	entries, err := config.Entries("test", text)
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	l, err := rowsOf("x", entries)
	if err != nil {
		t.Fatal(err)
	}
	for _, rows := range l.items {
		slices.Reverse(rows)
		for _, row := range rows {
			if trunk, ok := row.(*schema.Trunk); ok {
				slices.Reverse(trunk.VLANs)
				slices.Reverse(trunk.MACs)
			}
		}
	}
	again, err := normal(entries)
	if err != nil || !equal(again, l.entries()) {
		t.Fatalf("%+v and %+v, %v", again, l.entries(), err)
	}
	composed, err := config.Compose(l.entries())
	if err != nil {
		t.Fatal(err)
	}
	return composed
}

// TestEveryKeyThroughRows takes the file that has every key.
func TestEveryKeyThroughRows(t *testing.T) {
	text, err := os.ReadFile("../config/testdata/every-key.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.DeleteFunc(strings.Split(string(text), "\n"), func(l string) bool { return strings.HasPrefix(l, "fleet:") })
	text = []byte(strings.Join(lines, "\n"))
	if diff := cmp.Diff(mustParse(t, text), mustParse(t, throughRows(t, text)), comparePrefix); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestEmptyLists: a list that is given without entries is not one that is left out.
func TestEmptyLists(t *testing.T) {
	for _, text := range []string{"{}\n", "inspection:\n    policy: []\n", "trunks: []\n"} {
		entries, err := config.Entries("test", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := normal(entries)
		if err != nil || !equal(entries, got) {
			t.Errorf("%s became %+v, %v", text, got, err)
		}
	}
}
