// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/sirupsen/logrus"

	"ofcontroller/ips/eve"
	"ofcontroller/ips/verdict"
	"ofcontroller/ofapp/journal"
)

// Bounds of the journal of alerts. alertSize is an alert in memory, in bytes,
// without the EVE that Suricata wrote; that has up to 128 KiB.
const (
	alertRecords = 4096
	alertBytes   = 16 << 20
	alertSize    = 512
)

// alertRecord is an alert with what the switch's side knows of it.
type alertRecord struct {
	verdict.Alert
	port string // of the bridge, that the frame came in on; "" when not known
}

func (r *alertRecord) verdict() string {
	if r.Blocked {
		return "blocked"
	}
	return "allowed"
}

// enforcer is who carries the verdict out on the rest of the connection.
func (r *alertRecord) enforcer() string {
	if r.Offload != "" {
		return "switch"
	}
	return "engine"
}

// end is an end of the connection: without the port where the protocol has none.
func (r *alertRecord) end(a netip.AddrPort) string {
	switch {
	case !a.Addr().IsValid():
		return "-"
	case !r.Connection.HasPorts():
		return a.Addr().String()
	}
	return a.String()
}

func (r *alertRecord) proto() string {
	if !r.Connection.Src.Addr().IsValid() {
		return "-"
	}
	return eve.ProtoName(r.Connection.Proto)
}

const alertHead = "   SEQ  TIME                     ATTACHMENT  ORIGIN  PORT        VLAN  PROTO  " +
	"SRC                    DST                    VERDICT  BY      SID       SIGNATURE"

// line writes the alert for a person.
func (r *alertRecord) line(seq uint64) string {
	port := r.port
	if port == "" {
		port = "-"
	}
	return fmt.Sprintf("%6d  %-23s  %-10s  %-6s  %-10s  %4d  %-5s  %-21s  %-21s  %-7s  %-6s  %-8d  %s",
		seq, r.Time.Local().Format(lineTime), r.Attachment, eve.OriginName(r.Origin), port, r.Connection.VLAN, r.proto(),
		r.end(r.Connection.Src), r.end(r.Connection.Dst), r.verdict(), r.enforcer(), r.SID, r.Signature)
}

// ownMember is what this program adds to an engine's EVE object.
type ownMember struct {
	Seq        uint64 `json:"seq"` // of this run of the program, from 1
	Attachment string `json:"attachment"`
	Origin     string `json:"origin"`
	Port       string `json:"port"`
	Offload    string `json:"offload"` // "", bypass or block
}

// object is the engine's EVE object with a member ofcontroller, in one line.
func (r *alertRecord) object(seq uint64) ([]byte, error) {
	raw, err := json.Marshal(r.EVE) // compact
	if err != nil {
		return nil, fmt.Errorf("EVE of the alert: %w", err)
	}
	own, err := json.Marshal(ownMember{seq, r.Attachment, eve.OriginName(r.Origin), r.port, r.Offload})
	if err != nil {
		return nil, fmt.Errorf("EVE of the alert: %w", err)
	}
	head, ok := bytes.CutSuffix(raw, []byte("}"))
	if !ok || len(head) < 2 {
		return nil, errors.New("EVE of the alert is not an object with members")
	}
	return fmt.Appendf(head[:len(head):len(head)], `,"ofcontroller":%s}`, own), nil
}

func (a *App) alertView() journalView[alertRecord] {
	return journalView[alertRecord]{
		journal: a.alertLog, head: alertHead,
		line:   func(r journal.Record[alertRecord]) string { return r.Value.line(r.Seq) },
		object: func(r journal.Record[alertRecord]) ([]byte, error) { return r.Value.object(r.Seq) },
	}
}

// alertsPerSecond bounds the lines in the log: an attacker must not fill a disk.
const alertsPerSecond = 10

// logAlerts puts alerts in the program's log, as one more reader of the
// journal: a log that blocks holds up no frame. How many were left out is told
// once a second.
func (a *App) logAlerts(ctx context.Context) error {
	var seq, left uint64
	count, ends := 0, time.Now()
	for ctx.Err() == nil {
		wait, cancel := ctx, context.CancelFunc(func() {})
		if left > 0 {
			wait, cancel = context.WithDeadline(ctx, ends)
		}
		records, missed := a.alertLog.Since(wait, seq, pageRecords)
		cancel()
		left += missed
		if now := time.Now(); !now.Before(ends) {
			a.logLeftOut(left)
			count, left, ends = 0, 0, now.Add(time.Second)
		}
		for _, r := range records {
			seq = r.Seq
			if count++; count > alertsPerSecond {
				left++
				continue
			}
			a.logAlert(&r.Value)
		}
	}
	a.logLeftOut(left)
	return ctx.Err()
}

func (a *App) logLeftOut(n uint64) {
	if n > 0 {
		a.log.WithField("alerts_not_logged", n).Warn("more alerts than the log takes")
	}
}

func (a *App) logAlert(r *alertRecord) {
	f := logrus.Fields{
		"attachment": r.Attachment, "origin": eve.OriginName(r.Origin), "port": r.port, "vlan": r.Connection.VLAN,
		"action": r.verdict(), "enforced_by": r.enforcer(), "sid": r.SID, "rev": r.Rev, "severity": r.Severity,
	}
	if r.Connection.Src.Addr().IsValid() {
		f["proto"], f["src"], f["dst"] = r.proto(), r.end(r.Connection.Src), r.end(r.Connection.Dst)
	}
	a.log.WithFields(f).Warn("alert: " + r.Signature)
}
