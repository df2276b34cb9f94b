// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"fmt"
	"net"
	"slices"
	"strconv"

	"ofcontroller/config"
	"ofcontroller/flows"
	"ofcontroller/ovsdb"
)

// maxOFPort is the highest number of a physical port in 16-bit OpenFlow port
// fields (OFPP_MAX, OpenFlow 1.0, 5.2.1).
const maxOFPort = 0xff00

// gateway joins the configuration with what is known of the ports and of the
// attachments' health. It also names what is not as it should be.
func gateway(cfg *config.Config, br *ovsdb.Bridge, up map[string]bool) (flows.Gateway, []string) {
	w := portLookup{bridge: br}
	g := flows.Gateway{
		Uplink:          w.port(cfg.Uplinks[0].Port),
		OpenOnFailure:   cfg.Inspection.OnFailure == config.Open,
		EastWest:        cfg.Forwarding.EastWest,
		MACAging:        uint16(cfg.Forwarding.MACAging.Seconds()),
		MACLimitPerPort: uint32(cfg.Forwarding.MACLimitPerPort),
		Local:           flows.Local{Enabled: cfg.Local.Enabled && br != nil, VLAN: cfg.Local.VLAN},
	}
	if g.Local.Enabled {
		g.Local.MAC = w.localMAC()
	}
	for _, t := range cfg.Trunks {
		g.Trunks = append(g.Trunks, w.trunk(t))
	}
	w.dropContested(g.Trunks)
	w.nobodyMaySend(g.Trunks)
	for _, at := range cfg.Inspection.Attachments {
		out := w.attachment(at)
		out.Up = up[at.Name]
		g.Attachments = append(g.Attachments, out)
	}
	for _, x := range cfg.Failover {
		if x.Pair() {
			g.Groups = append(g.Groups, flows.FailoverGroup{Name: x.Name, VLANs: x.VLANs})
		}
	}
	for _, l := range cfg.Inspection.Policy {
		g.Policy = append(g.Policy, policyLine(l))
	}
	return g, w.faults
}

// portLookup finds ports of the configuration on the bridge.
type portLookup struct {
	bridge *ovsdb.Bridge
	faults []string
}

func (w *portLookup) fault(format string, a ...any) {
	w.faults = append(w.faults, fmt.Sprintf(format, a...))
}

func (w *portLookup) port(name string) flows.Port {
	p := flows.Port{Name: name}
	if w.bridge == nil {
		return p
	}
	switch i, ok := w.bridge.Interfaces[name]; {
	case !ok:
		w.fault("port %s is not on bridge %s", name, w.bridge.Name)
	case i.Error != "":
		w.fault("port %s: %s", name, i.Error)
	case i.OFPort == 0:
		w.fault("port %s has no OpenFlow port yet", name)
	case i.OFPort >= maxOFPort:
		w.fault("port %s has the OpenFlow port %d, above %d", name, i.OFPort, maxOFPort-1)
	default:
		p.OFPort = i.OFPort
	}
	return p
}

// ownPort finds a port that this program makes itself. That it is not there
// yet is no fault of anybody's.
func (w *portLookup) ownPort(name string) flows.Port {
	if w.bridge != nil {
		if _, ok := w.bridge.Interfaces[name]; !ok {
			return flows.Port{Name: name}
		}
	}
	return w.port(name)
}

func (w *portLookup) localMAC() flows.MAC {
	text := w.bridge.Interfaces[w.bridge.Name].MAC
	mac, err := net.ParseMAC(text)
	if err != nil || len(mac) != 6 {
		w.fault("the MAC of %s is not known", w.bridge.Name)
		return flows.MAC{}
	}
	return flows.MAC(mac)
}

func (w *portLookup) trunk(t config.Trunk) flows.Trunk {
	out := flows.Trunk{Port: w.port(t.Port), VLANs: t.VLANs, Native: t.NativeVLAN, PortSecurity: t.PortSecurity}
	for _, m := range t.MACs {
		out.MACs = append(out.MACs, flows.MAC(m))
	}
	if w.bridge == nil {
		return out
	}
	if text := w.bridge.Interfaces[t.Port].AttachedMAC; text != "" {
		mac, err := net.ParseMAC(text)
		if err != nil || len(mac) != 6 || mac[0]&1 == 1 {
			w.fault("port %s: external_ids:attached-mac %q is not a unicast MAC", t.Port, text)
			return out
		}
		out.MACs = append(out.MACs, flows.MAC(mac))
	}
	return out
}

