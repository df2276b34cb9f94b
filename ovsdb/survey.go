// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ofcontroller/ovsdb/session"
	"ofcontroller/ovsdb/vswitch"
)

// Found is a bridge as somebody configured it, for who wants to take it over.
type Found struct {
	Name         string
	DatapathType string
	Ports        []FoundPort // by name
}

// FoundPort is a port with its VLANs, by the columns of table Port.
type FoundPort struct {
	Name    string
	Members []string // interfaces; of a bond more than one
	Type    string   // of the first interface: "" for a device of the system, "internal", "patch", ...
	Tag     *int
	Trunks  []int
	Mode    string // vlan_mode, "" the default
	Guest   bool   // somebody wrote who is behind it (external_ids:attached-mac, iface-id)
	AdminUp bool
}

// Survey reads all bridges of a database and closes the connection.
func Survey(ctx context.Context, o Options) ([]Found, error) {
	if _, err := session.Endpoint(o.Endpoint, o.TLS); err != nil {
		return nil, err
	}
	t := defaultTiming()
	s, err := dial(ctx, o, t.dial, discard())
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", o.Endpoint, err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(ctx, t.dial)
	defer cancel()
	for {
		change := s.Change()
		found, err := s.rows().survey()
		if !errors.Is(err, errTorn) {
			return found, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("database %s: %w", o.Endpoint, err)
		case <-change:
		case <-s.Events(): // nobody else takes them: this connection is not watched
		}
	}
}

func (r rows) survey() ([]Found, error) {
	bridges, err := r.allBridges()
	if err != nil {
		return nil, err
	}
	out := []Found{}
	for _, b := range bridges {
		f := Found{Name: b.Name, DatapathType: b.DatapathType}
		byName := map[string]*FoundPort{}
		err := r.eachInterface(b, func(p *vswitch.Port, i *vswitch.Interface) {
			port := byName[p.Name]
			if port == nil {
				port = &FoundPort{
					Name: p.Name, Type: i.Type, Tag: clonePointer(p.Tag), Trunks: slices.Clone(p.Trunks), Mode: valueOf(p.VLANMode),
				}
				byName[p.Name] = port
			}
			port.Members = append(port.Members, i.Name)
			port.Guest = port.Guest || i.ExternalIDs[attachedMAC] != "" || i.ExternalIDs["iface-id"] != ""
			port.AdminUp = port.AdminUp || valueOf(i.AdminState) == vswitch.InterfaceAdminStateUp
		})
		if err != nil {
			return nil, err
		}
		for _, p := range byName {
			slices.Sort(p.Members)
			f.Ports = append(f.Ports, *p)
		}
		slices.SortFunc(f.Ports, func(x, y FoundPort) int { return strings.Compare(x.Name, y.Name) })
		out = append(out, f)
	}
	slices.SortFunc(out, func(x, y Found) int { return strings.Compare(x.Name, y.Name) })
	return out, nil
}
