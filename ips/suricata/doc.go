// SPDX-License-Identifier: Apache-2.0

// Package suricata is the IPS attachment that runs Suricata, 7.0 or later,
// between two switch ports that the package makes itself.
//
// It owns two veth pairs (ips/link), Suricata's configuration, its process, the
// file it logs to, its command socket and the socket that its events (EVE JSON)
// come in on. Frames pass between the pairs inside Suricata alone; this package
// never touches one.
//
// Suricata outlives the program on purpose (Options.Stop): a restart of the
// controller costs no inspection. The next Attachment with the same directory
// and the same settings adopts the process, and loads the rules if their files
// have changed meanwhile. Where the settings differ it stops the old process
// and starts another. systemd ends children with their service unless the unit
// says KillMode=process (systemd.kill(5)).
//
// Memory: what traffic can make Suricata keep is bounded by its own memcaps,
// which together are about half of Options.MemoryMax; rules, rings and code are
// the rest. The resident size is read twice a second, and a Suricata that is over
// the bound is started again. There is no RLIMIT_AS or RLIMIT_DATA: both count
// reserved address space, and an allocation that fails ends Suricata at a point
// nobody chose.
//
// Health is not its business. Suricata has no fail-open, and a process that is
// stopped or stuck leaves both links up; Options.OnEnd tells of the end of the
// process, and probes tell whether frames pass.
//
// It never talks to the switch. It imports ips/link.
package suricata