// dropContested takes away addresses that two trunk ports of one VLAN claim:
// the first port keeps them. The configuration cannot say so, but
// external_ids:attached-mac of the ports can.
func (w *portLookup) dropContested(trunks []flows.Trunk) {
	behind := map[flows.MAC][]int{}
	for i := range trunks {
		t := &trunks[i]
		kept := t.MACs[:0:0]
		for _, m := range t.MACs {
			if owner := slices.IndexFunc(behind[m], func(k int) bool { return k != i && shareVLAN(&trunks[k], t) }); owner >= 0 {
				w.fault("address %s of port %s already belongs to port %s", m, t.Name, trunks[behind[m][owner]].Name)
				continue
			}
			behind[m] = append(behind[m], i)
			kept = append(kept, m)
		}
		t.MACs = kept
	}
}

func shareVLAN(a, b *flows.Trunk) bool {
	return slices.ContainsFunc(a.VLANs, func(v uint16) bool { return slices.Contains(b.VLANs, v) })
}

// nobodyMaySend names ports with port security whose addresses nobody has told.
func (w *portLookup) nobodyMaySend(trunks []flows.Trunk) {
	for _, t := range trunks {
		if t.PortSecurity && len(t.MACs) == 0 && w.bridge != nil {
			w.fault("port %s: port_security, and no address of it is known: nothing may send there; list them in trunks[].macs or set external_ids:attached-mac", t.Name)
		}
	}
}

func (w *portLookup) attachment(c config.Attachment) flows.Attachment {
	return flows.Attachment{Name: c.Name, Legs: w.legs(c), StackLane: c.Kind == config.KindSuricata, Weight: c.Weight}
}

// legs gives the attachment's ports. A two-legged one takes frames at its port
// and gives them back at its return port; a directional one does so with the
// uplink's frames, and the other way round with all others.
func (w *portLookup) legs(at config.Attachment) []flows.Leg {
	switch {
	case at.Kind == config.KindEmbedded:
		return []flows.Leg{{Port: w.ownPort(enginePorts(at)[0]), Sends: flows.AllOrigins, Returns: flows.AllOrigins}}
	case at.Kind == config.KindSuricata:
		ports := enginePorts(at)
		return []flows.Leg{
			{Port: w.ownPort(ports[0]), Sends: flows.AllOrigins, Returns: flows.AllOrigins},
			{Port: w.ownPort(ports[1]), Returns: flows.AllOrigins},
		}
	case at.ReturnPort == "":
		return []flows.Leg{{Port: w.port(at.Port), Sends: flows.AllOrigins, Returns: flows.AllOrigins}}
	case at.Legs == config.LegsDirectional:
		const fromUplink = flows.Origins(1 << flows.OriginUplink)
		return []flows.Leg{
			{Port: w.port(at.Port), Sends: fromUplink, Returns: flows.AllOrigins &^ fromUplink},
			{Port: w.port(at.ReturnPort), Sends: flows.AllOrigins &^ fromUplink, Returns: fromUplink},
		}
	}
	return []flows.Leg{
		{Port: w.port(at.Port), Sends: flows.AllOrigins},
		{Port: w.port(at.ReturnPort), Returns: flows.AllOrigins},
	}
}

func policyLine(l config.PolicyLine) flows.PolicyLine {
	out := flows.PolicyLine{VLAN: l.VLAN, IP: l.IP, Proto: policyProto(l.Proto), Port: l.Port}
	switch l.Action {
	case config.ActionBypass:
		out.Action = flows.Bypass
	case config.ActionDrop:
		out.Action = flows.DropFrame
	}
	switch l.OnFailure {
	case config.Closed:
		out.OnFailure = flows.FailClosed
	case config.Open:
		out.OnFailure = flows.FailOpen
	}
	return out
}

func policyProto(name string) flows.Proto {
	switch name {
	case "":
		return flows.ProtoAny
	case "tcp":
		return flows.ProtoTCP
	case "udp":
		return flows.ProtoUDP
	case "sctp":
		return flows.ProtoSCTP
	case "icmp":
		return flows.ProtoICMP
	}
	n, err := strconv.Atoi(name)
	if err != nil {
		panic(fmt.Sprintf("ofapp: protocol %q passed validation", name))
	}
	return flows.Proto(n)
}

// attachmentPorts names the bridge ports of an attachment.
func attachmentPorts(at config.Attachment) []string {
	switch {
	case at.Kind != config.KindPort:
		return enginePorts(at)
	case at.ReturnPort == "":
		return []string{at.Port}
	}
	return []string{at.Port, at.ReturnPort}
}
