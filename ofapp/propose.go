// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ofcontroller/ofapp/trace"
	"ofcontroller/ovsdb"
)

// ProposeFor reads a database and proposes a configuration for one of its
// bridges; "" is the only one.
func ProposeFor(ctx context.Context, endpoint, bridge string) (string, error) {
	all, err := ovsdb.Survey(ctx, ovsdb.Options{Endpoint: endpoint})
	if err != nil {
		return "", fmt.Errorf("%w (is Open vSwitch running, and is this its database? --ovsdb names another)", err)
	}
	found, err := pick(all, bridge)
	if err != nil {
		return "", err
	}
	return propose(endpoint, found), nil
}

// pick finds the bridge by its name, or the only one.
func pick(all []ovsdb.Found, name string) (ovsdb.Found, error) {
	var names []string
	for _, f := range all {
		if f.Name == name || name == "" && len(all) == 1 {
			return f, nil
		}
		names = append(names, f.Name)
	}
	switch {
	case len(all) == 0:
		return ovsdb.Found{}, errors.New("there is no bridge in the database: ovs-vsctl add-br makes one")
	case name == "":
		return ovsdb.Found{}, fmt.Errorf("there are the bridges %s: --bridge with one of them would be right", strings.Join(names, ", "))
	}
	return ovsdb.Found{}, fmt.Errorf("there is no bridge %s, but %s", name, strings.Join(names, ", "))
}

// propose writes a configuration for a bridge as it is forwarding now, with the
// reasons as comments. What it can't tell it says, and somebody has to decide.
func propose(endpoint string, found ovsdb.Found) string {
	p := proposal{found: found, uplinkTag: -1}
	p.choose()
	p.survey()
	return p.text(endpoint)
}

const (
	maxVID = 4094

	// A port with a tag and no vlan_mode is an access port, one with neither a
	// trunk (ovs-vswitchd.conf.db(5), Port, vlan_mode).
	modeAccess         = "access"
	modeTrunk          = "trunk"
	modeNativeTagged   = "native-tagged"
	modeNativeUntagged = "native-untagged"
	modeTunnel         = "dot1q-tunnel"
)

type proposal struct {
	found     ovsdb.Found
	uplink    *ovsdb.FoundPort
	others    []string // ports that may be uplinks, too
	uplinkTag int      // VLAN of an access port that is the uplink; -1 none
	named     []uint16 // VLANs that ports of the bridge name
	local     *ovsdb.FoundPort
	trunks    []ovsdb.FoundPort
	leftOut   []string // with the reason
}

// modeOf is the port's VLAN mode, the default resolved.
func modeOf(p ovsdb.FoundPort) string {
	switch {
	case p.Mode != "":
		return p.Mode
	case p.Tag != nil && len(p.Trunks) == 0:
		return modeAccess
	case p.Tag != nil: // as ovs-vswitchd takes it: vlan_mode is missing, and tag wins
		return modeAccess
	}
	return modeTrunk
}

// physical are the beginnings of names that adapters and what is put over them
// have (systemd.net-naming-scheme(7), and the kernel's own).
var physical = []string{"en", "eth", "bond", "team", "ib", "wl", "dpdk"}

// likeUplink tells how much a port looks like the physical side; 0: not at all.
func likeUplink(p ovsdb.FoundPort) int {
	switch {
	case p.Guest || p.Type == "internal":
		return 0
	case p.Type == "dpdk" || len(p.Members) > 1:
		return 3
	case p.Type == "" || p.Type == "system":
		if slices.ContainsFunc(physical, func(s string) bool { return strings.HasPrefix(p.Name, s) }) {
			return 2
		}
	case p.Type == "patch":
		return 1
	}
	return 0
}

// choose says which port is the uplink, which the host, and which are trunks.
func (p *proposal) choose() {
	for i := range p.found.Ports {
		port := &p.found.Ports[i]
		n := likeUplink(*port)
		if n > 0 && (p.uplink == nil || n > likeUplink(*p.uplink)) {
			p.uplink = port
		}
	}
	for i := range p.found.Ports {
		port := &p.found.Ports[i]
		switch {
		case port == p.uplink:
		case port.Name == p.found.Name:
			p.local = port
		case strings.HasPrefix(port.Name, "ofc-"), strings.HasPrefix(port.Name, "ofs-"):
			p.leftOut = append(p.leftOut, port.Name+": a port of ofcontroller's own engines")
		case len(port.Members) > 1:
			p.leftOut = append(p.leftOut, port.Name+": a bond of "+strings.Join(port.Members, ", ")+"; bonds of Open vSwitch can't be ports of the gateway")
		case modeOf(*port) == modeTunnel:
			p.leftOut = append(p.leftOut, port.Name+": vlan_mode dot1q-tunnel has no like here")
		default:
			if likeUplink(*port) > 1 {
				p.others = append(p.others, port.Name)
			}
			p.trunks = append(p.trunks, *port)
		}
	}
	if p.uplink != nil && modeOf(*p.uplink) == modeAccess {
		p.uplinkTag = *p.uplink.Tag
	}
}

// survey gathers the VLANs that ports name.
func (p *proposal) survey() {
	set := map[uint16]bool{0: true}
	for _, port := range p.found.Ports {
		for _, v := range port.Trunks {
			set[p.vlan(v)] = v <= maxVID
		}
		if port.Tag != nil && *port.Tag <= maxVID {
			set[p.vlan(*port.Tag)] = true
		}
	}
	for v, ok := range set {
		if ok {
			p.named = append(p.named, v)
		}
	}
	slices.Sort(p.named)
}

