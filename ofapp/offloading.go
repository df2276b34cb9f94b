// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"errors"
	"net/netip"

	"ofcontroller/config"
	"ofcontroller/flows"
	"ofcontroller/ofapp/offload"
	"ofcontroller/openflow"
)

// carryOut sends the orders of offloads to the switch, in small bundles: one for
// what came while the last was under way.
func (a *App) carryOut(ctx context.Context, conn *openflow.Conn) error {
	a.offloads.setOpen(true)
	defer a.offloads.setOpen(false)
	for {
		batch, err := a.offloads.next(ctx)
		if err != nil {
			return err
		}
		mods, err := offloadMods(batch)
		if err != nil {
			return err
		}
		err = conn.Bundle(ctx, mods)
		a.offloads.done(batch, err)
		var refused *openflow.BundleError
		switch {
		case errors.As(err, &refused):
			a.log.WithError(err).WithField("connections", len(batch)).Warn("the switch refused offloads")
		case err != nil:
			return err
		}
	}
}

// offloadMods are the messages for a batch of orders.
func offloadMods(batch []order) ([]openflow.Mod, error) {
	mods := make([]openflow.Mod, 0, 2*len(batch))
	enc := newEncoder()
	for _, x := range batch {
		for _, f := range x.offload.Flows() {
			mod, err := enc.encode(&f)
			if err != nil {
				return nil, err
			}
			if x.remove {
				mod.Command = openflow.FlowDeleteStrict
			}
			mods = append(mods, cloneFlow(mod))
		}
	}
	return mods, nil
}

// offloadForms are the bodies of offloads' flows, as the switch gives them back.
type offloadForms map[offloadForm]string

type offloadForm struct {
	category flows.Category
	tcp      bool // a bypass of TCP ends soon after the connection
}

func newOffloadForms() (offloadForms, error) {
	forms := offloadForms{}
	for _, v := range []flows.Verdict{flows.BypassConnection, flows.BlockConnection} {
		for _, proto := range []uint8{flows.ProtoTCP, flows.ProtoUDP} {
			any4 := netip.AddrPortFrom(netip.IPv4Unspecified(), 1)
			f := flows.Offload{Connection: flows.Connection{Proto: proto, Src: any4, Dst: any4}, Verdict: v}.Flows()[0]
			mod, err := newEncoder().encode(&f)
			if err != nil {
				return nil, err
			}
			forms[offloadForm{f.Cookie.Category(), proto == flows.ProtoTCP}] = string(mod.Instructions)
		}
	}
	return forms, nil
}

// offloadFields is how many fields the match of an offload's flow has: VLAN,
// EtherType, protocol, addresses and ports.
const offloadFields = 7

// parse reads a flow that has an offload's cookie. It is not ok if the flow is
// not just what this program writes: somebody else has changed it.
func (forms offloadForms) parse(s openflow.FlowStats) (o flows.Offload, ok bool) {
	match, err := openflow.ParseMatch(s.Match)
	if err != nil || len(match) != offloadFields {
		return o, false
	}
	c := flows.Cookie(s.Cookie)
	if o, ok = offloadOfMatch(match, c); !ok {
		return o, false
	}
	o.Seconds = s.HardTimeout
	want := o.Flows()[0]
	if o.Verdict == flows.BlockConnection && o.Seconds == 0 {
		return o, false
	}
	return o, s.Table == uint8(want.Table) && s.Priority == want.Priority && s.Cookie == uint64(want.Cookie) &&
		s.Flags == openflow.FlagSendFlowRem && s.HardTimeout == want.HardTimeout &&
		(s.IdleTimeout == want.IdleTimeout || s.IdleTimeout == flows.OffloadClosed && o.Proto == flows.ProtoTCP && want.IdleTimeout != 0) &&
		string(s.Instructions) == forms[offloadForm{c.Category(), o.Proto == flows.ProtoTCP}]
}

// offloadOfMatch reads the connection, as seen in the direction of the flow. No
// offload has a port 0: the switch takes the ports of fragments for that.
func offloadOfMatch(m openflow.Match, c flows.Cookie) (o flows.Offload, ok bool) {
	vlan, mask, hasVLAN := m.RegValue(int(flows.Reg2))
	proto, src, dst, hasTuple := m.FiveTuple()
	o = flows.Offload{
		Connection: flows.Connection{VLAN: uint16(vlan), Proto: proto, Src: src, Dst: dst},
		Verdict:    flows.BypassConnection, SID: c.Object(),
	}
	if c.Category() == flows.CatBlock {
		o.Verdict = flows.BlockConnection
	}
	hasPorts := src.Port() != 0 && dst.Port() != 0
	return o, hasVLAN && hasTuple && hasPorts && mask == 0xfff && vlan <= 0xfff && c.Offloaded()
}

// offloadGone hears that the switch has let go of an offload's flow. Those that
// were ordered away are out of the book already, and the connection may be back
// in it.
func (a *App) offloadGone(e openflow.FlowRemoved) {
	c := flows.Cookie(e.Cookie)
	if !c.Offloaded() {
		return
	}
	k := flowKey{e.Table, e.Priority, string(e.Match.Canonical())}
	a.tally.end(k, offloaded{c.Counts(), amount{e.Packets, e.Bytes}})
	if e.Reason == openflow.RemovedDelete {
		return
	}
	if o, ok := offloadOfMatch(e.Match, c); ok {
		a.offloads.mu.Lock()
		defer a.offloads.mu.Unlock()
		a.offloads.book.Gone(o)
	}
}

// look begins a look at the switch, found ends it.
func (o *offloader) look() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.book.Look()
}

func (o *offloader) found(list []offload.Flow) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.takeAway(o.book.Found(list))
}

// review takes away what the configuration and the ports have no use for now.
func (o *offloader) review(g flows.Gateway, cfg config.Offload) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gateway = g
	o.reviews++
	o.takeAway(o.book.SetLimit(cfg.Limit))
	entries := o.book.Entries()
	connections := make([]flows.Connection, len(entries))
	for i, e := range entries {
		connections[i] = e.Connection
	}
	inspected := g.Inspected(connections)
	for i, e := range entries {
		useless := !inspected[i] || e.Verdict == flows.BypassConnection && !cfg.Bypass ||
			e.Verdict == flows.BlockConnection && e.Seconds > seconds(cfg.Block) && !cfg.Share // an operator's may be longer
		if useless {
			o.book.Remove(e.Connection)
			o.takeAway([]offload.Entry{e})
		}
	}
}

// group tells a multicast address or the limited broadcast address.
func group(a netip.AddrPort) bool {
	return a.Addr().IsMulticast() || a.Addr() == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
