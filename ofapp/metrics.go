// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"runtime"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"ofcontroller/flows"
	"ofcontroller/ips/probe"
)

// Metric describes one metric; docs/metrics.md is made from the list.
type Metric struct {
	Name, Type, Help string
	Labels           []string
}

// Metrics lists what the gateway tells Prometheus, besides what the Go runtime
// and the process collectors tell. Labels take names of the configuration and
// words of this program, never anything from a frame.
func Metrics() []Metric {
	const counter, gauge, histogram = "counter", "gauge", "histogram"
	m := func(name, typ, help string, labels ...string) Metric {
		return Metric{"ofcontroller_" + name, typ, help, labels}
	}
	return []Metric{
		m("build_info", gauge, "Version of the program and of Go, value 1.", "version", "goversion"),
		m("converged", gauge, "1 when the switch holds what is asked for and every attachment has a verdict on its health."),
		m("openflow_connected", gauge, "1 while the OpenFlow channel and the database are connected."),
		m("openflow_connections_total", counter, "OpenFlow channels that were set up."),
		m("openflow_events_dropped_total", counter, "Messages of the switch that found the queue for them full."),
		m("problems", gauge, "Things that are not as configured; status names them."),

		m("flows", gauge, "Flows on the switch at the last audit.", "table"),
		m("flow_mods_total", counter, "Flows that were added, modified or deleted.", "operation"),
		m("bundles_total", counter, "Bundles of flows and groups sent to the switch: applied, refused by it, or failed with the channel.", "result"),
		m("bundle_duration_seconds", histogram, "Time from sending a bundle to the switch's word that it is applied."),
		m("audit_duration_seconds", histogram, "Time to read all flows and groups of the switch."),
		m("repairs_total", counter, "Flows that somebody else changed and that were put right."),
		m("reloads_total", counter, "Reloads of the configuration: applied, or refused as a whole.", "result"),

		m("frames_received_total", counter, "Frames that came in.", "origin"),
		m("bytes_received_total", counter, "Bytes of the frames that came in.", "origin"),
		m("frames_inspected_total", counter, "Frames handed to an attachment.", "origin"),
		m("bytes_inspected_total", counter, "Bytes of the frames handed to an attachment.", "origin"),
		m("frames_returned_total", counter, "Frames that came back from an attachment; of origin none: made by the IPS itself.", "origin"),
		m("bytes_returned_total", counter, "Bytes of the frames that came back from an attachment.", "origin"),
		m("frames_bypassed_total", counter, "Frames forwarded without inspection: by policy, of an offloaded connection, or by on_failure: open.", "cause"),
		m("frames_dropped_total", counter, "Frames dropped by the switch, by reason; what the IPS drops is inspected less returned.", "reason"),
		m("offloads", gauge, "Connections that the switch bypasses or blocks itself.", "verdict"),
		m("offloads_refused_total", counter, "Verdicts that the switch was too busy or not there for; the engine carries them out."),
		m("frames_unlearned_total", counter, "Frames whose source's port is not known or could not be learned."),
		m("port_frames_received_total", counter, "Frames that came in on a configured port.", "port", "role"),
		m("port_up", gauge, "1 when the link of a configured port is up.", "port", "role"),

		m("attachment_up", gauge, "1 when frames are handed to the attachment.", "attachment", "kind"),
		m("attachment_degraded", gauge, "1 when the attachment works, but not as it should; status tells why.", "attachment", "kind"),
		m("attachment_probes_total", counter, "Probes by what became of them.", "attachment", "result"),
		m("attachment_rtt_seconds", histogram, "Time of a probe through the attachment and back.", "attachment"),
		m("engine_frames_total", counter, "Frames of the engine in this program, by what it did.", "attachment", "verdict"),
		m("engine_alerts_total", counter, "Alerts of the engine in this program.", "attachment"),
		m("engine_restarts_total", counter, "Times that a Suricata was started again.", "attachment"),

		m("macs", gauge, "Known addresses at the last audit: learned or configured.", "kind"),
		m("mac_moves_total", counter, "Learned addresses that were at another port than at the audit before."),
	}
}

// collector answers a scrape from what the program knows: no message goes to
// the switch.
type collector struct {
	app   *App
	descs map[string]*prometheus.Desc
	types map[string]prometheus.ValueType
}

// newRegistry makes the registry of one program.
func (a *App) newRegistry() *prometheus.Registry {
	c := &collector{app: a, descs: map[string]*prometheus.Desc{}, types: map[string]prometheus.ValueType{}}
	for _, m := range Metrics() {
		name := strings.TrimPrefix(m.Name, "ofcontroller_")
		c.descs[name] = prometheus.NewDesc(m.Name, m.Help, m.Labels, nil)
		c.types[name] = prometheus.GaugeValue
		if m.Type == "counter" {
			c.types[name] = prometheus.CounterValue
		}
	}
	r := prometheus.NewRegistry()
	r.MustRegister(c, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Describe is prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		out <- d
	}
}

// sink takes the values of one scrape.
type sink struct {
	c   *collector
	out chan<- prometheus.Metric
}

func (s sink) value(name string, v float64, labels ...string) {
	s.out <- prometheus.MustNewConstMetric(s.c.descs[name], s.c.types[name], v, labels...)
}

func (s sink) count(name string, n uint64, labels ...string) { s.value(name, float64(n), labels...) }

func (s sink) flag(name string, yes bool, labels ...string) {
	v := 0.0
	if yes {
		v = 1
	}
	s.value(name, v, labels...)
}

func (s sink) histogram(name string, h *durations) {
	n, sum, buckets := h.read()
	s.out <- prometheus.MustNewConstHistogram(s.c.descs[name], n, sum, buckets)
}

