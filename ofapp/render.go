// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"ofcontroller/flows"
)

// Table writes the status for a person.
func (s Status) Table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	yes := map[bool]string{true: "yes", false: "no"}
	version := s.Switch
	if version == "" {
		version = "of unknown version"
	}
	fmt.Fprintf(w, "bridge\t%s (Open vSwitch %s)\n", s.Bridge, version)
	fmt.Fprintf(w, "connected\t%s\n", yes[s.Connected])
	fmt.Fprintf(w, "converged\t%s\n", yes[s.Converged])
	fmt.Fprintf(w, "flows\t%d\n", s.Flows)
	fmt.Fprintf(w, "MACs\t%d\n", s.MACs)
	fmt.Fprintf(w, "offloads\t%d bypassed, %d blocked, %d refused\n", s.Offloads.Bypass, s.Offloads.Block, s.Offloads.Refused)
	fmt.Fprintf(w, "on failure\t%s\n", s.OnFailure)
	for _, a := range s.Attachments {
		fmt.Fprintf(w, "attachment\t%s (%s): %s, round trip %d µs", a.Name, a.Kind, a.State, a.RTTus)
		if a.Draining {
			fmt.Fprint(w, ", draining")
		}
		if a.Reason != "" {
			fmt.Fprintf(w, ", %s", a.Reason)
		}
		fmt.Fprintln(w)
		if e := a.Engine; e != nil {
			fmt.Fprintf(w, "\t%s\n", e)
		}
	}
	for _, a := range s.Leaving {
		fmt.Fprintf(w, "leaving\t%s (%s): %s\n", a.Name, a.Kind, a.Reason)
	}
	s.portRows(w)
	if s.Fleet != nil {
		fmt.Fprintf(w, "fleet\t%s\n", fleetText(s.Fleet))
	}
	for _, g := range s.Failover {
		fmt.Fprintf(w, "failover\t%s\n", g)
	}
	for _, p := range s.Problems {
		fmt.Fprintf(w, "problem\t%s\n", p)
	}
	if s.LastError != "" {
		fmt.Fprintf(w, "last error\t%s\n", s.LastError)
	}
	w.Flush()
	b.WriteString("\n" + s.Frames.table())
	return strings.TrimRight(b.String(), "\n")
}

// fewPorts are listed one by one; of more, those that are not up.
const fewPorts = 12

func (s Status) portRows(w io.Writer) {
	up, listed := 0, 0
	for _, p := range s.Ports {
		if p.Link == "up" && len(s.Ports) > fewPorts {
			up++
			continue
		}
		if listed++; listed > fewPorts {
			continue
		}
		fmt.Fprintf(w, "port\t%s: %s, OpenFlow port %d, link %s\n", p.Name, p.Role, p.OFPort, p.Link)
	}
	if up > 0 {
		fmt.Fprintf(w, "ports\t%d with link up\n", up)
	}
	if listed > fewPorts {
		fmt.Fprintf(w, "ports\t%d more without\n", listed-fewPorts)
	}
}

// table writes the counters for a person.
func (f Frames) table() string {
	if f.AgeS < 0 {
		return "frames: not read from the switch yet"
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "FRAMES FROM\tIN\tINSPECTED\tRETURNED\tDROPPED BY THE IPS\t")
	for _, o := range f.Origins {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t\n", o.Origin, o.In, o.Inspected, o.Returned, o.DroppedByIPS)
	}
	w.Flush()
	w = tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "bypassed\t%d by policy, %d of offloaded connections, %d without an attachment up\n", f.BypassedPolicy, f.BypassedOffload, f.BypassedFailure)
	fmt.Fprintf(w, "dropped\t%d by policy, %d of blocked connections, %d without an attachment up\n", f.DroppedPolicy, f.DroppedOffload, f.DroppedFailure)
	var refused []string
	for _, r := range f.Refused {
		refused = append(refused, fmt.Sprintf("%d %s", r.Frames, r.Reason))
	}
	if refused == nil {
		refused = []string{"none"}
	}
	fmt.Fprintf(w, "refused\t%s\n", strings.Join(refused, ", "))
	fmt.Fprintf(w, "not learned\t%d\n", f.Unlearned)
	fmt.Fprintf(w, "by an IPS itself\t%d\n", f.OfIPS)
	w.Flush()
	return b.String()
}

// String tells of the engine in a line.
func (e EngineCounters) String() string {
	if e.Version == "" {
		return fmt.Sprintf("%d frames in, %d out, %d dropped, %d rejected, %d lost, %d alerts",
			e.In, e.Out, e.Dropped, e.Rejected, e.Lost, e.Alerts)
	}
	text := fmt.Sprintf("Suricata %s, process %d, %d restarts, %d rules", e.Version, e.PID, e.Restarts, e.Rules)
	if e.LastError != "" {
		text += ": " + e.LastError
	}
	return text
}

// OffloadTable is a list of offloads that prints itself.
type OffloadTable []Offload

// Table writes the offloads for a person.
func (t OffloadTable) Table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "VLAN\tPROTO\tSRC\tDST\tVERDICT\tSID\tATTACHMENT\tAGE\tENDS\tPACKETS\tBYTES")
	for _, o := range t {
		ends := fmt.Sprintf("idle %ds", o.IdleS)
		if o.Verdict == flows.BlockConnection.String() {
			ends = fmt.Sprintf("in %ds", o.RemainingS)
		}
		attachment := o.Attachment
		if attachment == "" {
			attachment = "-"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%d\t%s\t%ds\t%s\t%d\t%d\n",
			o.VLAN, o.Proto, o.Src, o.Dst, o.Verdict, o.SID, attachment, o.AgeS, ends, o.Packets, o.Bytes)
	}
	w.Flush()
	return strings.TrimRight(b.String(), "\n")
}

// MACTable is a list of addresses that prints itself.
type MACTable []MAC

// Table writes the addresses for a person.
func (t MACTable) Table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "VLAN\tMAC\tWHERE\tPORT\tSTATIC\tAGE")
	for _, m := range t {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%t\t%ds\n", m.VLAN, m.MAC, m.Where, m.Port, m.Static, m.AgeS)
	}
	w.Flush()
	return strings.TrimRight(b.String(), "\n")
}
