// SPDX-License-Identifier: Apache-2.0

// Package config owns the schema of the configuration file: its keys, their types, defaults and ranges, and every rule
// that two keys must keep together.
//
// A configuration comes from three layers, the later one winning: the file, the environment (OFCONTROLLER_BRIDGE_NAME for
// bridge.name) and flags (--bridge.name). viper decides which layer's text counts for a scalar key; the text itself is
// decoded by this package, strictly, from YAML nodes, so that nothing is coerced and every fault knows its line.
//
// The package never opens a file that the configuration names, never speaks to the switch and never looks at the host's
// interfaces: a configuration is right or wrong by its text alone.
//
// It may import nothing else of this module.
package config
