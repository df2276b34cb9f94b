// SPDX-License-Identifier: Apache-2.0

package main

// quantity is a unit of a part.
type quantity struct{ subject, unit string }

// reasons tell why a bar is missed, in runs that miss it. They have no figures
// of the run: those are in the tables.
func reasons() map[quantity]string {
	const cores = "generator, switch and sink share two cores, and then wait for one another; CPU per frame, in which that does not show, tells more"
	const carried = "60 to 70 % of the CPU of either is the kernel's for sending, in which is what the other end needs to receive: the ratio is that of the rest. " +
		"Of ours, 5 % is for going to sleep in Go's scheduler and waking up. " +
		"With 10,000 rules about a quarter is waiting for the tables of the search, which do not fit into the cache next to other work"
	return map[quantity]string{
		{"forward", "frames/s"}: cores,
		{"tcp", "Mbit/s"}: "the hosts send faster than the switch takes, whatever its flows: a port's receive queue holds 92 full frames, and what is beyond is lost and sent again, with NORMAL too. " +
			"When that happens is chance; " + cores,
		{"delay", "p99, µs"}:            cores,
		{"offload", "frames/s"}:         "what the CPU per frame says, and " + cores,
		{"offload", "µs CPU per frame"}: "the gateway's switch has the engine's port, too, and the userspace datapath asks each port for frames: NORMAL itself costs as much more with an idle port more",
		{"delay", "p50, µs"}:            "a frame passes through three programs that sleep, and how long they take to wake up differs more from run to run than the flows do: see the range",
		{"vlans", "µs CPU per frame"}: "configured VLANs cost nothing: with one in use the cost is flat. Each VLAN in use has four datapath flows, two passes in two directions. " +
			"ovs-vswitchd goes through all of them twice a second, which is the revalidators' part of the CPU, and a frame's two have left the processor's caches when the next comes. " +
			"Minimal flows that tell VLANs apart need as many and grow alike, NORMAL needs half as many. Neither the exact match cache nor the number of masks has a part in it: [how that was found](#micro-benchmarks). " +
			"Of the instructions that [grow](#instructions), NORMAL has as many to a pass: frames of different VLANs are handled one by one where those of one VLAN are handled as a batch",
		{"forward", "µs CPU per frame"}: "minimal flows that put a tag on and take it off, as every gateway has to, cost up to 1.05 of those that do not, and beside them next to nothing is left. " +
			"Flows that match on no more than the port and the VLAN are found without looking further into the frame (the simple match of Open vSwitch). The way back from an IPS has to look at the priority in the tag, too, which tells the origin",
		{"trunks", "µs CPU per frame"}: "the userspace datapath asks each of its ports for frames in turn, idle ones too; minimal flows, which know nothing of the other ports, cost as much more",
		{"install", "s, change one"}: "what ofcontroller has to do is 4 ms (`BenchmarkChange/100000macs`), beside 9 ms for reading the YAML. " +
			"The rest is waiting for ovs-vswitchd, if an audit is under way: it gives way to a change, but the share of the flows that was asked for last, up to 8,192, comes first",
		{"install", "s, from nothing"}: "the switch takes at most 50 OpenFlow messages of a connection in a turn of its main loop, whoever sends them: ovs-vswitchd is the limit of both",
		{"start", "s to converged"}: "the switch takes at most 50 OpenFlow messages of a connection in a turn of its main loop, and on the userspace datapath a turn asks each port for frames, " +
			"idle ones too: the time is that of messages times ports. Asking tap devices is a third of the CPU of ovs-vswitchd meanwhile (`perf record`)",
		{"punt", "packet-ins/s"}: "with one outstanding both wait for two wake-ups of a process, which leaves no room for a factor of 3: the bare loop beside it does nothing else. " +
			"With 64, the largest part of the CPU that is left is the checksum of the probe. At two probes a second, 64 attachments make 128 packet-ins a second",
		{"storm", "share of the storm"}: "other ports lose nothing. Where ovs-testcontroller loses next to nothing either, nobody can forward 1.5 times as much. " +
			"Until the port is at its limit, a new source is translated twice here, before and after the IPS, and learned in two tables; from then on it is translated once, as by NORMAL, " +
			"on the way back, where the switch has to look for the source to know that its port is not known",
		{"engine", "µs CPU per frame"}: carried,
		{"attachments", "% of a core"}: "a third is the audit, which reads all flows, groups and counters every 1.5 s, a tenth the probes. The rest is waking up and going to sleep: " +
			"in some virtual machines that takes 20 µs and more, and for a millisecond after it Go's monitor thread looks every 20 µs whether it is needed",
	}
}
