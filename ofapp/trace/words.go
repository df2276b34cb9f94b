// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"ofcontroller/flows"
)

// met tells what a flow that the frame met is for.
func (e *explainer) met(r *Rule) {
	switch c := r.Cookie; {
	case !r.Hit:
		e.missed(r)
	case !c.Ours():
		e.step(r, "flow", "a flow that is not ofcontroller's, in the table %s", r.Table)
	default:
		e.ours(r, c)
	}
}

// foundVLAN is the VLAN of an entry of the table mac.
var foundVLAN = regexp.MustCompile(`\breg2=(0x[0-9a-f]+|0)/0xfff`)

// missed tells of a table that had no flow for the frame. Tables whose flows are
// learned may have none.
func (e *explainer) missed(r *Rule) {
	switch r.Table {
	case flows.TableMAC:
		if e.origin != flows.OriginNone { // a frame of the IPS's own is looked up in every VLAN
			e.step(r, "MAC", "%s is not known in VLAN %d", e.frame.Dst, e.vlan)
		}
	case flows.TableSources, flows.TableIngress, flows.TableLimit, flows.TableLearn, flows.TableGate, flows.TableTerm, flows.TableLease:
	default:
		e.stop(r, "the table %s has no flow for it: the switch does not hold the gateway's flows", r.Table)
	}
}

// ours tells of a flow of the gateway's own, by its cookie.
func (e *explainer) ours(r *Rule, c flows.Cookie) {
	object := c.Object()
	switch c.Category() {
	case flows.CatClassify:
		e.classified(r)
	case flows.CatVLAN:
		e.admitted(r, uint16(object&0xfff))
	case flows.CatPolicy:
		text := fmt.Sprintf("line %d", object+1)
		if int(object) < len(e.w.Policy) {
			text += ": " + e.w.Policy[object]
		}
		if int(object) < len(e.w.OwnFailure) && e.w.OwnFailure[object] {
			e.line = int(object) + 1
		}
		e.step(r, "policy", "%s", text)
	case flows.CatBypass:
		e.step(r, "offload", "the connection is bypassed%s: no IPS sees it any more", byRule(object))
	case flows.CatBlock:
		e.stop(r, "the connection is blocked%s: the switch drops it without the IPS (offloads tells until when)", byRule(object))
	case flows.CatDispatch:
		if r.Table == flows.TableSteer && len(e.w.Policy) > 0 {
			e.step(r, "policy", "no line matches: it is inspected")
		}
	case flows.CatFailure:
		e.failed(r, object)
	case flows.CatReturn:
		if e.in.Number == object { // else the return of a frame that came in elsewhere
			e.step(r, "origin", "the IPS itself, at %s", e.in.Name)
			if len(e.frame.Tags) > 0 {
				e.vlan, e.popped = e.frame.Tags[0].VID, true
			}
		}
	case flows.CatProbe:
		e.stop(r, "it is a probe: it goes to the controller")
	case flows.CatSeen:
		if object != e.in.Number {
			e.note("%s was last seen at %s; this frame moves it to %s", e.frame.Src, e.name(object), e.in.Name)
		}
	case flows.CatLearned, flows.CatStatic:
		e.known = true
		if v := foundVLAN.FindStringSubmatch(r.Match); v != nil && e.origin == flows.OriginNone {
			n, _ := strconv.ParseUint(v[1], 0, 12)
			e.vlan = uint16(n)
		}
		how := map[bool]string{true: "learned", false: "configured"}[c.Category() == flows.CatLearned]
		e.step(r, "MAC", "%s is behind %s (%s)", e.frame.Dst, e.name(object), how)
	case flows.CatHost:
		e.host(r)
	case flows.CatUnlearned:
		if object != 0 || r.Table != flows.TableLearn {
			e.note("the port of the source %s is not known: it goes to the uplink only", e.frame.Src)
		}
	case flows.CatForward:
		e.forward(r, object)
	case flows.CatDrop:
		e.drop(r, flows.DropReason(object))
	case flows.CatFull:
		e.learns = true // as the table ingress, which is left out: what is not known already is over the limit
	case flows.CatAdmit, flows.CatSender, flows.CatIngress, flows.CatSource, flows.CatLearn, flows.CatOutput, flows.CatGate, flows.CatTerm, flows.CatHorizon, flows.CatLimit:
	case flows.CatHold:
		e.step(r, "failover", "VLAN %d is handed over between two gateways: the controllers have its frames meanwhile", e.vlan)
	case flows.CatLease:
		if e.origin != flows.OriginNone && !e.leased {
			e.leased = true
			e.step(r, "failover", "this gateway has VLAN %d", e.vlan)
		}
	default:
		e.step(r, "flow", "%s", meaning(c))
	}
}

