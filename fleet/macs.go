// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"ofcontroller/fleet/schema"
)

// MaxAddresses is how many addresses a host tells of at once.
const MaxAddresses = 512

// Bounds of what a host tells of addresses, whatever happens there. The table as a whole has at most as many rows as its
// schema says.
const (
	macBatch = 128         // rows that are made, changed or removed with one transaction
	macRest  = time.Second // between two transactions
	macRetry = 30 * time.Second
)

// Address is a MAC address behind a trunk port of a host.
type Address struct {
	VLAN uint16 // 0 is the untagged network
	MAC  string // 02:00:00:00:00:01
	Port string
}

func (a Address) compare(b Address) int {
	return cmp.Or(cmp.Compare(a.VLAN, b.VLAN), cmp.Compare(a.MAC, b.MAC))
}

// addresses are what a gateway tells the fleet of where MACs are. It is pure.
type addresses struct {
	known  bool // there is something to be told: that there are none, too
	list   []Address
	beyond int // how many more there are than are told
}

// Place says which addresses are behind the gateway's trunk ports, each once in a VLAN; none when the gateway does not tell
// them. Of too many the last by VLAN and address are not told.
func (f *Follower) Place(list []Address) {
	list = slices.Clone(list)
	slices.SortFunc(list, Address.compare)
	beyond := max(0, len(list)-MaxAddresses)
	list = list[:len(list)-beyond]
	f.mu.Lock()
	defer f.mu.Unlock()
	if beyond > 0 && f.macs.beyond == 0 {
		f.o.Log.WithField("addresses", len(list)+beyond).WithField("told", MaxAddresses).Warn("too many addresses: the fleet is not told of all")
	}
	if f.macs.known && slices.Equal(f.macs.list, list) {
		return
	}
	f.macs = addresses{known: true, list: list, beyond: beyond}
	wake(f.place)
}

// Behind asks a server which addresses another host has told of, in some VLANs; at most so many.
func (f *Follower) Behind(ctx context.Context, host string, vlans []uint16, most int) ([]Address, error) {
	f.mu.Lock()
	s := f.session
	f.mu.Unlock()
	if s == nil || !s.has(schema.MACTable) {
		return nil, ErrNoServer
	}
	ctx, done := s.Bind(ctx)
	defer done(nil)
	result, err := s.Commit(ctx, []ovsdb.Operation{{
		Op: ovsdb.OperationSelect, Table: schema.MACTable, Columns: []string{"vlan", "mac", "port"}, Where: []ovsdb.Condition{is("host", host)},
	}})
	if err != nil {
		return nil, err
	}
	var list []Address
	for _, row := range result[0].Rows {
		m := &schema.MAC{}
		if err := s.read(row, m); err != nil {
			return nil, err
		}
		if len(list) < most && slices.Contains(vlans, uint16(m.VLAN)) {
			list = append(list, Address{VLAN: uint16(m.VLAN), MAC: m.MAC, Port: m.Port})
		}
	}
	return list, nil
}

// placeAll keeps this gateway's rows of addresses true until the session ends.
func (f *Follower) placeAll(ctx context.Context, s *conn) error {
	if !s.has(schema.MACTable) {
		<-ctx.Done()
		return ctx.Err()
	}
	own := &schema.MAC{}
	if err := s.watch(ctx, watch{row: own, column: &own.Host, is: []string{f.o.Name}}); err != nil {
		return err
	}
	for {
		f.mu.Lock()
		want := f.macs
		f.mu.Unlock()
		var more <-chan time.Time // there is, or may be, more to be written
		if want.known {
			var rows []*schema.MAC
			each(s, func(m *schema.MAC) { rows = append(rows, m) })
			todo := macChanges(s, f.o.Name, rows, want.list, time.Now())
			if len(todo.ops) > 0 {
				pause, err := f.writePlaces(ctx, s, todo)
				if err != nil {
					return err
				}
				more = time.After(pause)
			}
		}
		if more != nil {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-more:
				continue
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.place:
		}
	}
}

// macChanges makes of rows what is wanted, at most so much as goes into one transaction: rows that are to go first, for a full
// table takes nothing before it has room.
func macChanges(s *conn, host string, rows []*schema.MAC, want []Address, now time.Time) batch {
	b := batch{c: s}
	there := map[Address]bool{} // without the port
	for _, row := range rows {
		at := Address{VLAN: uint16(row.VLAN), MAC: row.MAC}
		i, wanted := slices.BinarySearchFunc(want, at, Address.compare)
		there[at] = wanted
		switch {
		case len(b.ops) >= macBatch:
		case !wanted:
			b.removeRow(schema.MACTable, row.UUID)
		case want[i].Port != row.Port:
			b.ops = append(b.ops, ovsdb.Operation{
				Op: ovsdb.OperationUpdate, Table: schema.MACTable, Where: []ovsdb.Condition{is("_uuid", ovsdb.UUID{GoUUID: row.UUID})},
				Row: ovsdb.Row{"port": want[i].Port, "since": int(now.Unix())},
			})
		}
	}
	for _, a := range want {
		if len(b.ops) >= macBatch {
			break
		}
		if !there[Address{VLAN: a.VLAN, MAC: a.MAC}] {
			b.tell(&schema.MAC{Host: host, VLAN: int(a.VLAN), MAC: a.MAC, Port: a.Port, Since: int(now.Unix())})
		}
	}
	return b
}

// writePlaces carries out a transaction, and tells how long to wait before the next. What the server refuses is tried again.
func (f *Follower) writePlaces(ctx context.Context, s *conn, todo batch) (time.Duration, error) {
	if todo.err == nil {
		_, todo.err = f.commit(ctx, s, todo.ops)
	}
	var refused ovsdb.OperationError
	switch {
	case errors.As(todo.err, &refused):
		f.o.Log.WithError(todo.err).Warn("the fleet's database refuses to be told where addresses are")
		return macRetry, nil
	case todo.err != nil:
		return 0, fmt.Errorf("write addresses of host %s: %w", f.o.Name, todo.err)
	}
	return macRest, nil
}
