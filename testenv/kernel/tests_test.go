// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package kernel

import "strings"

// guestTests are the tests that run in the guest: those whose subject the
// datapath takes part in, and of tests on one subject the one that sends most
// kinds of frames. The guest is slow and the whole has to end within ten
// minutes, so what the datapath has no part in (configuration, alerts, events,
// metrics, the page, plans) is left out, and so is what takes minutes by itself
// and repeats the same subjects at random or in bulk (faults, chaos, random
// pairs of configurations, many ports, attacks, replays, balance). Bad links by
// netem take 99 s, hold-down 55 s and a storm of probes 24 s; they pass too:
// -only 'TestBadLink|TestHoldDown|TestProbeStorm'.
var guestTests = map[string][]string{
	"ofapp": {
		// Every row of the table of docs/architecture.md, for all kinds of attachment.
		"TestWay", "TestEastWest", "TestMACs", "TestMACLimit", "TestPolicy", "TestVLANLimit", "TestCounters", "TestBrokenCarrier",
		"TestEmbedded", "TestSuricata", "TestOwnFrames",
		// Restarts, ports that come and go, reloads, repairs.
		"TestRestart", "TestEmbeddedRestart", "TestSwitchRestart", "TestSwitchRestartLoss", "TestDatabaseRestart",
		"TestPorts", "TestReload", "TestRepair",
		// The failure policy, failover, shares of several attachments.
		"TestFailurePolicy", "TestDeadLink", "TestShare", "TestSymmetry",
		// Health: lost kinds of frames, silence, meters, which the kernel has of its own.
		"TestDegraded", "TestSilence", "TestMeterDeleted",
		// Verdicts carried out by the switch.
		"TestOffload", "TestOffloadRestart",
		// Segmentation and checksum offload of the end hosts.
		"TestSegments",
		// Few datapath flows.
		"TestFewDatapathFlows",
	},
	"flows": {
		// Random frames by ofproto/trace against the model, and that broken flows are noticed.
		"TestWayOfAFrame", "TestModelMissesEachTable", "TestOffloadFlows", "TestInspected",
	},
}

// pattern is what -test.run takes to run all of them.
func pattern(pkg string) string { return "^(" + strings.Join(guestTests[pkg], "|") + ")$" }
