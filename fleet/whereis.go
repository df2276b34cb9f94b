// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"ofcontroller/fleet/schema"
)

// MACLine is where an address is, as a host tells.
type MACLine struct {
	VLAN    uint16 `json:"vlan"`
	MAC     string `json:"mac"`
	Host    string `json:"host"`
	Port    string `json:"port"`
	AgeS    int    `json:"age_s"`              // since the host knows it there, by the clocks of the host and of this machine
	MovedTo string `json:"moved_to,omitempty"` // a host that knows it since later
}

// MACLines are addresses of a fleet, by VLAN and address, the one that is known longest first.
type MACLines []MACLine

// Table writes a line for each address.
func (list MACLines) Table() string {
	return tabulate("VLAN\tMAC\tHOST\tPORT\tSINCE\tNOTE", func(line func(format string, cells ...any)) {
		for _, l := range list {
			note := ""
			if l.MovedTo != "" {
				note = "moved to " + l.MovedTo
			}
			line("%d\t%s\t%s\t%s\t%ds\t%s", l.VLAN, l.MAC, l.Host, l.Port, l.AgeS, note)
		}
	})
}

// MACFilter says which addresses are asked for. A zero field asks for all.
type MACFilter struct {
	VLAN *uint16
	MAC  string // in lower case, with colons
	Host string
}

// MACs asks where addresses are. The server chooses: there may be many. A move to a host that is not asked for is not told.
func (o *Operator) MACs(ctx context.Context, f MACFilter, now time.Time) (MACLines, error) {
	out := MACLines{}
	if !o.s.has(schema.MACTable) {
		return out, o.s.fits(&schema.MAC{})
	}
	where := all()
	if f.VLAN != nil {
		where = append(where, is("vlan", int(*f.VLAN)))
	}
	if f.MAC != "" {
		where = append(where, is("mac", f.MAC))
	}
	if f.Host != "" {
		where = append(where, is("host", f.Host))
	}
	result, err := o.s.Commit(ctx, []ovsdb.Operation{{
		Op: ovsdb.OperationSelect, Table: schema.MACTable, Where: where, Columns: []string{"host", "vlan", "mac", "port", "since"},
	}})
	if err != nil {
		return nil, err
	}
	since := map[MACLine]int{}
	for _, row := range result[0].Rows {
		vlan, _ := row["vlan"].(float64) // numbers of JSON
		known, _ := row["since"].(float64)
		l := MACLine{VLAN: uint16(vlan), AgeS: max(0, int(now.Unix())-int(known))}
		l.Host, _ = row["host"].(string)
		l.MAC, _ = row["mac"].(string)
		l.Port, _ = row["port"].(string)
		since[l] = int(known)
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b MACLine) int {
		return cmp.Or(cmp.Compare(a.VLAN, b.VLAN), cmp.Compare(a.MAC, b.MAC), since[a]-since[b], cmp.Compare(a.Host, b.Host))
	})
	for i := len(out) - 2; i >= 0; i-- {
		if next := out[i+1]; next.VLAN == out[i].VLAN && next.MAC == out[i].MAC {
			out[i].MovedTo = cmp.Or(next.MovedTo, next.Host)
		}
	}
	return out, nil
}
