// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"maps"
	"slices"
)

// State is what is known of the bridge at one moment.
type State struct {
	// Connected says whether the database is watched at this moment. While it is false the rest is what was known last:
	// the kernel datapath forwards on without the database, and ovs-vswitchd takes neither changes nor OpenFlow.
	Connected bool
	// OVSVersion is the version of Open vSwitch ("3.1.0") as ovs-ctl(8) wrote it; empty when the switch was started
	// otherwise.
	OVSVersion string
	// VLANLimit is other_config:vlan-limit of the switch, as it stands there; empty for the default, 1.
	VLANLimit string
	// FlowRestoreWait is other_config:flow-restore-wait of the switch: an ovs-vswitchd that finds it when it starts keeps
	// its hands off the datapath until it is gone, see ovs-vswitchd.conf.db(5).
	FlowRestoreWait bool
	// Bridge is nil when the bridge does not exist.
	Bridge *Bridge
}

// Bridge is a row of table Bridge with what hangs on it.
type Bridge struct {
	Name         string
	DatapathID   string // 16 hex digits, empty until ovs-vswitchd has made the bridge
	DatapathType string // "system" (also written ""), "netdev"
	FailMode     string // "secure", "standalone" or "" (which means standalone)
	OtherConfig  map[string]string
	Controllers  []string             // targets ("tcp:127.0.0.1:6653"), sorted
	Interfaces   map[string]Interface // by name, the local port among them
	Tables       map[int]Table        // by OpenFlow table number; only those with a Flow_Table row
}

// Interface is a row of table Interface.
type Interface struct {
	Name string
	Type string // "" for a device of the system, "internal", ...
	// OFPort is the OpenFlow port number, 0 while there is none or when ovs-vswitchd could not open the device (see Error).
	OFPort uint32
	// MAC is the address in use (mac_in_use), AttachedMAC the one of whoever is behind the port (external_ids:attached-mac,
	// in the writing of the one who set it). Both may be empty.
	MAC         string
	AttachedMAC string
	AdminUp     bool
	LinkUp      bool
	MTU         int    // in bytes without the Ethernet header, 0: unknown
	Error       string // why ovs-vswitchd could not configure it
	Ifindex     int    // of the device in the kernel, 0: none
	Port        string // name of the Port row it belongs to: its own name, or the bond's
	// Protected tells that the switch hands the port no frames of other protected ports, nor them frames of this one.
	Protected bool
}

// Table is a row of table Flow_Table.
type Table struct {
	Name string
	// FlowLimit is the number of flows that the table takes at most, nil: no limit.
	FlowLimit *int
	// OverflowPolicy says what a full table does with one more flow: "refuse" (also written "") or "evict".
	OverflowPolicy string
	// Prefixes are the address fields that the table tracks by prefix, in alphabetical order; nil is the switch's default.
	// A Spec with nil leaves them as they are.
	Prefixes []string
}

// clone returns a copy that shares nothing with s.
func (s State) clone() State {
	if s.Bridge == nil {
		return s
	}
	bridge := *s.Bridge
	bridge.OtherConfig = maps.Clone(bridge.OtherConfig)
	bridge.Controllers = slices.Clone(bridge.Controllers)
	bridge.Interfaces = maps.Clone(bridge.Interfaces)
	bridge.Tables = maps.Clone(bridge.Tables)
	for id, table := range bridge.Tables {
		table.FlowLimit = clonePointer(table.FlowLimit)
		table.Prefixes = slices.Clone(table.Prefixes)
		bridge.Tables[id] = table
	}
	s.Bridge = &bridge
	return s
}

func (s State) equal(other State) bool {
	return s.Connected == other.Connected && s.OVSVersion == other.OVSVersion && s.VLANLimit == other.VLANLimit &&
		s.FlowRestoreWait == other.FlowRestoreWait && s.Bridge.equal(other.Bridge)
}

func (b *Bridge) equal(other *Bridge) bool {
	if b == nil || other == nil {
		return b == other
	}
	return b.Name == other.Name &&
		b.DatapathID == other.DatapathID &&
		b.DatapathType == other.DatapathType &&
		b.FailMode == other.FailMode &&
		maps.Equal(b.OtherConfig, other.OtherConfig) &&
		slices.Equal(b.Controllers, other.Controllers) &&
		maps.Equal(b.Interfaces, other.Interfaces) &&
		maps.EqualFunc(b.Tables, other.Tables, Table.equal)
}

func (t Table) equal(other Table) bool {
	return t.Name == other.Name && t.OverflowPolicy == other.OverflowPolicy && slices.Equal(t.Prefixes, other.Prefixes) && equalPointers(t.FlowLimit, other.FlowLimit)
}

// An optional column is a pointer in the generated rows: nil is the empty set of RFC 7047.

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

func equalPointers[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// valueOf returns what an optional column holds, or the zero value.
func valueOf[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