// vlan is the VLAN as the gateway sees it: an uplink that is an access port has
// its VLAN untagged on the wire.
func (p *proposal) vlan(v int) uint16 {
	if v == p.uplinkTag {
		return 0
	}
	return uint16(v)
}

// trunkLine is one entry of trunks.
func (p *proposal) trunkLine(port ovsdb.FoundPort) string {
	mode := modeOf(port)
	var vlans []uint16
	var note string
	switch {
	case mode == modeAccess:
		vlans, note = []uint16{p.vlan(*port.Tag)}, fmt.Sprintf("access port of VLAN %d", *port.Tag)
	case len(port.Trunks) > 0:
		for _, v := range port.Trunks {
			if v <= maxVID {
				vlans = append(vlans, p.vlan(v))
			}
		}
		note = "trunk"
	default:
		vlans, note = slices.Clone(p.named), "trunk of every VLAN: these are named on the bridge, add what its guests tag"
	}
	native := uint16(0)
	if port.Tag != nil && (mode == modeNativeTagged || mode == modeNativeUntagged) {
		v := p.vlan(*port.Tag)
		vlans = append(vlans, v)
		native = v
		note += ", " + mode
		if mode == modeNativeTagged {
			native, note = 0, note+": its untagged frames have no like here; VLAN "+fmt.Sprint(v)+" is carried tagged"
		}
	} else if mode == modeAccess {
		native = vlans[0]
	}
	slices.Sort(vlans)
	line := fmt.Sprintf("  - {port: %s, vlans: [%s]", quoted(port.Name), vlanList(slices.Compact(vlans)))
	if native != 0 {
		line += fmt.Sprintf(", native_vlan: %d", native)
	}
	return line + "}  # " + note
}

// vlanList writes VLANs as the configuration takes them: ranges are quoted.
func vlanList(vlans []uint16) string {
	parts := strings.Split(trace.VLANs(vlans), ", ")
	for i, s := range parts {
		if strings.Contains(s, "-") {
			parts[i] = `"` + s + `"`
		}
	}
	return strings.Join(parts, ", ")
}

// quoted writes a name so that YAML takes it for a text.
func quoted(name string) string { return fmt.Sprintf("%q", name) }

func (p *proposal) text(endpoint string) string {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	line("# Proposed from the bridge %s as it is. Read it, change what is wrong, then: ofcontroller check", p.found.Name)
	line("# Every key is in docs/configuration.md.")
	line("ovsdb: %s", quoted(endpoint))
	line("bridge: {name: %s}", quoted(p.found.Name))
	line("")
	p.uplinkText(line)
	line("")
	line("trunks:                # the virtual side; VLAN 0 is the untagged network")
	for _, t := range p.trunks {
		line("%s", p.trunkLine(t))
	}
	if len(p.trunks) == 0 {
		line("  - {port: \"\", vlans: [0]}  # the bridge has no port for it: name one")
	}
	for _, s := range p.leftOut {
		line("  # left out: %s", s)
	}
	line("")
	p.localText(line)
	line("")
	line("inspection:")
	line("  on_failure: closed   # open: frames pass uninspected while no IPS is up")
	line("  attachments:         # the IPS; docs/suricata.md and docs/carrier.md have the other kinds")
	line("    - name: builtin")
	line("      kind: embedded")
	line("      rules: [/etc/ofcontroller/rules/local.rules]")
	return b.String()
}

func (p *proposal) uplinkText(line func(string, ...any)) {
	line("uplinks:               # the physical side")
	switch {
	case p.uplink == nil:
		line("  - port: \"\"           # no port looks like a physical adapter: name it, and take it out of trunks")
		return
	case len(p.uplink.Members) > 1:
		line("  - port: %s    # a bond of %s: bonds of Open vSwitch can't be ports of the gateway; bond in the kernel instead",
			quoted(p.uplink.Name), strings.Join(p.uplink.Members, ", "))
	case p.uplinkTag >= 0:
		line("  - port: %s    # an access port of VLAN %d: that VLAN is untagged on the wire, here VLAN 0", quoted(p.uplink.Name), p.uplinkTag)
	case p.uplink.Type == "patch":
		line("  - port: %s    # a patch port: the way to another bridge", quoted(p.uplink.Name))
	default:
		line("  - port: %s", quoted(p.uplink.Name))
	}
	if modeOf(*p.uplink) == modeNativeUntagged {
		line("    # vlan_mode native-untagged, VLAN %d: what is untagged on the wire is VLAN 0 here", *p.uplink.Tag)
	}
	for _, o := range p.others {
		line("    # %s looks like a physical adapter, too, and stands among the trunks: one uplink is possible", o)
	}
}

func (p *proposal) localText(line func(string, ...any)) {
	vlan := uint16(0)
	if p.local != nil && p.local.Tag != nil {
		vlan = p.vlan(*p.local.Tag)
	}
	if p.local == nil || !p.local.AdminUp {
		note := ""
		if vlan != 0 {
			note = fmt.Sprintf("; its VLAN would be %d", vlan)
		}
		line("local: {enabled: false}  # the host's own port %s is down%s", p.found.Name, note)
		return
	}
	line("local: {enabled: true, vlan: %d}  # the host's own port %s; its VLAN is untagged there", vlan, p.found.Name)
}
