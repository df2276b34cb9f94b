// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"slices"
	"strings"

	"ofcontroller/flows"
)

// World is what an explanation needs besides the flows.
type World struct {
	Bridge      string
	Gateway     flows.Gateway
	Ports       []Port       // of the bridge
	Policy      []string     // the policy's lines, in words
	OwnFailure  []bool       // of each line: it has an on_failure of its own
	Attachments []Attachment // as in Gateway.Attachments
	Notes       []string     // what else is not as it should be

	// Remembers tells whether the switch takes the source of a frame into the
	// table sources on its way in, or has it there at this port: a trace itself
	// teaches nothing.
	Remembers func(port uint32, vlan uint16, src flows.MAC) bool
}

// Port is a port of the bridge.
type Port struct {
	Name   string
	Number uint32
	LinkUp bool
	MTU    int    // bytes, 0 not known
	Error  string // why the switch could not open it
}

// Attachment is the state of an IPS.
type Attachment struct {
	Up     bool
	Reason string // of the verdict
}

func (w World) port(number uint32) (Port, bool) {
	i := slices.IndexFunc(w.Ports, func(p Port) bool { return p.Number == number && number != 0 })
	if i < 0 {
		return Port{Name: fmt.Sprintf("OpenFlow port %d", number), Number: number, LinkUp: true}, false
	}
	return w.Ports[i], true
}

func (w World) named(name string) (Port, bool) {
	i := slices.IndexFunc(w.Ports, func(p Port) bool { return p.Name == name })
	if i < 0 {
		return Port{}, false
	}
	return w.Ports[i], true
}

// trunk finds the trunk of an OpenFlow port.
func (w World) trunk(number uint32) (flows.Trunk, bool) {
	i := slices.IndexFunc(w.Gateway.Trunks, func(t flows.Trunk) bool { return t.OFPort == number && number != 0 })
	if i < 0 {
		return flows.Trunk{}, false
	}
	return w.Gateway.Trunks[i], true
}

// role says what the configuration has a port for, "" nothing.
func (w World) role(name string) string {
	g := w.Gateway
	switch {
	case g.Uplink.Name == name:
		return "uplink"
	case g.Local.Enabled && w.Bridge == name:
		return "local"
	}
	for _, t := range g.Trunks {
		if t.Name == name {
			return "trunk"
		}
	}
	for _, a := range g.Attachments {
		for _, l := range a.Legs {
			if l.Port.Name == name {
				return "ips"
			}
		}
	}
	return ""
}

// attachment finds the attachment that takes the origin's frames at a port.
func (w World) attachment(port uint32, o flows.Origin) (int, bool) {
	for i, a := range w.Gateway.Attachments {
		for _, l := range a.Legs {
			if l.Port.OFPort == port && port != 0 && (l.Sends.Has(o) || a.StackLane) {
				return i, true
			}
		}
	}
	return 0, false
}

// returns is the port at which the attachment gives frames of the origin back
// that went to it out of a port: another one, where it has two.
func (w World) returns(i int, o flows.Origin, sent uint32) flows.Port {
	var back flows.Port
	for _, l := range w.Gateway.Attachments[i].Legs {
		if l.Returns.Has(o) && (back.Name == "" || l.Port.OFPort != sent) {
			back = l.Port
		}
	}
	return back
}

// carriers names the trunk ports that are configured to carry a VLAN.
func (w World) carriers(vlan uint16) []flows.Trunk {
	var out []flows.Trunk
	for _, t := range w.Gateway.Trunks {
		if slices.Contains(t.VLANs, vlan) {
			out = append(out, t)
		}
	}
	return out
}

// VLANs writes a list of VLANs with ranges.
func VLANs(vlans []uint16) string {
	all := slices.Clone(vlans)
	slices.Sort(all)
	var s []string
	for i := 0; i < len(all); {
		j := i
		for j+1 < len(all) && all[j+1] == all[j]+1 {
			j++
		}
		switch j - i {
		case 0:
			s = append(s, fmt.Sprint(all[i]))
		case 1:
			s = append(s, fmt.Sprint(all[i]), fmt.Sprint(all[j]))
		default:
			s = append(s, fmt.Sprintf("%d-%d", all[i], all[j]))
		}
		i = j + 1
	}
	return strings.Join(s, ", ")
}
