// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"fmt"
	"strings"
	"time"
)

// Kinds of events, documented in docs/events.md.
const (
	eventLearned   = "learned"    // the switch knows an address
	eventMoved     = "moved"      // an address is behind another port
	eventForgotten = "forgotten"  // the switch knows an address no more
	eventPort      = "port"       // added, removed, link up or down
	eventHealth    = "health"     // of an attachment
	eventDrain     = "drain"      // of an attachment, and its end
	eventRoster    = "attachment" // added or no longer configured
	eventReload    = "reload"     // of the configuration and the rules
	eventRepair    = "repair"     // flows that others changed
	eventSwitch    = "switch"     // the OpenFlow channel
	eventFailover  = "failover"   // of a group: this gateway forwards its VLANs, or does no more
	eventDatabase  = "database"   // the connection to ovsdb-server
)

// Event is something that happened to the gateway.
type Event struct {
	Seq     uint64            `json:"seq"` // of this run of the program, from 1
	Time    time.Time         `json:"time"`
	Kind    string            `json:"kind"`
	Subject string            `json:"subject"` // the port, address, attachment, … that it happened to
	Text    string            `json:"text"`
	Fields  map[string]string `json:"fields,omitempty"`
}

// Bounds of the journal of events, and of one event's text in bytes.
const (
	eventRecords = 4096
	eventBytes   = 4 << 20
	maxEventText = 4 << 10
)

// happened puts an event in the journal.
func (a *App) happened(kind, subject, text string, fields map[string]string) {
	if len(text) > maxEventText {
		text = strings.ToValidUTF8(text[:maxEventText], "") + "…"
	}
	e := Event{Time: time.Now(), Kind: kind, Subject: subject, Text: text, Fields: fields}
	size := len(subject) + len(text) + 128
	for k, v := range fields {
		size += len(k) + len(v)
	}
	a.eventLog.Add(e, size)
}

const eventHead = "   SEQ  TIME                     KIND       SUBJECT            WHAT"

// line writes the event for a person.
func (e Event) line() string {
	return fmt.Sprintf("%6d  %-23s  %-9s  %-17s  %s", e.Seq, e.Time.Format(lineTime), e.Kind, e.Subject,
		strings.ReplaceAll(e.Text, "\n", "; "))
}

// lineTime is a time in a line for a person: local, milliseconds.
const lineTime = "2006-01-02 15:04:05.000"
