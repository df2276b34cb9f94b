// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"time"

	"github.com/sirupsen/logrus"

	"ofcontroller/ips/engine"
	"ofcontroller/ips/eve"
)

// report tells the EVE file and OnVerdict of a verdict that is more than a
// silent pass.
func (a *Attachment) report(v *engine.Verdict, now time.Time) {
	if v.Action == engine.Pass && !v.Bypass && !v.Modified && len(v.Alerts) == 0 {
		return
	}
	a.count.alerts.Add(uint64(len(v.Alerts)))
	for _, alert := range v.Alerts {
		a.eve.Write(Record(a.o.Name, &v.Meta, alert, now))
	}
	if a.o.OnVerdict != nil {
		a.o.OnVerdict(*v)
	}
}

// Record is an alert of an attachment as EVE has it.
func Record(attachment string, m *engine.Meta, alert engine.Alert, now time.Time) eve.Record {
	r := alert.Rule
	return eve.Record{
		Time: now, FlowID: m.FlowID,
		Src: m.Src, Dst: m.Dst, Proto: m.Proto, VLAN: m.VLAN, ICMPType: m.ICMPType, ICMPCode: m.ICMPCode,
		Blocked: alert.Action == engine.Blocked,
		GID:     r.GID, SID: r.SID, Rev: r.Rev, Signature: r.Msg, Category: r.Category, Severity: r.Priority,
		Origin: m.Origin, Attachment: attachment,
	}
}

// panicked counts a panic and logs one per second at most.
func (a *Attachment) panicked(cause any, stack []byte, length int) {
	n := a.count.panics.Add(1)
	now := time.Now().UnixNano()
	last := a.lastPanic.Load()
	if now-last < int64(time.Second) || !a.lastPanic.CompareAndSwap(last, now) {
		return
	}
	a.log.WithFields(logrus.Fields{"panic": cause, "panics": n, "frame_bytes": length, "stack": string(stack)}).
		Error("engine panicked; the frame is dropped and work goes on")
}
