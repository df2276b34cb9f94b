// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ovn-kubernetes/libovsdb/model"

	"ofcontroller/ovsdb/vswitch"
)

// attachedMAC is the key of Interface's external_ids that says who is behind the port
// (ovs-vswitchd.conf.db(5), Interface, external_ids:attached-mac).
const attachedMAC = "attached-mac"

// errTorn says that rows were read in the middle of an update. libovsdb applies an update row by row and table by table in
// any order; a reference whose row is missing cannot exist in the database (RFC 7047, 3.2, refType strong) and so shows it.
var errTorn = errors.New("rows are in the middle of an update")

// rows are the watched rows, each table by UUID. They are the library's own and must not be changed.
type rows struct {
	root        *vswitch.OpenvSwitch // nil: the database is not initialized
	bridges     map[string]model.Model
	ports       map[string]model.Model
	interfaces  map[string]model.Model
	controllers map[string]model.Model
	tables      map[string]model.Model
}

// row finds a referenced row, or says that the rows are torn.
func row[T any](table map[string]model.Model, uuid string) (*T, error) {
	m, ok := table[uuid].(*T)
	if !ok {
		return nil, fmt.Errorf("%w: no row %s", errTorn, uuid)
	}
	return m, nil
}

// allBridges returns the rows of table Bridge. Each hangs on the root row, or the database would have dropped it.
func (r rows) allBridges() ([]*vswitch.Bridge, error) {
	var uuids []string
	if r.root != nil {
		uuids = r.root.Bridges
	}
	if len(uuids) != len(r.bridges) {
		return nil, fmt.Errorf("%w: %d bridges, %d referenced", errTorn, len(r.bridges), len(uuids))
	}
	bridges := make([]*vswitch.Bridge, 0, len(uuids))
	for _, uuid := range uuids {
		bridge, err := row[vswitch.Bridge](r.bridges, uuid)
		if err != nil {
			return nil, fmt.Errorf("bridge: %w", err)
		}
		bridges = append(bridges, bridge)
	}
	return bridges, nil
}

// bridge returns the row of the bridge, nil when there is none.
func (r rows) bridge(name string) (*vswitch.Bridge, error) {
	bridges, err := r.allBridges()
	if err != nil {
		return nil, err
	}
	for _, bridge := range bridges {
		if bridge.Name == name {
			return bridge, nil
		}
	}
	return nil, nil
}

// eachInterface calls f for every interface of the bridge.
func (r rows) eachInterface(bridge *vswitch.Bridge, f func(*vswitch.Port, *vswitch.Interface)) error {
	for _, portUUID := range bridge.Ports {
		port, err := row[vswitch.Port](r.ports, portUUID)
		if err != nil {
			return fmt.Errorf("port of bridge %s: %w", bridge.Name, err)
		}
		for _, uuid := range port.Interfaces {
			iface, err := row[vswitch.Interface](r.interfaces, uuid)
			if err != nil {
				return fmt.Errorf("interface of port %s: %w", port.Name, err)
			}
			f(port, iface)
		}
	}
	return nil
}

// state makes the snapshot of the bridge. The only error is errTorn.
func (r rows) state(name string) (State, error) {
	state := State{Connected: true}
	if r.root != nil {
		state.OVSVersion = valueOf(r.root.OVSVersion)
		state.VLANLimit = r.root.OtherConfig["vlan-limit"]
		state.FlowRestoreWait = r.root.OtherConfig["flow-restore-wait"] == "true"
	}
	bridge, err := r.bridge(name)
	if err != nil {
		return State{}, err
	}
	if bridge == nil {
		return state, nil
	}
	state.Bridge = &Bridge{
		Name:         bridge.Name,
		DatapathID:   valueOf(bridge.DatapathID),
		DatapathType: bridge.DatapathType,
		FailMode:     valueOf(bridge.FailMode),
		OtherConfig:  bridge.OtherConfig,
		Interfaces:   make(map[string]Interface, len(bridge.Ports)),
		Tables:       make(map[int]Table, len(bridge.FlowTables)),
	}
	for _, uuid := range bridge.Controller {
		controller, err := row[vswitch.Controller](r.controllers, uuid)
		if err != nil {
			return State{}, fmt.Errorf("controller of bridge %s: %w", name, err)
		}
		state.Bridge.Controllers = append(state.Bridge.Controllers, controller.Target)
	}
	slices.Sort(state.Bridge.Controllers)
	for id, uuid := range bridge.FlowTables {
		table, err := row[vswitch.FlowTable](r.tables, uuid)
		if err != nil {
			return State{}, fmt.Errorf("table %d of bridge %s: %w", id, name, err)
		}
		state.Bridge.Tables[id] = tableOf(table)
	}
	err = r.eachInterface(bridge, func(port *vswitch.Port, iface *vswitch.Interface) {
		state.Bridge.Interfaces[iface.Name] = interfaceOf(port, iface)
	})
	if err != nil {
		return State{}, err
	}
	return state, nil
}

func tableOf(row *vswitch.FlowTable) Table {
	return Table{
		Name: valueOf(row.Name), FlowLimit: row.FlowLimit, OverflowPolicy: valueOf(row.OverflowPolicy), Prefixes: sorted(row.Prefixes),
	}
}

// sorted is a set in one order; nil when it is empty.
func sorted(set []string) []string {
	if len(set) == 0 {
		return nil
	}
	out := slices.Clone(set)
	slices.Sort(out)
	return out
}

func interfaceOf(port *vswitch.Port, row *vswitch.Interface) Interface {
	return Interface{
		Name:        row.Name,
		Type:        row.Type,
		OFPort:      uint32(max(valueOf(row.Ofport), 0)), // -1: the device could not be opened
		MAC:         valueOf(row.MACInUse),
		AttachedMAC: row.ExternalIDs[attachedMAC],
		AdminUp:     valueOf(row.AdminState) == vswitch.InterfaceAdminStateUp,
		LinkUp:      valueOf(row.LinkState) == vswitch.InterfaceLinkStateUp,
		MTU:         valueOf(row.MTU),
		Error:       valueOf(row.Error),
		Ifindex:     valueOf(row.Ifindex),
		Port:        port.Name,
		Protected:   port.Protected,
	}
}