// meaning says what a flow is for, by its category alone.
func meaning(c flows.Cookie) string {
	for _, i := range flows.Categories() {
		if i.Category == c.Category() {
			return i.Meaning
		}
	}
	return c.String()
}

func (e *explainer) classified(r *Rule) {
	if e.origin != flows.OriginNone {
		return // back from the IPS
	}
	switch e.w.role(e.in.Name) {
	case "uplink":
		e.origin = flows.OriginUplink
	case "trunk":
		e.origin = flows.OriginTrunk
	case "local":
		e.origin = flows.OriginLocal
	default:
		return
	}
	words := map[flows.Origin]string{
		flows.OriginUplink: "%s is the uplink", flows.OriginTrunk: "%s is a trunk port", flows.OriginLocal: "%s is the host",
	}
	e.step(r, "origin", "%s: "+words[e.origin], e.origin, e.in.Name)
}

func (e *explainer) admitted(r *Rule, vlan uint16) {
	e.vlan = vlan
	name := fmt.Sprintf("%d", vlan)
	if vlan == 0 {
		name = "0, the untagged network"
	}
	switch t, _ := e.w.trunk(e.in.Number); {
	case e.origin == flows.OriginLocal:
		e.step(r, "VLAN", "%s: the host lives there", name)
	case e.origin == flows.OriginTrunk && vlan != 0 && t.Native == vlan:
		e.step(r, "VLAN", "%s: native on %s", name, e.in.Name)
	case e.origin == flows.OriginTrunk:
		e.step(r, "VLAN", "%s: %s carries it", name, e.in.Name)
	default:
		e.step(r, "VLAN", "%s: carried by %s", name, e.holders(vlan))
	}
}

// holders names the ports that carry a VLAN and are there.
func (e *explainer) holders(vlan uint16) string {
	var names []string
	for _, t := range e.w.carriers(vlan) {
		if t.OFPort != 0 {
			names = append(names, t.Name)
		}
	}
	if e.w.Gateway.Local.Enabled && e.w.Gateway.Local.VLAN == vlan {
		names = append(names, "the host")
	}
	return strings.Join(names, ", ")
}

// failed tells of the failure policy, and why each attachment is down.
func (e *explainer) failed(r *Rule, open uint32) {
	var why []string
	for i, a := range e.w.Gateway.Attachments {
		reason := e.w.Attachments[i].Reason
		if reason == "" {
			reason = "no verdict on it yet"
		}
		why = append(why, fmt.Sprintf("%s: %s", a.Name, reason))
	}
	e.step(r, "inspection", "no attachment is up (%s)", strings.Join(why, "; "))
	key := "inspection.on_failure"
	if e.line > 0 {
		key = fmt.Sprintf("on_failure of line %d of inspection.policy", e.line)
	}
	if open == 0 {
		e.stop(r, "no attachment is up, and %s is closed", key)
	} else {
		e.step(r, "verdict", "none: %s is open, it passes uninspected", key)
	}
}

// byRule names the rule that is the reason of an offload.
func byRule(sid uint32) string {
	if sid == 0 {
		return ""
	}
	return fmt.Sprintf(" by the rule with SID %d", sid)
}

// host tells of frames in the host's VLAN.
func (e *explainer) host(r *Rule) {
	const forHost = 100 // priority of the flow for the host's own address
	if r.Priority == forHost {
		e.known = true
		e.step(r, "MAC", "%s is the host's own", e.frame.Dst)
	}
}

func (e *explainer) forward(r *Rule, vlan uint32) {
	if e.frame.Dst[0]&1 == 1 {
		e.step(r, "forward", "broadcast or multicast: to the ports of VLAN %d", vlan)
	}
}

