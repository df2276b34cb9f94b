// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"ofcontroller/flows"
	"ofcontroller/openflow"
	"ofcontroller/ovsdb"
)

// MAC is a known address, learned or configured.
type MAC struct {
	VLAN   uint16 `json:"vlan"`
	MAC    string `json:"mac"`
	Where  string `json:"where"` // "internal": behind a trunk port; "external": behind the uplink
	Port   string `json:"port"`
	Static bool   `json:"static"`
	AgeS   int    `json:"age_s"` // whole seconds since the switch holds it at this port
}

var errNoSwitch = errors.New("not connected to the switch")

// MACs reads the known addresses from the switch, which is the database of
// them. The host's own address is not listed.
func (a *App) MACs(ctx context.Context) ([]MAC, error) {
	a.mu.Lock()
	conn := a.conn
	a.mu.Unlock()
	if conn == nil {
		return nil, errNoSwitch
	}
	names := portNames(a.db.View().Bridge)
	uplink := a.config().Uplinks[0].Port
	out := []MAC{}
	err := eachFlow(ctx, conn, uint8(flows.TableMAC), func(s openflow.FlowStats) error {
		c := flows.Cookie(s.Cookie)
		if !c.Ours() || c.Object() == flows.LocalPort {
			return nil
		}
		m, err := macOf(s, c)
		if err != nil {
			return err
		}
		m.Port = names[c.Object()]
		m.Where = "internal"
		if m.Port == uplink {
			m.Where = "external"
		}
		out = append(out, m)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the table %s: %w", flows.TableMAC, err)
	}
	slices.SortFunc(out, func(x, y MAC) int {
		return cmp.Or(cmp.Compare(x.VLAN, y.VLAN), cmp.Compare(x.MAC, y.MAC))
	})
	return out, nil
}

func macOf(s openflow.FlowStats, c flows.Cookie) (MAC, error) {
	match, err := openflow.ParseMatch(s.Match)
	if err != nil {
		return MAC{}, err
	}
	v, _, _ := match.RegValue(int(flows.Reg2))
	mac, _ := match.EthDstValue()
	return MAC{
		VLAN: uint16(v), MAC: flows.MAC(mac).String(), Static: c.Category() == flows.CatStatic,
		AgeS: int(s.Duration.Seconds()),
	}, nil
}

// portNames maps OpenFlow port numbers to names.
func portNames(br *ovsdb.Bridge) map[uint32]string {
	names := map[uint32]string{}
	if br == nil {
		return names
	}
	for name, i := range br.Interfaces {
		names[i.OFPort] = name
	}
	return names
}
