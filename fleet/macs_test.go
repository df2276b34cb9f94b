// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// where is what the fleet tells of addresses, without ages.
func where(t *testing.T, o *Operator, f MACFilter) MACLines {
	t.Helper()
	list, err := o.MACs(t.Context(), f, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func isWhere(t *testing.T, o *Operator, f MACFilter, want ...MACLine) {
	t.Helper()
	var diff string
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		diff = cmp.Diff(MACLines(want), where(t, o, f), cmpopts.IgnoreFields(MACLine{}, "AgeS"), cmpopts.EquateEmpty())
		if diff == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("addresses (-want +got):\n%s", diff)
		}
	}
}

// TestMACs: in the role of hosts, each tells which addresses are behind its ports: one that comes, goes, moves between ports
// and between hosts, while the server is away too. Who has never said anything changes nothing.
func TestMACs(t *testing.T) {
	t.Parallel()
	s := servers(t, 1)[0]
	o := operator(t, s)
	apply(t, o, two, false)
	f1, f2 := follower(t, "host1", s), follower(t, "host2", s)
	const a, b = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
	f1.Place([]Address{{5, b, "t0"}, {0, a, "t0"}})
	f2.Place([]Address{{5, a, "t1"}})
	isWhere(t, o, MACFilter{}, MACLine{VLAN: 0, MAC: a, Host: "host1", Port: "t0"},
		MACLine{VLAN: 5, MAC: a, Host: "host2", Port: "t1"}, MACLine{VLAN: 5, MAC: b, Host: "host1", Port: "t0"})
	zero, five := uint16(0), uint16(5)
	isWhere(t, o, MACFilter{VLAN: &zero}, MACLine{VLAN: 0, MAC: a, Host: "host1", Port: "t0"})
	isWhere(t, o, MACFilter{VLAN: &five, MAC: b}, MACLine{VLAN: 5, MAC: b, Host: "host1", Port: "t0"})
	isWhere(t, o, MACFilter{Host: "host2"}, MACLine{VLAN: 5, MAC: a, Host: "host2", Port: "t1"})

	// To another port, and to another host, which the old one has not noticed yet.
	run(t, "ovsdb-client", "--timeout=20", "transact", s.endpoint(), `["IPS_Gateway",{"op":"mutate","table":"MAC","where":[],"mutations":[["since","-=",100]]}]`)
	f1.Place([]Address{{5, b, "t0"}, {0, a, "t9"}})
	f2.Place([]Address{{5, a, "t1"}, {5, b, "t1"}})
	isWhere(t, o, MACFilter{}, MACLine{VLAN: 0, MAC: a, Host: "host1", Port: "t9"}, MACLine{VLAN: 5, MAC: a, Host: "host2", Port: "t1"},
		MACLine{VLAN: 5, MAC: b, Host: "host1", Port: "t0", MovedTo: "host2"}, MACLine{VLAN: 5, MAC: b, Host: "host2", Port: "t1"})
	for _, l := range where(t, o, MACFilter{}) {
		if moved := l.Port == "t9" || l.MAC == b && l.Host == "host2"; moved != (l.AgeS < 60) {
			t.Errorf("%+v", l)
		}
	}

	// It forgets one while the server is away, and another program of the same host takes over its rows as they are.
	s.stop(syscall.SIGKILL)
	f1.Place([]Address{{0, a, "t9"}})
	s.start()
	o = operator(t, s)
	isWhere(t, o, MACFilter{VLAN: &five, MAC: b}, MACLine{VLAN: 5, MAC: b, Host: "host2", Port: "t1"})
	before := run(t, "ovsdb-client", "--timeout=20", "-f", "csv", "dump", s.endpoint(), "IPS_Gateway", "MAC")
	again := follower(t, "host1", s)
	eventually(t, "connected", func() bool { return again.State().Connected })
	again.Place([]Address{{0, a, "t9"}})
	again.Place([]Address{{0, a, "t9"}, {7, a, "t9"}})
	isWhere(t, o, MACFilter{Host: "host1"}, MACLine{VLAN: 0, MAC: a, Host: "host1", Port: "t9"}, MACLine{VLAN: 7, MAC: a, Host: "host1", Port: "t9"})
	after := run(t, "ovsdb-client", "--timeout=20", "-f", "csv", "dump", s.endpoint(), "IPS_Gateway", "MAC")
	for _, row := range strings.Split(before, "\n") {
		if !strings.Contains(after, row) {
			t.Errorf("a row has changed: %s\nin\n%s", row, after)
		}
	}

	// A host that tells no addresses has none.
	again.Place(nil)
	f1.Place(nil)
	isWhere(t, o, MACFilter{Host: "host1"})
	apply(t, o, strings.Split(two, "  host2")[0], true)
	isWhere(t, o, MACFilter{}) // with the host
}

// TestMACsBounds: of too many addresses as many are told as may be, in transactions of bounded size.
func TestMACsBounds(t *testing.T) {
	t.Parallel()
	s := servers(t, 1)[0]
	o := operator(t, s)
	f := follower(t, "host1", s)
	var many []Address
	for i := range MaxAddresses + 100 {
		many = append(many, Address{VLAN: 1, MAC: fmt.Sprintf("02:00:00:00:%02x:%02x", i>>8, i&255), Port: "t0"})
	}
	f.Place(many)
	if n := len(macChanges(o.s, "host1", nil, many, time.Now()).ops); n != macBatch {
		t.Errorf("%d rows in a transaction", n)
	}
	eventually(t, "all that may be told are", func() bool { return len(where(t, o, MACFilter{})) == MaxAddresses })
	f.Place(many[100:])
	eventually(t, "and others", func() bool {
		list := where(t, o, MACFilter{})
		return len(list) == MaxAddresses && !slices.ContainsFunc(list, func(l MACLine) bool { return l.MAC == many[99].MAC })
	})
}
