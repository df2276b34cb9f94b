// SPDX-License-Identifier: Apache-2.0

package config

// unsupported refuses what the schema has and this version does not do yet: it must never be ignored in silence.
// Lifting one is deleting its lines.
func (v *validator) unsupported() {
	const wrong = "not supported yet"
	c := v.config
	if len(c.Uplinks) > 1 {
		v.fault("uplinks[1]", "more than one uplink is "+wrong, "make one bond of the adapters in the kernel and name that")
	}
}
