// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package kernel

import "strings"

// list is tests of one package that run in the guest.
type list struct {
	pkg   string
	tests []string
	slow  []string // with -all only
	brief []string // flags without -all
}

// lists are the tests that run in the guest: those whose subject the datapath
// takes part in, and of tests on one subject the one that sends most kinds of
// frames. The guest is slow, so what the datapath has no part in (configuration,
// alerts, events, metrics, the page, plans) is left out, and so is what repeats
// the same subjects at random or in bulk (faults, chaos, random pairs of
// configurations, many ports, attacks, replays, balance). One runs after the
// other: side by side they starve each other of time, and attachments of probes.
// docs/compatibility.md names the slow ones.
func lists() []list {
	return []list{
		{
			pkg: "ofapp",
			tests: []string{
				// Every row of the table of docs/architecture.md, with one and two legs.
				"TestWay", "TestEastWest", "TestMACs", "TestPolicy",
				// Broken flows of the carrier are noticed.
				"TestBrokenCarrier",
				// Several attachments, few datapath flows, dead links.
				"TestShare", "TestSymmetry", "TestFewDatapathFlows", "TestDeadLink",
				// The engine in the program, Suricata, offload.
				"TestEmbedded", "TestSuricata", "TestOffload",
				// Failure policy, restarts, ports that come and go, reload, repair.
				"TestFailurePolicy", "TestRestart", "TestSwitchRestart", "TestPorts", "TestReload", "TestRepair",
				// Kinds of devices, 802.1Q devices, segmentation and checksum offload, behind
				// ports and with the engine in the program.
				"TestDevices", "TestSegments",
			},
			slow: []string{
				"TestVerdicts", "TestOwnFrames", "TestVLANLimit", "TestMACLimit", "TestCounters",
				"TestDegraded", "TestFailureByLine", "TestSilence", "TestMeterDeleted", "TestBadLink", "TestHoldDown", "TestProbeStorm",
				"TestEmbeddedRestart", "TestEmbeddedEnds", "TestDetection", "TestDetectionEmbedded", "TestSuricataStops",
				"TestOffloadRestart", "TestOffloadPolicy", "TestSuricataBypass", "TestSuricataBlock",
				"TestSwitchRestartLoss", "TestDatabaseRestart", "TestFlowRestoreWait", "TestTakeOver", "TestFailover", "TestHandover",
			},
			brief: []string{"-test.parallel=1"},
		},
		// Random frames by ofproto/trace against the model, and that broken flows are noticed.
		{
			pkg:   "flows",
			tests: []string{"TestWayOfAFrame", "TestModelMissesEachTable", "TestOffloadFlows", "TestInspected"},
			slow:  []string{"TestOffloadMegaflows", "TestLearning"},
			brief: []string{"-frames=1500"},
		},
	}
}

// pattern is what -test.run takes to run them.
func (l list) pattern(slow bool) string {
	tests := l.tests
	if slow {
		tests = append(tests, l.slow...)
	}
	return "^(" + strings.Join(tests, "|") + ")$"
}

// flags are further ones of the test binary.
func (l list) flags(slow bool) []string {
	if slow {
		return nil
	}
	return l.brief
}
