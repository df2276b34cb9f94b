// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"encoding/json"
	"time"

	"ofcontroller/ips/embedded"
	rulesengine "ofcontroller/ips/engine"
	"ofcontroller/ips/suricata"
	"ofcontroller/ips/verdict"
)

// alerted hears of every alert of every engine. Workers of the embedded engine
// call it, several at once, and it must not block.
func (a *App) alerted(al *verdict.Alert) {
	r := alertRecord{Alert: *al, port: a.places.of(al)}
	size := alertSize
	if raw, ok := al.EVE.(json.RawMessage); ok {
		size += len(raw)
	}
	a.alertLog.Add(r, size)
}

// embeddedVerdict takes the alerts out of a verdict of the embedded engine.
func (a *App) embeddedVerdict(attachment string, v *rulesengine.Verdict) {
	now := time.Now()
	for _, alert := range v.Alerts {
		r := embedded.Record(attachment, &v.Meta, alert, now)
		al := verdict.Alert{
			Time: now, Attachment: attachment, Origin: v.Meta.Origin, SourceMAC: v.Meta.EthSrc,
			Connection: verdict.Connection{VLAN: v.Meta.VLAN, Proto: v.Meta.Proto, Src: v.Meta.Src, Dst: v.Meta.Dst},
			GID:        r.GID, SID: r.SID, Rev: r.Rev, Signature: r.Signature, Category: r.Category, Severity: r.Severity,
			Blocked: r.Blocked, Block: v.Block, Bypass: v.Bypass,
		}
		r.Attachment = "" // alertRecord tells it
		al.EVE = r
		a.alerted(&al)
	}
}

// suricataEvent takes the alert out of an event of Suricata.
func (a *App) suricataEvent(attachment string, e *suricata.Event) {
	if e.Type != suricata.TypeAlert {
		return
	}
	al := verdict.Alert{
		Time: e.Time, Attachment: attachment, Origin: e.Origin, SourceMAC: e.SourceMAC,
		Connection: verdict.Connection{Proto: e.ProtoNumber(), Src: e.Src, Dst: e.Dst},
		GID:        e.GID, SID: e.SID, Rev: e.Rev, Signature: e.Signature, Category: e.Category, Severity: e.Severity,
		Blocked: e.Action == "blocked", Bypass: e.Bypass, EVE: json.RawMessage(e.Raw),
	}
	if len(e.VLANs) > 0 {
		al.Connection.VLAN = e.VLANs[0]
	}
	a.alerted(&al)
}
