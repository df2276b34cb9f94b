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
	al.Offload = a.offload(al)
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
	connection := verdict.Connection{VLAN: v.Meta.VLAN, Proto: v.Meta.Proto, Src: v.Meta.Src, Dst: v.Meta.Dst}
	plain := !v.Meta.Fragment && v.Meta.InnerTags <= 1 && v.Meta.EthDst[0]&groupBit == 0
	if len(v.Alerts) == 0 { // of a rule with pass or noalert, or a later frame
		a.offload(&verdict.Alert{
			Attachment: attachment, Connection: connection, Plain: plain,
			Blocked: v.Action != rulesengine.Pass, Block: v.Block, Bypass: v.Bypass,
		})
	}
	for _, alert := range v.Alerts {
		r := embedded.Record(attachment, &v.Meta, alert, now)
		al := verdict.Alert{
			Time: now, Attachment: attachment, Origin: v.Meta.Origin, SourceMAC: v.Meta.EthSrc,
			Connection: connection, Plain: plain,
			GID: r.GID, SID: r.SID, Rev: r.Rev, Signature: r.Signature, Category: r.Category, Severity: r.Severity,
			Blocked: r.Blocked, Block: v.Block, Bypass: v.Bypass,
		}
		r.Attachment = "" // alertRecord tells it
		al.EVE = r
		a.alerted(&al)
	}
}

// groupBit in the first octet of a MAC address: broadcast or multicast.
const groupBit = 1

// suricataEvent takes the alert out of an event of Suricata, and from a drop that
// the whole connection is dropped.
func (a *App) suricataEvent(attachment string, e *suricata.Event) {
	drop := e.Type == suricata.TypeDrop
	if e.Type != suricata.TypeAlert && (!drop || !e.DropsFlow) {
		return
	}
	al := verdict.Alert{
		Time: e.Time, Attachment: attachment, Origin: e.Origin, SourceMAC: e.SourceMAC,
		Connection: verdict.Connection{Proto: e.ProtoNumber(), Src: e.Src, Dst: e.Dst},
		GID:        e.GID, SID: e.SID, Rev: e.Rev, Signature: e.Signature, Category: e.Category, Severity: e.Severity,
		Blocked: e.Action == "blocked" || drop, Block: e.DropsFlow, Bypass: e.Bypass,
		Plain: e.Plain, EVE: json.RawMessage(e.Raw),
	}
	if len(e.VLANs) > 0 {
		al.Connection.VLAN = e.VLANs[0]
	}
	if drop {
		a.offload(&al)
		return
	}
	a.alerted(&al)
}
