// SPDX-License-Identifier: Apache-2.0

// Command ofcontroller turns an Open vSwitch bridge into an IPS gateway.
//
// It owns the command line: commands, flags, exit codes, signals, and the form
// of what is printed. It decides nothing about frames or flows and speaks to no
// switch itself; run hands over to ofapp, and what looks at the gateway asks
// the running program through its control socket. It may import ofapp,
// ofapp/control, ofapp/trace, config, ips/rules and ips/suricata (for check).
package main
