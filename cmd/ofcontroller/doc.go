// SPDX-License-Identifier: Apache-2.0

// Command ofcontroller turns an Open vSwitch bridge into an IPS gateway.
//
// It owns the command line: commands, flags, exit codes, signals, and the form
// of what is printed. It decides nothing about frames or flows and speaks to no
// switch itself; run hands over to ofapp, and status, macs, alerts, events and
// flows --live ask the running program through its control socket. It may import ofapp,
// ofapp/control, config, flows (for output), ips/rules and
// ips/suricata (for check).
package main
