// SPDX-License-Identifier: Apache-2.0

// Package eve writes alerts as Suricata's EVE JSON does: one object per line,
// with the fields that tools for EVE files read.
//
// It owns the form of a record, the file it goes to, and the bound on what may
// wait for that file. Write never blocks: inspection must go on with a full
// disk, a slow disk or no disk; what cannot be written is counted and dropped.
// The program's log hears of troubles with the file, not of alerts.
//
// It never judges frames, never rotates a file (it only opens it again), and
// imports no other package of this module.
package eve