// Collect is prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	s, a := sink{c, out}, c.app
	st, _, conn := a.known()
	s.value("build_info", 1, st.Version, runtime.Version())
	s.flag("converged", st.Converged)
	s.flag("openflow_connected", st.Connected)
	s.count("openflow_connections_total", a.work.sessions.Load())
	lost := a.work.lostEvents.Load()
	if conn != nil {
		lost += conn.Dropped()
	}
	s.count("openflow_events_dropped_total", lost)
	s.value("problems", float64(len(st.Problems)))
	s.count("repairs_total", st.Repairs)
	s.value("offloads", float64(st.Offloads.Bypass), flows.BypassConnection.String())
	s.value("offloads", float64(st.Offloads.Block), flows.BlockConnection.String())
	s.count("offloads_refused_total", st.Offloads.Refused)
	a.work.collect(s)
	a.tally.collect(s, st)
	for _, p := range st.Ports {
		s.flag("port_up", p.Link == "up", p.Name, p.Role)
	}
	for _, at := range st.Attachments {
		s.flag("attachment_up", at.State != "down", at.Name, at.Kind)
		s.flag("attachment_degraded", at.State == "degraded", at.Name, at.Kind)
	}
	for _, at := range a.list() {
		at.collect(s)
	}
}

func (w *work) collect(s sink) {
	for i, r := range bundleResults {
		s.count("bundles_total", w.bundles[i].Load(), r)
	}
	for i, o := range modOperations {
		s.count("flow_mods_total", w.mods[i].Load(), o)
	}
	for i, r := range reloadResults {
		s.count("reloads_total", w.reloads[i].Load(), r)
	}
	s.histogram("bundle_duration_seconds", &w.bundleTime)
	s.histogram("audit_duration_seconds", &w.audits)
}

// label makes a label's value of a reason.
func label(text string) string { return strings.ReplaceAll(strings.ToLower(text), " ", "_") }

func (t *tally) collect(s sink, st Status) {
	f := st.Frames
	for _, o := range f.Origins {
		s.count("frames_received_total", o.In, o.Origin)
		s.count("bytes_received_total", o.InBytes, o.Origin)
		s.count("frames_inspected_total", o.Inspected, o.Origin)
		s.count("bytes_inspected_total", o.InspectedBytes, o.Origin)
		s.count("frames_returned_total", o.Returned, o.Origin)
		s.count("bytes_returned_total", o.ReturnedBytes, o.Origin)
	}
	s.count("frames_bypassed_total", f.BypassedPolicy, "policy")
	s.count("frames_bypassed_total", f.BypassedOffload, "offload")
	s.count("frames_bypassed_total", f.BypassedFailure, "no_attachment_up")
	s.count("frames_dropped_total", f.DroppedPolicy, "policy")
	s.count("frames_dropped_total", f.DroppedOffload, "offload")
	s.count("frames_dropped_total", f.DroppedFailure, "no_attachment_up")
	s.count("frames_unlearned_total", f.Unlearned)

	t.mu.Lock()
	defer t.mu.Unlock()
	none := t.sum(flows.Count{Fate: flows.Returned})
	s.count("frames_returned_total", none.frames, flows.OriginNone.String())
	s.count("bytes_returned_total", none.bytes, flows.OriginNone.String())
	for _, r := range flows.DropReasons() {
		s.count("frames_dropped_total", t.sum(flows.Count{Fate: flows.Refused, Reason: r}).frames, label(r.String()))
	}
	for _, i := range flows.Tables() {
		s.value("flows", float64(t.last.tables[i.Table]), i.Name)
	}
	for _, p := range st.Ports {
		if p.Role != "ips" {
			s.count("port_frames_received_total", t.ports[portKey(p)].frames, p.Name, p.Role)
		}
	}
	s.value("macs", float64(t.last.learned), "learned")
	s.value("macs", float64(t.last.static), "static")
	s.count("mac_moves_total", t.moves)
}

// portKey is the port's name in a tally.
func portKey(p PortStatus) string {
	if p.Role == "local" {
		return localName
	}
	return p.Name
}

func (at *attachment) collect(s sink) {
	at.mu.Lock()
	n := at.tracker.Counts()
	_, rtt := at.tracker.RTT()
	at.mu.Unlock()
	name, kind := at.cfg.Name, at.cfg.Kind
	for _, r := range []struct {
		result string
		n      uint64
	}{{"sent", n.Sent}, {"returned", n.Returned}, {"lost", n.Lost}, {"late", n.Late}, {"duplicate", n.Duplicate}} {
		s.count("attachment_probes_total", r.n, name, r.result)
	}
	s.roundTrips(rtt, name)
	if at.engine == nil {
		return
	}
	c := at.engine.counters()
	if kind == "suricata" {
		s.count("engine_restarts_total", uint64(c.Restarts), name)
		return
	}
	for _, v := range []struct {
		verdict string
		n       uint64
	}{{"in", c.In}, {"passed", c.Out}, {"dropped", c.Dropped}, {"rejected", c.Rejected}, {"lost", c.Lost}} {
		s.count("engine_frames_total", v.n, name, v.verdict)
	}
	s.count("engine_alerts_total", c.Alerts, name)
}

func (s sink) roundTrips(h probe.Histogram, name string) {
	buckets := map[float64]uint64{}
	var n uint64
	for i, b := range h.Bounds() {
		n += h.Count[i]
		buckets[b.Seconds()] = n
	}
	s.out <- prometheus.MustNewConstHistogram(s.c.descs["attachment_rtt_seconds"], h.Total, h.Sum.Seconds(), buckets, name)
}
