// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/contiv/libOpenflow/openflow13"
)

// The ONF bundle extension to OpenFlow 1.3 (extension 230).
const (
	onfExperimenter uint32 = openflow13.ONF_EXPERIMENTER_ID
	bundleControl   uint32 = openflow13.Type_BundleCtrl
	bundleAdd       uint32 = openflow13.Type_BundleAdd
	bundleErrorBase        = int(openflow13.BEC_UNKNOWN)

	bundleFlags uint16 = openflow13.OFPBCT_ATOMIC | openflow13.OFPBCT_ORDERED
)

// bundleChunk is how many bytes of bundle messages go to the writer at once.
const bundleChunk = 60 << 10

// bundle is one bundle on its way.
type bundle struct {
	conn *Conn
	id   uint32
	n    int

	adds    *call
	control *call
	answers chan message  // to control messages
	refused chan struct{} // closed at the first refusal of a mod

	mu      sync.Mutex
	refusal *BundleError
}

// Bundle applies mods in order and all or none (OFPBF_ATOMIC, OFPBF_ORDERED).
// After a *BundleError, an encoding error or a ctx that ends before the commit
// is sent, nothing has changed. If ctx or the connection ends while the commit
// is under way, the error says that the outcome is unknown.
//
// A bundle that could not be discarded, because the switch does not read, is
// discarded by the switch itself (ovs-vswitchd.conf.db(5),
// other_config:bundle-idle-timeout) and no later than with the connection.
func (c *Conn) Bundle(ctx context.Context, mods []Mod) error {
	if len(mods) == 0 {
		return nil
	}
	b := &bundle{
		conn: c, id: c.bundleIDs.Add(1), n: len(mods),
		answers: make(chan message, 4), refused: make(chan struct{}),
	}
	b.adds = c.register(len(mods), b.refuse)
	defer c.unregister(b.adds)
	b.control = c.register(4, func(m message) {
		select {
		case b.answers <- m:
		default: // more answers than there were questions
		}
	})
	defer c.unregister(b.control)
	if err := b.run(ctx, mods); err != nil {
		if _, ok := errors.AsType[*BundleError](err); ok {
			return err
		}
		return fmt.Errorf("bundle of %d: %w", b.n, err)
	}
	return nil
}

// run opens, fills, closes and commits. The close comes before the commit
// because its answer comes after all refusals: the switch would commit a bundle
// without the messages that it refused.
func (b *bundle) run(ctx context.Context, mods []Mod) error {
	if err := b.ask(ctx, 0, openflow13.OFPBCT_OPEN_REQUEST, openflow13.OFPBCT_OPEN_REPLY); err != nil {
		return fmt.Errorf("open: %w", err)
	}
	err := b.fill(ctx, mods)
	if err == nil {
		err = b.ask(ctx, 1, openflow13.OFPBCT_CLOSE_REQUEST, openflow13.OFPBCT_CLOSE_REPLY)
	}
	if r := b.firstRefusal(); r != nil {
		err = r
	}
	if err != nil {
		b.discard(ctx)
		return err
	}
	err = b.ask(ctx, 2, openflow13.OFPBCT_COMMIT_REQUEST, openflow13.OFPBCT_COMMIT_REPLY)
	if r := b.firstRefusal(); r != nil {
		return r
	}
	if _, ok := errors.AsType[*BundleError](err); err != nil && !ok {
		return fmt.Errorf("commit, outcome unknown: %w", err)
	}
	return err
}

// fill sends the mods in chunks and stops at the first refusal.
func (b *bundle) fill(ctx context.Context, mods []Mod) error {
	chunk := make([]byte, 0, bundleChunk+bundleChunk/8)
	var err error
	for i, m := range mods {
		if chunk, err = b.appendAdd(chunk, m, b.adds.first+uint32(i)); err != nil {
			return fmt.Errorf("mod %d: %w", i, err)
		}
		if len(chunk) < bundleChunk && i < len(mods)-1 {
			continue
		}
		select {
		case <-b.refused:
			return nil
		default:
		}
		if err := b.conn.send(ctx, chunk); err != nil {
			return err
		}
		chunk = chunk[:0]
	}
	return nil
}

// appendAdd writes a bundle-add: header, experimenter, bundle id, flags and the
// message, whose xid must be the same.
func (b *bundle) appendAdd(buf []byte, m Mod, xid uint32) ([]byte, error) {
	if m == nil {
		return nil, errors.New("nil")
	}
	start := len(buf)
	buf = b.header(buf, bundleAdd, xid)
	buf = append(buf, 0, 0)
	buf = binary.BigEndian.AppendUint16(buf, bundleFlags)
	buf, err := m.appendTo(buf, xid)
	if err != nil {
		return nil, err
	}
	return finishMessage(buf, start)
}

func (b *bundle) header(buf []byte, typ, xid uint32) []byte {
	buf = appendHeader(buf, typeExperimenter, xid)
	buf = binary.BigEndian.AppendUint32(buf, onfExperimenter)
	buf = binary.BigEndian.AppendUint32(buf, typ)
	return binary.BigEndian.AppendUint32(buf, b.id)
}

func (b *bundle) controlMessage(n uint32, typ uint16) []byte {
	buf := b.header(make([]byte, 0, 24), bundleControl, b.control.first+n)
	buf = binary.BigEndian.AppendUint16(buf, typ)
	buf = binary.BigEndian.AppendUint16(buf, bundleFlags)
	binary.BigEndian.PutUint16(buf[2:], uint16(len(buf)))
	return buf
}

// ask sends the n-th control message and waits for its answer.
func (b *bundle) ask(ctx context.Context, n uint32, typ, want uint16) error {
	if err := b.conn.send(ctx, b.controlMessage(n, typ)); err != nil {
		return err
	}
	for {
		m, err := b.conn.await(ctx, b.answers)
		if err != nil {
			return err
		}
		if m.xid != b.control.first+n {
			continue
		}
		if m.typ == typeError {
			e, err := decodeError(m)
			if err != nil {
				return err
			}
			return &BundleError{Index: -1, Err: e}
		}
		return b.checkReply(m, want)
	}
}

func (b *bundle) checkReply(m message, want uint16) error {
	c := cursor{b: m.body}
	experimenter, typ, id, got := c.u32(), c.u32(), c.u32(), c.u16()
	if c.err != nil {
		return c.wrap("bundle control")
	}
	if m.typ != typeExperimenter || experimenter != onfExperimenter || typ != bundleControl || id != b.id || got != want {
		return fmt.Errorf("unexpected answer to a bundle control message: %w", ErrMalformed)
	}
	return nil
}

// discard makes the switch forget the bundle, if it reads at all. It waits for
// no answer: the xid stays unknown, so an error comes as an event.
func (b *bundle) discard(ctx context.Context) {
	m := b.controlMessage(3, openflow13.OFPBCT_DISCARD_REQUEST)
	if b.conn.send(ctx, m) != nil {
		_ = b.conn.out.put(m)
		b.conn.flush()
	}
}

// refuse notes the first error that a mod gets. It runs in the reader.
func (b *bundle) refuse(m message) {
	if m.typ != typeError {
		return
	}
	e, err := decodeError(m)
	if err != nil {
		e = &ErrorMsg{XID: m.xid, Type: errTypeExperimenter, Data: m.body}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refusal == nil {
		b.refusal = &BundleError{Index: int(m.xid - b.adds.first), Err: e}
		close(b.refused)
	}
}

func (b *bundle) firstRefusal() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refusal == nil {
		return nil
	}
	return b.refusal
}
