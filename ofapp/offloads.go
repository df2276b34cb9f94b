// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"ofcontroller/flows"
	"ofcontroller/ofapp/offload"
	"ofcontroller/openflow"
)

// Offload is a connection whose verdict the switch carries out.
type Offload struct {
	VLAN       uint16 `json:"vlan"`
	Proto      string `json:"proto"`
	Src        string `json:"src"` // of the frame that the verdict was given on, where that is known
	Dst        string `json:"dst"`
	Verdict    string `json:"verdict"` // bypass or block
	SID        uint32 `json:"sid"`     // of the rule, 0 not known
	Attachment string `json:"attachment,omitempty"`
	AgeS       int    `json:"age_s"`
	IdleS      int    `json:"idle_timeout_s,omitempty"` // of a bypass: it ends after so many seconds without a frame
	RemainingS int    `json:"remaining_s,omitempty"`    // of a block
	Packets    uint64 `json:"packets"`
	Bytes      uint64 `json:"bytes"`

	age time.Duration
}

// OffloadCounts are the offloads in short.
type OffloadCounts struct {
	Bypass  int    `json:"bypass"`
	Block   int    `json:"block"`
	Refused uint64 `json:"refused"` // verdicts that the switch was too busy or too far away for; engines carry them out
}

// counts tells how many offloads there are.
func (o *offloader) counts() OffloadCounts {
	o.mu.Lock()
	defer o.mu.Unlock()
	return OffloadCounts{
		Bypass: o.book.Count(flows.BypassConnection), Block: o.book.Count(flows.BlockConnection), Refused: o.refused,
	}
}

// Offloads reads the offloads from the switch, oldest first.
func (a *App) Offloads(ctx context.Context) ([]Offload, error) {
	a.mu.Lock()
	conn := a.conn
	a.mu.Unlock()
	if conn == nil {
		return nil, errNoSwitch
	}
	byEnds := map[flows.Connection]*Offload{}
	each := func(s openflow.FlowStats) error {
		o, ok := a.forms.parse(s)
		if !ok {
			return nil
		}
		both := byEnds[o.Reverse()]
		if both == nil {
			both = a.describeOffload(o)
			byEnds[o.Connection] = both
		}
		both.age = max(both.age, s.Duration)
		both.AgeS = int(both.age.Seconds())
		both.Packets += s.Packets
		both.Bytes += s.Bytes
		both.IdleS = max(both.IdleS, int(s.IdleTimeout))
		if s.HardTimeout != 0 {
			both.RemainingS = max(int(s.HardTimeout)-both.AgeS, 0)
		}
		return nil
	}
	for _, table := range []flows.Table{flows.TableOffload, flows.TableOffload6} {
		if err := conn.Flows(ctx, openflow.FlowFilter{Table: uint8(table)}, each); err != nil {
			return nil, fmt.Errorf("read the table %s: %w", table, err)
		}
	}
	out := make([]Offload, 0, len(byEnds))
	for _, o := range byEnds {
		out = append(out, *o)
	}
	slices.SortFunc(out, func(x, y Offload) int {
		return cmp.Or(-cmp.Compare(x.age, y.age), cmp.Compare(x.VLAN, y.VLAN), cmp.Compare(x.Src, y.Src), cmp.Compare(x.Dst, y.Dst))
	})
	return out, nil
}

// describeOffload says what the flow of one direction and the book tell.
func (a *App) describeOffload(o flows.Offload) *Offload {
	out := &Offload{VLAN: o.VLAN, Proto: protoName(o.Proto), Verdict: o.Verdict.String(), SID: o.SID}
	a.offloads.mu.Lock()
	defer a.offloads.mu.Unlock()
	if e, ok := a.offloads.book.Entry(o.Connection); ok {
		o.Connection, out.Attachment = e.Connection, e.Attachment
	}
	out.Src, out.Dst = o.Src.String(), o.Dst.String()
	return out
}

func protoName(proto uint8) string {
	switch proto {
	case flows.ProtoTCP:
		return "tcp"
	case flows.ProtoUDP:
		return "udp"
	case flows.ProtoSCTP:
		return "sctp"
	}
	return fmt.Sprint(proto)
}

// RemoveOffloads takes offloads away, by the two ends of each connection in any
// order, or all of them.
func (a *App) RemoveOffloads(args []string) (string, error) {
	var which func(offload.Entry) bool
	if slices.Equal(args, []string{"--all"}) {
		which = func(offload.Entry) bool { return true }
	} else {
		ends, err := connectionEnds(args)
		if err != nil {
			return "", err
		}
		which = func(e offload.Entry) bool {
			return ends[[2]netip.AddrPort{e.Src, e.Dst}] || ends[[2]netip.AddrPort{e.Dst, e.Src}]
		}
	}
	a.mu.Lock()
	conn := a.conn
	a.mu.Unlock()
	if conn == nil {
		return "", errNoSwitch
	}
	switch n := a.offloads.remove(which); {
	case n == 0 && len(args) > 1:
		return "", errors.New("no such connection is offloaded")
	case n == 1:
		return "1 connection is no longer offloaded", nil
	default:
		return fmt.Sprintf("%d connections are no longer offloaded", n), nil
	}
}

// connectionEnds reads ADDR:PORT ADDR:PORT pairs.
func connectionEnds(args []string) (map[[2]netip.AddrPort]bool, error) {
	const right = "--all, or ADDR:PORT ADDR:PORT for each connection, would be right"
	if len(args) == 0 || len(args)%2 != 0 {
		return nil, fmt.Errorf("%d arguments: %s", len(args), right)
	}
	ends := map[[2]netip.AddrPort]bool{}
	for i := 0; i < len(args); i += 2 {
		var pair [2]netip.AddrPort
		for k := range pair {
			var err error
			if pair[k], err = netip.ParseAddrPort(args[i+k]); err != nil {
				return nil, fmt.Errorf("%q is no ADDR:PORT (such as 192.0.2.1:80 or [2001:db8::1]:80): %s", args[i+k], right)
			}
		}
		ends[pair] = true
	}
	return ends, nil
}