// drop tells of a drop that is counted.
func (e *explainer) drop(r *Rule, reason flows.DropReason) {
	switch reason {
	case flows.DropPort:
		e.stop(r, "%s: the configuration does not name this port", e.in.Name)
	case flows.DropReserved:
		e.stop(r, "%s is a reserved multicast address (STP, LACP, LLDP, pause): it stops at the bridge", e.frame.Dst)
	case flows.DropVLAN:
		e.stop(r, "%s", e.notCarried())
	case flows.DropDoubleTag:
		e.stop(r, "a further tag inside: in a VLAN that is untagged on some port, or behind VLAN 0, such frames are refused")
	case flows.DropSender:
		e.stop(r, "%s is not known behind %s, and its port_security lets known addresses send only", e.frame.Src, e.in.Name)
	case flows.DropStandby:
		e.stop(r, "another gateway has VLAN %d, or none: this one does not have the lease of its failover group", e.vlan)
	case flows.DropCutTag:
		e.stop(r, "the frame ends within a tag: filled up on its way it could be taken for one of another VLAN")
	case flows.DropOutput:
		e.stop(r, "the port of %s does not carry VLAN %d", e.frame.Dst, e.vlan)
	case flows.DropOwnUnknown:
		e.stop(r, "a frame of the IPS's own, and %s is not known", e.frame.Dst)
	case flows.DropCarrier:
		e.stop(r, "%s, from the IPS: the tag is none that frames to the IPS have (PCP 1 to 3, at this leg)", e.in.Name)
	case flows.DropForward:
		e.stop(r, "origin %s and VLAN %d lead nowhere, or the frame's own tag is not as it went to the IPS", e.origin, e.vlan)
	default:
		e.stop(r, "%s", reason)
	}
}

// notCarried says which VLAN the ingress port refused, and what it would take.
func (e *explainer) notCarried() string {
	vid := uint16(0)
	what := "untagged frames (VLAN 0)"
	if len(e.frame.Tags) > 0 {
		vid = e.frame.Tags[0].VID
		what = fmt.Sprintf("VLAN %d", vid)
	}
	switch e.origin {
	case flows.OriginLocal:
		return fmt.Sprintf("the host's frames are untagged and belong to VLAN %d: %s is refused", e.w.Gateway.Local.VLAN, what)
	case flows.OriginTrunk:
		t, _ := e.w.trunk(e.in.Number)
		return fmt.Sprintf("%s does not carry %s: its VLANs are %s%s", e.in.Name, what, VLANs(t.VLANs), e.others(vid))
	}
	var missing []string
	for _, t := range e.w.carriers(vid) {
		missing = append(missing, t.Name)
	}
	if len(missing) > 0 {
		return fmt.Sprintf("%s: the ports that carry it are not on bridge %s: %s", what, e.w.Bridge, strings.Join(missing, ", "))
	}
	return fmt.Sprintf("no trunk port carries %s, nor does the host live there", what)
}

// others names the other ports that carry the VLAN.
func (e *explainer) others(vlan uint16) string {
	var names []string
	for _, t := range e.w.carriers(vlan) {
		names = append(names, t.Name)
	}
	if len(names) == 0 {
		return ", and no other port carries it"
	}
	return fmt.Sprintf("; %s would", strings.Join(names, ", "))
}

// nothing explains a way without an output and without a counted drop.
func (e *explainer) nothing(returned bool) {
	r := e.last
	switch c := r.Cookie; {
	case returned || c.Ours() && c.Category() == flows.CatHorizon:
		e.stop(r, "it would go back to %s, where it came from: never", e.in.Name)
	case c.Ours() && c.Category() == flows.CatPolicy:
		e.stop(r, "line %d of inspection.policy drops it", c.Object()+1)
	case e.w.Gateway.Uplink.OFPort == 0:
		e.stop(r, "%s, the uplink, is not on bridge %s", e.w.Gateway.Uplink.Name, e.w.Bridge)
	default:
		e.stop(r, "no port is left to send it to")
	}
}

func carries(t flows.Trunk, vlan uint16) bool { return slices.Contains(t.VLANs, vlan) }
