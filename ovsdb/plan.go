// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"ofcontroller/ovsdb/vswitch"
)

const (
	failModeSecure = "secure"
	policyRefuse   = "refuse"

	// With in-band control ovs-vswitchd adds hidden flows of its own to the bridge, for the hosts that its controllers and
	// managers run on (ovs-vswitchd.conf.db(5), Bridge, other_config:disable-in-band).
	disableInBand = "disable-in-band"

	typeInternal = "internal"
	typeSystem   = "system" // the same as ""

	maxTable = 254 // 255 means all tables (OpenFlow 1.3, A.3.4.1, OFPTT_ALL)
)

var (
	// ErrNoBridge says that the bridge does not exist and was not to be created.
	ErrNoBridge = errors.New("bridge does not exist")
	// ErrPortElsewhere says that a wanted port is attached to another bridge.
	ErrPortElsewhere = errors.New("port belongs to another bridge")
	// ErrNotInitialized says that the database has no row in table Open_vSwitch; ovs-vsctl init makes it.
	ErrNotInitialized = errors.New("database is not initialized")
)

// Spec is what the bridge is to be.
type Spec struct {
	// Create says that the bridge is to be made when it is missing, and that all Ports are to be attached where missing.
	Create bool
	// DatapathType is used only when the bridge is created.
	DatapathType string
	// Ports are the bridge's ports. Those that are neither marked Own nor covered by Create are only checked not to belong
	// to another bridge.
	Ports []PortSpec
	// Hold says that no port is to be attached yet but the one that comes with a new bridge.
	Hold bool
	// Protect says that all ports but those in Open are to be protected (ovs-vswitchd.conf.db(5), Port, protected): the
	// switch hands no frame from one of them to another, whatever its flows say. Ports in Open lose their protection
	// without Protect, too; ports that are attached get it.
	Protect bool
	// Open are the ports that exchange frames with all others; what is not there is left alone.
	Open []string
	// Gone are ports that the program made for itself and that are to leave the bridge; what is not there is left alone.
	Gone []string
	// Tables are the Flow_Table rows by OpenFlow table number, 0-254. An empty OverflowPolicy stands for "refuse". Rows of
	// other tables are left alone.
	Tables map[int]Table
}

// PortSpec is a port of the bridge.
type PortSpec struct {
	Name string
	Type string // "": a device of the system; "internal"
	// Own says that the program makes the port for itself: it is attached, and its type set, even without Spec.Create.
	Own bool
}

// plan is what has to change to bring the bridge to the spec.
type plan struct {
	bridge *vswitch.Bridge // nil: to be created
	root   *vswitch.OpenvSwitch
	name   string

	datapathType string // of a bridge that is created
	secure       bool
	outOfBand    bool
	attach       []PortSpec
	detach       []attached
	open         []string
	protect      []protection
	retype       []retype
	tables       []tableChange
}

type retype struct {
	name, uuid, from, to string
}

// protection is a port whose column protected is to change.
type protection struct {
	attached
	on bool
}

// attached is a port of the bridge.
type attached struct{ name, uuid string }

type tableChange struct {
	id   int
	uuid string // of the row to change, "" when the bridge needs a new row
	old  bool   // the new row takes the place of one that another bridge or table uses, too
	have *Table // nil: there was none
	want Table
}

// roomier tells whether the table takes more flows than before, and nothing else
// changes.
func (c tableChange) roomier() bool {
	if c.have == nil || c.have.FlowLimit == nil {
		return false
	}
	more := c.want
	if more.FlowLimit != nil && *more.FlowLimit < *c.have.FlowLimit {
		return false
	}
	more.FlowLimit = c.have.FlowLimit
	return more.equal(*c.have)
}

// makePlan compares the rows with the spec.
func makePlan(r rows, name string, spec Spec) (plan, error) {
	bridge, err := r.bridge(name)
	switch {
	case err != nil:
		return plan{}, err
	case r.root == nil:
		return plan{}, ErrNotInitialized
	case bridge == nil && !spec.Create:
		return plan{}, ErrNoBridge
	}
	p := plan{
		bridge:       bridge,
		root:         r.root,
		name:         name,
		datapathType: spec.DatapathType,
		secure:       bridge == nil || valueOf(bridge.FailMode) != failModeSecure,
		open:         spec.Open,
		outOfBand:    bridge == nil || bridge.OtherConfig[disableInBand] != "true",
	}
	if err := p.planPorts(r, spec); err != nil {
		return plan{}, err
	}
	if err := p.planGone(r, spec); err != nil {
		return plan{}, err
	}
	if err := p.planProtection(r, spec); err != nil {
		return plan{}, err
	}
	if err := p.planTables(r, spec); err != nil {
		return plan{}, err
	}
	return p, nil
}

// owner is where an interface is attached.
type owner struct {
	bridge string
	iface  *vswitch.Interface
}

