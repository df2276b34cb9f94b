// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"strings"

	"ofcontroller/flows"
)

// Ask has the switch trace a flow, by ofproto/trace, and gives its answer.
type Ask func(expression string) (string, error)

// Explain follows the frame. An error means that the switch could not be asked.
func Explain(w World, q Query, ask Ask) (Report, error) {
	e := &explainer{w: w, frame: q.Frame, report: Report{
		InPort: q.InPort, Frame: q.Frame.String(), Steps: []Step{}, Out: []Out{}, Notes: append([]string{}, w.Notes...),
	}}
	if err := e.follow(q, ask); err != nil {
		return Report{}, err
	}
	e.finish(q.To)
	return e.report, nil
}

// explainer is one explanation under way.
type explainer struct {
	w       World
	frame   Frame
	report  Report
	stopped bool

	in      Port         // where the frame comes in
	origin  flows.Origin // none until it is known
	vlan    uint16
	popped  bool // the frame's own tag is off
	pushed  bool // a tag was pushed for a port
	learns  bool // on the way in, the source's port
	known   bool // the destination's port is
	leased  bool // this gateway was found to have the VLAN
	line    int  // of the policy, that has an on_failure of its own; 0: none
	carried int  // the port to an IPS that the frame was sent out of, 0 none
	last    *Rule
}

// stop notes the first thing that stops the frame.
func (e *explainer) stop(r *Rule, format string, a ...any) {
	if e.stopped {
		return
	}
	e.stopped = true
	e.report.Stopped = fmt.Sprintf(format, a...)
	if r != nil {
		e.report.Rule = r.String()
	}
}

func (e *explainer) step(r *Rule, stage, format string, a ...any) {
	s := Step{Stage: stage, Text: fmt.Sprintf(format, a...)}
	if r != nil {
		s.Rule = r.String()
	}
	e.report.Steps = append(e.report.Steps, s)
}

func (e *explainer) note(format string, a ...any) {
	e.report.Notes = append(e.report.Notes, fmt.Sprintf(format, a...))
}

// follow walks both halves of the way.
func (e *explainer) follow(q Query, ask Ask) error {
	var ok bool
	if e.in, ok = e.w.named(q.InPort); !ok || e.in.Number == 0 {
		e.missing(q.InPort)
		return nil
	}
	if !e.in.LinkUp {
		e.stop(nil, "the link of %s is down: no frame comes in there", e.in.Name)
		return nil
	}
	if err := e.half(e.frame.expression(e.in.Number), ask); err != nil || e.stopped || e.carried == 0 {
		return err
	}
	back, more, ok := e.inspected()
	if !ok {
		return nil
	}
	inner := e.frame
	if e.popped {
		inner.Tags = inner.Tags[1:]
	}
	inner.Tags = append([]Tag{{TPID: typeVLAN, VID: e.vlan, PCP: uint8(e.origin)}}, inner.Tags...)
	return e.half(inner.expression(back, more...), ask)
}

// missing tells of an ingress port that is not there.
func (e *explainer) missing(name string) {
	switch p, ok := e.w.named(name); {
	case ok && p.Error != "":
		e.stop(nil, "the switch could not open %s: %s", name, p.Error)
	case ok:
		e.stop(nil, "%s has no OpenFlow port yet", name)
	case e.w.role(name) != "":
		e.stop(nil, "%s, a port of the configuration, is not on bridge %s", name, e.w.Bridge)
	default:
		e.stop(nil, "there is no port %s on bridge %s", name, e.w.Bridge)
	}
}

// half has the switch trace and tells what it met.
func (e *explainer) half(expression string, ask Ask) error {
	text, err := ask(expression)
	if err != nil {
		return err
	}
	events, err := parse(text)
	if err != nil {
		return err
	}
	outs := len(e.report.Out)
	returned := false
	for _, ev := range events {
		if ev.action == "" {
			e.last = ev.rule
			e.met(ev.rule)
			continue
		}
		returned = returned || ev.returned()
		e.act(ev)
	}
	if !e.stopped && e.carried == 0 && len(e.report.Out) == outs {
		e.nothing(returned)
	}
	return nil
}

// act follows an action.
func (e *explainer) act(ev event) {
	for _, n := range ev.notes {
		if strings.Contains(n, "no live bucket") {
			e.stop(ev.rule, "no link to an attachment is up")
		}
	}
	if ev.action == "pop_vlan" && ev.rule.Table == flows.TableVLAN {
		e.popped = true
	}
	if strings.HasPrefix(ev.action, "push_vlan") {
		e.pushed = true
	}
	if strings.HasPrefix(ev.action, "learn(") && ev.rule.Table == flows.TableIngress {
		e.learns = true
	}
	port, ok := ev.output()
	if !ok {
		return
	}
	if i, ok := e.w.attachment(port, e.origin); ok && e.carried == 0 && e.w.role(e.name(port)) == "ips" {
		e.carried, e.pushed = int(port), false
		e.step(ev.rule, "inspection", "to the attachment %s, out of %s%s", e.w.Gateway.Attachments[i].Name, e.name(port), e.shared())
		return
	}
	e.out(port)
}

// shared tells that other attachments have other connections.
func (e *explainer) shared() string {
	up := 0
	for _, a := range e.w.Attachments {
		if a.Up {
			up++
		}
	}
	if up < 2 {
		return ""
	}
	return fmt.Sprintf(" (one of %d that share the connections; it has this one)", up)
}

