// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"ofcontroller/flows"
	"ofcontroller/ofapp/trace"
	"ofcontroller/openflow"
)

// forgetting says which learned addresses are to go: all of them, or one in
// every VLAN, or in one.
type forgetting struct {
	all  bool
	mac  flows.MAC
	vlan int // -1 any
}

// parseForgetting reads "all", or MAC and perhaps a VLAN.
func parseForgetting(words []string) (forgetting, error) {
	f := forgetting{vlan: -1}
	if len(words) == 1 && words[0] == "all" {
		f.all = true
		return f, nil
	}
	if len(words) < 1 || len(words) > 2 {
		return f, errors.New("all, or a MAC and perhaps a VLAN would be right")
	}
	mac, err := net.ParseMAC(words[0])
	if err != nil || len(mac) != 6 || mac[0]&1 == 1 {
		return f, fmt.Errorf("%.40q: a unicast MAC such as 02:00:00:00:00:01 would be right", words[0])
	}
	f.mac = flows.MAC(mac)
	if len(words) == 2 {
		if f.vlan, err = strconv.Atoi(words[1]); err != nil || f.vlan < 0 || f.vlan > 4094 {
			return f, fmt.Errorf("VLAN %.40q: a number from 0 to 4094 would be right", words[1])
		}
	}
	return f, nil
}

// forget takes learned addresses out of the table mac and tells how many. A
// configured one is refused: it would be put back at once.
func (a *App) forget(ctx context.Context, f forgetting) (int, error) {
	a.mu.Lock()
	conn := a.conn
	a.mu.Unlock()
	if conn == nil {
		return 0, errNoSwitch
	}
	if f.all {
		return forgetAll(ctx, conn)
	}
	var mods []openflow.Mod
	var static []uint16
	err := conn.Flows(ctx, openflow.FlowFilter{Table: uint8(flows.TableMAC)}, func(s openflow.FlowStats) error {
		c := flows.Cookie(s.Cookie)
		match, err := openflow.ParseMatch(s.Match)
		if err != nil {
			return err
		}
		v, _, _ := match.RegValue(int(flows.Reg2))
		mac, _ := match.EthDstValue()
		switch {
		case flows.MAC(mac) != f.mac || (f.vlan >= 0 && v != uint32(f.vlan)):
		case c.Learned():
			mods = append(mods, openflow.FlowMod{
				Command: openflow.FlowDeleteStrict, Table: s.Table, Priority: s.Priority, Match: match,
			})
		case c.Ours():
			static = append(static, uint16(v))
		}
		return nil
	})
	switch {
	case err != nil:
		return 0, fmt.Errorf("read the table %s: %w", flows.TableMAC, err)
	case len(mods) == 0 && len(static) > 0:
		return 0, fmt.Errorf("%s is configured in VLAN %s (trunks[].macs, external_ids:attached-mac or the host's own): only learned addresses can be removed", f.mac, trace.VLANs(static))
	case len(mods) == 0 && f.vlan >= 0:
		return 0, fmt.Errorf("%s is not known in VLAN %d", f.mac, f.vlan)
	case len(mods) == 0:
		return 0, fmt.Errorf("%s is not known", f.mac)
	}
	if err := conn.Bundle(ctx, mods); err != nil {
		return 0, fmt.Errorf("remove %s: %w", f.mac, err)
	}
	return len(mods), nil
}

// forgetAll removes all learned addresses, by their category.
func forgetAll(ctx context.Context, conn *openflow.Conn) (int, error) {
	n := 0
	cookie := uint64(flows.NewCookie(flows.CatLearned, 0))
	filter := openflow.FlowFilter{Table: uint8(flows.TableMAC), Cookie: cookie, CookieMask: flows.CategoryMask}
	err := conn.Flows(ctx, filter, func(openflow.FlowStats) error { n++; return nil })
	if err != nil {
		return 0, fmt.Errorf("read the table %s: %w", flows.TableMAC, err)
	}
	all := openflow.FlowMod{
		Command: openflow.FlowDelete, Table: uint8(flows.TableMAC), Cookie: cookie, CookieMask: flows.CategoryMask,
	}
	if err := conn.Bundle(ctx, []openflow.Mod{all}); err != nil {
		return 0, fmt.Errorf("remove all learned addresses: %w", err)
	}
	return n, nil
}