// owners maps the names of all interfaces and ports of all bridges. Bonds have a name of their own, which no device may
// take.
func (r rows) owners() (map[string]owner, error) {
	bridges, err := r.allBridges()
	if err != nil {
		return nil, err
	}
	all := make(map[string]owner, len(r.interfaces))
	for _, bridge := range bridges {
		err := r.eachInterface(bridge, func(port *vswitch.Port, iface *vswitch.Interface) {
			if port.Name != iface.Name {
				all[port.Name] = owner{bridge: bridge.Name}
			}
			all[iface.Name] = owner{bridge: bridge.Name, iface: iface}
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (p *plan) planPorts(r rows, spec Spec) error {
	owners, err := r.owners()
	if err != nil {
		return err
	}
	local := PortSpec{Name: p.name, Type: typeInternal} // comes with the bridge, and goes with it
	seen := make(map[string]bool)
	for _, port := range append([]PortSpec{local}, spec.Ports...) {
		if seen[port.Name] {
			continue
		}
		seen[port.Name] = true
		owner, attached := owners[port.Name]
		hold := spec.Hold && port != local
		switch {
		case attached && owner.bridge != p.name:
			return fmt.Errorf("port %s: %w (%s)", port.Name, ErrPortElsewhere, owner.bridge)
		case !attached && !hold && (spec.Create || port.Own):
			p.attach = append(p.attach, port)
		case attached && port.Own && owner.iface != nil && !sameType(owner.iface.Type, port.Type):
			p.retype = append(p.retype, retype{port.Name, owner.iface.UUID, owner.iface.Type, port.Type})
		}
	}
	return nil
}

// planGone finds the ports that are to leave. One that Ports asks for stays.
func (p *plan) planGone(r rows, spec Spec) error {
	if p.bridge == nil || len(spec.Gone) == 0 {
		return nil
	}
	wanted := func(name string) bool {
		return slices.ContainsFunc(spec.Ports, func(s PortSpec) bool { return s.Name == name })
	}
	for _, uuid := range p.bridge.Ports {
		port, err := row[vswitch.Port](r.ports, uuid)
		if err != nil {
			return fmt.Errorf("port of bridge %s: %w", p.name, err)
		}
		if slices.Contains(spec.Gone, port.Name) && !wanted(port.Name) && port.Name != p.name {
			p.detach = append(p.detach, attached{port.Name, uuid})
		}
	}
	return nil
}

// planProtection finds the ports whose protection is not as it should be. Ports
// that are attached now get theirs with their rows.
func (p *plan) planProtection(r rows, spec Spec) error {
	if p.bridge == nil {
		return nil
	}
	ports, open := map[string]*vswitch.Port{}, map[string]bool{}
	err := r.eachInterface(p.bridge, func(port *vswitch.Port, iface *vswitch.Interface) {
		ports[port.Name] = port
		open[port.Name] = open[port.Name] || slices.Contains(spec.Open, iface.Name)
	})
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(ports)) {
		port := attached{name, ports[name].UUID}
		if on := !open[name]; on != ports[name].Protected && (spec.Protect || !on) && !slices.Contains(p.detach, port) {
			p.protect = append(p.protect, protection{port, on})
		}
	}
	return nil
}

func sameType(a, b string) bool {
	return a == b || (a == "" && b == typeSystem) || (a == typeSystem && b == "")
}

func (p *plan) planTables(r rows, spec Spec) error {
	users := r.tableUsers()
	for _, id := range slices.Sorted(maps.Keys(spec.Tables)) {
		if id < 0 || id > maxTable {
			return fmt.Errorf("table %d: want 0 to %d", id, maxTable)
		}
		want := spec.Tables[id]
		if want.OverflowPolicy == "" {
			want.OverflowPolicy = policyRefuse
		}
		want.Prefixes = sorted(want.Prefixes)
		change := tableChange{id: id, want: want}
		if p.bridge != nil && p.bridge.FlowTables[id] != "" {
			uuid := p.bridge.FlowTables[id]
			have, err := row[vswitch.FlowTable](r.tables, uuid)
			if err != nil {
				return fmt.Errorf("table %d: %w", id, err)
			}
			if want.Prefixes == nil {
				want.Prefixes = tableOf(have).Prefixes
			}
			now := tableOf(have)
			if now.equal(want) {
				continue
			}
			change.have, change.want = &now, want
			if change.old = users[uuid] > 1; !change.old {
				change.uuid = uuid
			}
		}
		p.tables = append(p.tables, change)
	}
	return nil
}

// tableUsers counts the references to each Flow_Table row: several bridges and tables may share one.
func (r rows) tableUsers() map[string]int {
	users := make(map[string]int, len(r.tables))
	for _, m := range r.bridges {
		if bridge, ok := m.(*vswitch.Bridge); ok {
			for _, uuid := range bridge.FlowTables {
				users[uuid]++
			}
		}
	}
	return users
}

// roomier tells whether there is nothing to do but to let tables take more flows.
func (p *plan) roomier() bool {
	for _, t := range p.tables {
		if !t.roomier() {
			return false
		}
	}
	return len(p.changes()) == len(p.tables) && len(p.tables) > 0
}

// changes tells the plan for the log, one line per change; none: nothing is to be done.
func (p *plan) changes() []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if p.bridge == nil {
		add("create bridge %s, datapath_type=%s", p.name, orDefault(p.datapathType, typeSystem))
	}
	if p.secure {
		add("set fail_mode=%s", failModeSecure)
	}
	if p.outOfBand {
		add("set other_config:%s=true", disableInBand)
	}
	for _, port := range p.attach {
		add("attach port %s, type=%s", port.Name, orDefault(port.Type, typeSystem))
	}
	for _, port := range p.detach {
		add("detach port %s", port.name)
	}
	for _, change := range p.protect {
		add("set protected=%t of port %s", change.on, change.name)
	}
	for _, change := range p.retype {
		add("set type of port %s to %s, was %s", change.name, orDefault(change.to, typeSystem), orDefault(change.from, typeSystem))
	}
	for _, change := range p.tables {
		limit := "none"
		if change.want.FlowLimit != nil {
			limit = strconv.Itoa(*change.want.FlowLimit)
		}
		line := fmt.Sprintf("set table %d: name=%q, flow_limit=%s, overflow_policy=%s", change.id, change.want.Name, limit,
			change.want.OverflowPolicy)
		if len(change.want.Prefixes) > 0 {
			line += ", prefixes=" + strings.Join(change.want.Prefixes, ",")
		}
		lines = append(lines, line)
	}
	return lines
}

func orDefault(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