func (e *explainer) name(port uint32) string {
	p, _ := e.w.port(port)
	return p.Name
}

// inspected tells of the IPS and gives the port where the frame comes back, and
// what the switch knows of it then.
func (e *explainer) inspected() (back uint32, more []string, ok bool) {
	sent, _ := e.w.port(uint32(e.carried))
	i, _ := e.w.attachment(sent.Number, e.origin)
	a, state := e.w.Gateway.Attachments[i], e.w.Attachments[i]
	ret := e.w.returns(i, e.origin, sent.Number)
	e.carried = 0
	returns, there := e.w.port(ret.OFPort)
	switch {
	case !sent.LinkUp:
		e.stop(nil, "the link of %s is down: frames to the attachment %s are lost", sent.Name, a.Name)
	case !there:
		e.stop(nil, "%s, where the attachment %s gives frames back, is not on bridge %s", ret.Name, a.Name, e.w.Bridge)
	case !returns.LinkUp:
		e.stop(nil, "the link of %s is down: nothing comes back from the attachment %s", returns.Name, a.Name)
	case e.tooLong(sent, e.travels()+4):
		e.stop(nil, "%s has an MTU of %d bytes: the frame with the carrier tag does not fit", sent.Name, sent.MTU)
	}
	if e.stopped {
		return 0, nil, false
	}
	text := fmt.Sprintf("assumed: %s passes the frame unchanged", a.Name)
	if !state.Up {
		text += "; it is down (" + state.Reason + ") and the flows will follow at once"
	}
	e.step(nil, "verdict", "%s", text)
	if e.learns {
		if e.w.Remembers == nil || e.w.Remembers(e.in.Number, e.vlan, e.frame.Src) {
			more = append(more, fmt.Sprintf("reg1=%#x", e.in.Number))
		} else {
			e.note("%s has reached forwarding.mac_limit_per_port: the port of %s is not remembered", e.in.Name, e.frame.Src)
		}
	}
	return returns.Number, more, true
}

// travels is the frame's length without its Ethernet header, with its own tags
// as they travel, 0 not known.
func (e *explainer) travels() int {
	if e.frame.Size == 0 {
		return 0
	}
	n := e.frame.Size - macsBytes - 2
	if e.popped {
		n -= 4
	}
	return n
}

// tooLong tells whether the port refuses a payload: the outermost tag is part of
// the header, which the MTU does not count.
func (e *explainer) tooLong(p Port, payload int) bool {
	return e.frame.Size > 0 && p.MTU > 0 && payload-4 > p.MTU
}

// out notes a port that the frame is sent to.
func (e *explainer) out(number uint32) {
	p, there := e.w.port(number)
	o := Out{Port: p.Name, Tag: "untagged", Delivered: true}
	tags := len(e.frame.Tags)
	if e.popped {
		tags--
	}
	length := e.travels()
	switch {
	case e.pushed:
		o.Tag = fmt.Sprintf("VLAN %d", e.vlan)
	case tags > 0:
		o.Tag = fmt.Sprintf("VLAN %d", e.frame.Tags[0].VID)
		length -= 4
	}
	switch {
	case !there:
		o.Delivered, o.Lost = false, "there is no such port"
	case !p.LinkUp:
		o.Delivered, o.Lost = false, "its link is down"
	case e.tooLong(p, length+4):
		o.Delivered, o.Lost = false, fmt.Sprintf("its MTU is %d bytes and the frame does not fit", p.MTU)
	}
	e.report.Out = append(e.report.Out, o)
}

// finish judges.
func (e *explainer) finish(to string) {
	r := &e.report
	var lost []string
	for _, o := range r.Out {
		if o.Delivered && (to == "" || o.Port == to) {
			r.Arrives = true
		}
		if !o.Delivered && (to == "" || o.Port == to) {
			lost = append(lost, fmt.Sprintf("%s: %s", o.Port, o.Lost))
		}
	}
	switch {
	case r.Arrives:
		r.Stopped, r.Rule = "", ""
	case r.Stopped != "":
	case len(lost) > 0:
		e.stop(nil, "lost at %s", strings.Join(lost, "; "))
	case to != "":
		e.elsewhere(to)
	default:
		e.stop(e.last, "nothing comes out")
	}
}

// elsewhere says why the frame does not come out of the port asked for.
func (e *explainer) elsewhere(to string) {
	var names []string
	for _, o := range e.report.Out {
		names = append(names, o.Port)
	}
	reason := ""
	p, there := e.w.named(to)
	t, trunk := e.w.trunk(p.Number)
	switch {
	case !there || p.Number == 0:
		reason = fmt.Sprintf(": %s is not on bridge %s", to, e.w.Bridge)
	case e.w.role(to) == "":
		reason = fmt.Sprintf(": the configuration does not name %s", to)
	case trunk && !carries(t, e.vlan):
		reason = fmt.Sprintf(": %s carries the VLANs %s", to, VLANs(t.VLANs))
	case e.w.role(to) == "local" && e.vlan != e.w.Gateway.Local.VLAN:
		reason = fmt.Sprintf(": the host lives in VLAN %d", e.w.Gateway.Local.VLAN)
	case e.known:
		reason = fmt.Sprintf(": %s is behind it", e.frame.Dst)
	case trunk && e.origin == flows.OriginTrunk && !e.w.Gateway.EastWest:
		reason = ": between trunk ports nothing is switched here while forwarding.east_west is false"
	}
	e.stop(nil, "it does not go to %s, but to %s%s", to, strings.Join(names, ", "), reason)
}
