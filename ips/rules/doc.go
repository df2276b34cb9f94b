// SPDX-License-Identifier: Apache-2.0

// Package rules reads intrusion rules written in Suricata's language and turns them into values that an engine can match.
//
// It owns the language: which headers, options and combinations of options are understood, what they mean, and what is
// said about a rule that is not. The text is parsed by github.com/google/gonids; everything that library would lose, guess
// or hang on is checked before (scan.go, options.go), so a rule is either understood in full or refused with its file, line
// and sid.
//
// It never matches a packet, never logs and never starts a goroutine that outlives a call. Files are read by [Load] only.
// It imports gonids and the standard library, nothing else of this module.
package rules
