// SPDX-License-Identifier: Apache-2.0

package config

// Defaults of offload keys while what they switch on is not supported yet; true and 60s afterwards.
const (
	offloadBypass = "false"
	offloadBlock  = "0s"
)

// unsupported refuses what the schema has and this version does not do yet: it must never be ignored in silence.
// Lifting one is deleting its lines.
func (v *validator) unsupported() {
	const wrong = "not supported yet"
	c, in := v.config, &v.config.Inspection
	if len(c.Uplinks) > 1 {
		v.fault("uplinks[1]", "more than one uplink is "+wrong, "make one bond of the adapters in the kernel and name that")
	}
	if in.Offload.Bypass {
		v.fault("inspection.offload.bypass", "true is "+wrong, "false, and policy lines with action: bypass for what need not be inspected")
	}
	if in.Offload.Block > 0 {
		v.fault("inspection.offload.block", "a time above 0s is "+wrong, "0s: the engine drops every frame of the connection itself")
	}
	if v.given("inspection.offload.limit") {
		v.fault("inspection.offload.limit", "a limit is "+wrong+": nothing is offloaded", "leave it out")
	}
}
