// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"fmt"
	"slices"

	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"ofcontroller/ovsdb/vswitch"
)

// builder collects the operations of one transaction (RFC 7047, 5.2) and the first error.
type builder struct {
	ovs client.Client
	ops []ovsdb.Operation
	err error
}

func (b *builder) add(ops []ovsdb.Operation, err error) {
	if b.err == nil {
		b.err = err
	}
	b.ops = append(b.ops, ops...)
}

func (b *builder) create(m model.Model) {
	b.add(b.ovs.Create(m))
}

func (b *builder) mutate(m model.Model, mutations ...model.Mutation) {
	if len(mutations) > 0 {
		b.add(b.ovs.Where(m).Mutate(m, mutations...))
	}
}

func (b *builder) update(m model.Model, fields ...any) {
	b.add(b.ovs.Where(m).Update(m, fields...))
}

// operations makes the transaction that carries the plan out. Its last operation reads the next_cfg which ovs-vswitchd
// writes to cur_cfg when it has applied the change.
func (p *plan) operations(ovs client.Client) ([]ovsdb.Operation, error) {
	b := &builder{ovs: ovs}
	// Named UUIDs stand for the rows that the transaction inserts.
	ports := make([]string, 0, len(p.attach))
	for i, port := range p.attach {
		portUUID, ifaceUUID := fmt.Sprintf("port%d", i), fmt.Sprintf("iface%d", i)
		b.create(&vswitch.Interface{UUID: ifaceUUID, Name: port.Name, Type: port.Type})
		b.create(&vswitch.Port{UUID: portUUID, Name: port.Name, Interfaces: []string{ifaceUUID}, Protected: !slices.Contains(p.open, port.Name)})
		ports = append(ports, portUUID)
	}
	tables := make(map[int]string)
	var replaced []int
	for _, change := range p.tables {
		table := vswitch.FlowTable{
			UUID:           change.uuid,
			FlowLimit:      change.want.FlowLimit,
			OverflowPolicy: &change.want.OverflowPolicy,
			Prefixes:       change.want.Prefixes,
		}
		if change.want.Name != "" {
			table.Name = &change.want.Name
		}
		if change.uuid != "" {
			b.update(&table, &table.Name, &table.FlowLimit, &table.OverflowPolicy, &table.Prefixes)
			continue
		}
		table.UUID = fmt.Sprintf("table%d", change.id)
		b.create(&table)
		tables[change.id] = table.UUID
		if change.old {
			replaced = append(replaced, change.id)
		}
	}
	for _, change := range p.protect {
		port := vswitch.Port{UUID: change.uuid, Protected: change.on}
		b.update(&port, &port.Protected)
	}
	for _, change := range p.retype {
		iface := vswitch.Interface{UUID: change.uuid, Type: change.to}
		b.update(&iface, &iface.Type)
	}
	root := &vswitch.OpenvSwitch{UUID: p.root.UUID}
	if p.bridge == nil {
		p.createBridge(b, root, ports, tables)
	} else {
		p.changeBridge(b, ports, tables, replaced)
	}
	b.mutate(root, model.Mutation{Field: &root.NextCfg, Mutator: ovsdb.MutateOperationAdd, Value: 1})
	b.add([]ovsdb.Operation{{
		Op:      ovsdb.OperationSelect,
		Table:   vswitch.OpenvSwitchTable,
		Columns: []string{"next_cfg"},
	}}, nil)
	if b.err != nil {
		return nil, fmt.Errorf("build transaction: %w", b.err)
	}
	return b.ops, nil
}

func (p *plan) createBridge(b *builder, root *vswitch.OpenvSwitch, ports []string, tables map[int]string) {
	const uuid = "bridge"
	secure := vswitch.BridgeFailMode(failModeSecure)
	b.create(&vswitch.Bridge{
		UUID:         uuid,
		Name:         p.name,
		DatapathType: p.datapathType,
		FailMode:     &secure,
		OtherConfig:  map[string]string{disableInBand: "true"},
		Ports:        ports,
		FlowTables:   tables,
	})
	b.mutate(root, model.Mutation{Field: &root.Bridges, Mutator: ovsdb.MutateOperationInsert, Value: []string{uuid}})
}

// changeBridge writes columns as a whole only where one value is all they hold; of maps and sets it changes its own part.
func (p *plan) changeBridge(b *builder, ports []string, tables map[int]string, replaced []int) {
	bridge := &vswitch.Bridge{UUID: p.bridge.UUID, Name: p.name}
	// A row that is gone would be passed over silently; this makes the transaction fail as a whole.
	at := 0
	b.add(b.ovs.Where(bridge).Wait(ovsdb.WaitConditionEqual, &at, bridge, &bridge.Name))
	if p.secure {
		secure := vswitch.BridgeFailMode(failModeSecure)
		bridge.FailMode = &secure
		b.update(bridge, &bridge.FailMode)
	}
	var mutations []model.Mutation
	if p.outOfBand {
		// Inserting does not overwrite a key that is there (RFC 7047, 5.1, mutation "insert" of a map).
		mutations = append(mutations,
			model.Mutation{Field: &bridge.OtherConfig, Mutator: ovsdb.MutateOperationDelete, Value: []string{disableInBand}},
			model.Mutation{Field: &bridge.OtherConfig, Mutator: ovsdb.MutateOperationInsert, Value: map[string]string{disableInBand: "true"}})
	}
	if len(ports) > 0 {
		mutations = append(mutations,
			model.Mutation{Field: &bridge.Ports, Mutator: ovsdb.MutateOperationInsert, Value: ports})
	}
	if len(p.detach) > 0 {
		var gone []string
		for _, port := range p.detach {
			gone = append(gone, port.uuid)
		}
		mutations = append(mutations,
			model.Mutation{Field: &bridge.Ports, Mutator: ovsdb.MutateOperationDelete, Value: gone})
	}
	if len(replaced) > 0 {
		mutations = append(mutations,
			model.Mutation{Field: &bridge.FlowTables, Mutator: ovsdb.MutateOperationDelete, Value: replaced})
	}
	if len(tables) > 0 {
		mutations = append(mutations,
			model.Mutation{Field: &bridge.FlowTables, Mutator: ovsdb.MutateOperationInsert, Value: tables})
	}
	b.mutate(bridge, mutations...)
}
