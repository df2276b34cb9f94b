// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"strings"
	"time"

	"ofcontroller/fleet"
	"ofcontroller/flows"
	"ofcontroller/ips/probe"
	"ofcontroller/openflow"
	"ofcontroller/ovsdb"
)

// Status is the gateway's state in one look.
type Status struct {
	Converged   bool               `json:"converged"` // the switch holds what is asked for, and every attachment has a verdict
	Connected   bool               `json:"connected"` // OpenFlow channel and database
	Bridge      string             `json:"bridge"`
	Flows       int                `json:"flows"` // wanted, without what the switch learned
	Attachments []AttachmentStatus `json:"attachments"`
	Leaving     []AttachmentStatus `json:"leaving,omitempty"` // no longer configured, and not gone yet
	MACs        int                `json:"macs"`
	Frames      Frames             `json:"frames"`
	Offloads    OffloadCounts      `json:"offloads"`
	Ports       []PortStatus       `json:"ports"`
	OnFailure   string             `json:"on_failure"`
	Switch      string             `json:"switch"`       // version of Open vSwitch
	Repairs     uint64             `json:"repairs"`      // flows that others changed and that were put right
	Problems    []string           `json:"problems"`     // what is not as configured
	StrayProbes uint64             `json:"stray_probes"` // frames from IPS ports in a probe's place that are none
	UptimeS     int                `json:"uptime_s"`     // seconds
	Version     string             `json:"version"`      // of this program
	LastError   string             `json:"last_error,omitempty"`

	Fleet    *fleet.FollowerState `json:"fleet,omitempty"`    // of a gateway that follows one
	Failover []FailoverStatus     `json:"failover,omitempty"` // its failover groups
}

// AttachmentStatus is the state of one IPS.
type AttachmentStatus struct {
	Name     string          `json:"name"`
	Kind     string          `json:"kind"`
	State    string          `json:"state"`  // up, degraded or down
	RTTus    int64           `json:"rtt_us"` // of the last probe, microseconds
	Reason   string          `json:"reason"`
	SinceS   int             `json:"since_s"`  // seconds in this state
	Draining bool            `json:"draining"` // gets no connections while another one is up
	Probes   ProbeCounts     `json:"probes"`
	RTT      RTTHistogram    `json:"rtt"`
	Canary   *CanaryCounts   `json:"canary,omitempty"` // of an engine that this program runs
	Engine   *EngineCounters `json:"engine,omitempty"`
}

// ProbeCounts are totals since the program started.
type ProbeCounts struct {
	Sent      uint64 `json:"sent"`
	Returned  uint64 `json:"returned"`
	Lost      uint64 `json:"lost"`
	Late      uint64 `json:"late"`      // back after they were lost
	Duplicate uint64 `json:"duplicate"` // back once more
	Unknown   uint64 `json:"unknown"`   // back, and never sent or long ago
}

// RTTHistogram is the distribution of the probes' round trips. Counts[i] is those
// of at most BoundsUs[i] and more than the bound before; the last one of all that
// were longer.
type RTTHistogram struct {
	BoundsUs []int64  `json:"bounds_us"` // microseconds
	Counts   []uint64 `json:"counts"`
	Total    uint64   `json:"total"`
	SumUs    int64    `json:"sum_us"`
}

// CanaryCounts are totals of the checks of the detection.
type CanaryCounts struct {
	Checks  uint64 `json:"checks"`
	Passed  uint64 `json:"passed"`  // the canary came back
	Missing uint64 `json:"missing"` // its twin did not
}

// EngineCounters tell of an engine that this program runs: the embedded one
// counts frames, a Suricata is a process.
type EngineCounters struct {
	In       uint64 `json:"in,omitempty"`
	Out      uint64 `json:"out,omitempty"`
	Dropped  uint64 `json:"dropped,omitempty"`  // by a rule
	Rejected uint64 `json:"rejected,omitempty"` // by a rule, with a reset
	Lost     uint64 `json:"lost,omitempty"`     // full queues, of the engine or the kernel
	Alerts   uint64 `json:"alerts,omitempty"`

	PID       int    `json:"pid,omitempty"`
	Answers   bool   `json:"answers,omitempty"` // its rules are loaded
	Version   string `json:"version,omitempty"`
	Restarts  int    `json:"restarts,omitempty"`
	Rules     int    `json:"rules,omitempty"`
	LastError string `json:"last_error,omitempty"`
}

// PortStatus is the state of a configured port.
type PortStatus struct {
	Name   string `json:"name"`
	Role   string `json:"role"` // uplink, trunk, local or ips
	OFPort uint32 `json:"ofport"`
	Link   string `json:"link"` // up, down or missing
}

// answerTime bounds what a status waits for the switch.
const answerTime = time.Second

// Status looks at everything. The count of addresses needs the switch and is
// left at 0 when it does not answer.
func (a *App) Status(ctx context.Context) Status {
	s, own, conn := a.known()
	if conn != nil {
		ctx, cancel := context.WithTimeout(ctx, answerTime)
		defer cancel()
		s.MACs, _ = countMACs(ctx, conn, own)
	}
	return s
}

// Alive returns when nothing in the program is stuck that status looks at.
func (a *App) Alive() { a.known() }

// known is the status as far as it can be told without asking anybody; the
// count of addresses is that of the last audit.
func (a *App) known() (s Status, own int, conn *openflow.Conn) {
	// The attachments first: of a verdict that comes after it the view knows
	// nothing, and would call flows converged that do not follow it yet.
	attachments, leaving, judged := a.attachmentStates()
	a.mu.Lock()
	v, cfg := a.view, a.cfg
	conn = a.conn
	a.mu.Unlock()
	db := a.db.View()
	s = Status{
		Attachments: attachments, Leaving: leaving,
		Bridge: cfg.Bridge.Name, Flows: v.flows, OnFailure: cfg.Inspection.OnFailure, Switch: db.OVSVersion,
		Connected: conn != nil && db.Connected, Repairs: v.repairs, Problems: append([]string{}, v.faults...),
		StrayProbes: a.strayProbes.Load(), UptimeS: int(time.Since(a.start).Seconds()), Version: a.o.Version, LastError: v.errText,
		Frames: a.tally.frames(), Offloads: a.offloads.counts(),
		Ports: portStates(cfg.Bridge.Name, a.roles(), db.Bridge),
	}
	s.Problems = append(s.Problems, rivals(db.Bridge, v.rival, time.Now())...)
	if v.bridge != "" {
		s.Problems = append(s.Problems, v.bridge)
	}
	if v.rules != "" {
		s.Problems = append(s.Problems, strings.Split(v.rules, "\n")...)
	}
	s.Converged = s.Connected && v.synced && v.serial == v.inputs && v.bridge == "" && judged && len(leaving) == 0
	s.MACs = a.tally.macs()
	s.Fleet = a.fleetState()
	s.Failover = a.failoverState()
	return s, v.own, conn
}

// attachmentStates tells the attachments' states, and whether there is a verdict
// on each that is configured.
func (a *App) attachmentStates() (list, leaving []AttachmentStatus, judged bool) {
	judged = true
	a.mu.Lock()
	configured, others := a.attachments, a.leaving
	a.mu.Unlock()
	for _, at := range others {
		as, _ := at.status()
		as.Reason = "is used until another one is up"
		if at.out.Load() != 0 || at.urgent.Load() || as.State == probe.Down.String() {
			as.Reason = "gets no more frames"
		}
		leaving = append(leaving, as)
	}
	for _, at := range configured {
		as, known := at.status()
		if !at.begun.Load() {
			as.Reason = "waits for its ports, which another attachment leaves"
		} else if _, ok := a.probeLeg(at.cfg, flows.OriginUplink); !ok && as.State == "down" {
			as.Reason = "a port of it is not on the bridge"
		}
		list = append(list, as)
		judged = judged && known
	}
	return list, leaving, judged
}

// countMACs asks the switch how many addresses it knows, without moving them.
// The host's own address, which has so many flows, is none of them.
func countMACs(ctx context.Context, conn *openflow.Conn, own int) (int, error) {
	tables, err := conn.TableStats(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, t := range tables {
		if t.Table == uint8(flows.TableMAC) {
			n += int(t.Active)
		}
	}
	return max(n-own, 0), nil
}

// status tells the state and whether there is a verdict.
func (at *attachment) status() (AttachmentStatus, bool) {
	at.mu.Lock()
	state, reason, since := at.tracker.State()
	last, rtt := at.tracker.RTT()
	counts, checks := at.tracker.Counts(), at.detector.Counts()
	draining := at.draining.any()
	at.mu.Unlock()
	s := AttachmentStatus{
		Name: at.cfg.Name, Kind: at.cfg.Kind, State: state.String(), Reason: reason, RTTus: last.Microseconds(), Draining: draining,
		Probes: ProbeCounts(counts), RTT: histogram(rtt),
	}
	if state == probe.Unknown {
		s.State = probe.Down.String()
	}
	if !since.IsZero() {
		s.SinceS = int(time.Since(since).Seconds())
	}
	if at.engine != nil {
		c := at.engine.counters()
		s.Engine = &c
		s.Canary = (*CanaryCounts)(&checks)
	}
	return s, state != probe.Unknown
}

func histogram(h probe.Histogram) RTTHistogram {
	out := RTTHistogram{Counts: h.Count[:], Total: h.Total, SumUs: h.Sum.Microseconds()}
	for _, b := range h.Bounds() {
		out.BoundsUs = append(out.BoundsUs, b.Microseconds())
	}
	return out
}

// role is a configured port with what it is for.
type role struct{ name, role string }

func (a *App) roles() []role {
	cfg := a.config()
	var out []role
	for _, u := range cfg.Uplinks {
		out = append(out, role{u.Port, "uplink"})
	}
	for _, t := range cfg.Trunks {
		out = append(out, role{t.Port, "trunk"})
	}
	if cfg.Local.Enabled {
		out = append(out, role{cfg.Bridge.Name, "local"})
	}
	for _, at := range cfg.Inspection.Attachments {
		for _, p := range attachmentPorts(at) {
			out = append(out, role{p, "ips"})
		}
	}
	return out
}

func portStates(bridge string, roles []role, br *ovsdb.Bridge) []PortStatus {
	out := make([]PortStatus, 0, len(roles))
	for _, r := range roles {
		p := PortStatus{Name: r.name, Role: r.role, Link: "missing"}
		if br != nil {
			if i, ok := br.Interfaces[r.name]; ok && (i.OFPort != 0 || r.name == bridge) {
				p.OFPort, p.Link = i.OFPort, "down"
				if i.LinkUp {
					p.Link = "up"
				}
			}
		}
		out = append(out, p)
	}
	return out
}
