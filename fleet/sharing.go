// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"ofcontroller/fleet/schema"
)

// Times of blocks. What is raised while a transaction is under way goes into the next one.
const (
	shareRest  = 50 * time.Millisecond // between two transactions
	lookRest   = 10 * time.Millisecond // between two looks at the rows, of which there may be many
	shareEvery = time.Second           // own rows that have ended are looked for so often
)

// Share says whether the gateway takes part in the blocks of its fleet.
func (f *Follower) Share(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sharing == on {
		return
	}
	f.sharing = on
	wake(f.share)
	wake(f.told)
}

// Raise tells the fleet of a connection that this gateway has begun to drop, if it shares blocks. It never blocks. What is
// raised while no server answers waits for one, as long as the block lasts; beyond so many as one host may have it is not
// told.
func (f *Follower) Raise(b Block) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sharing {
		f.blocks.raise(b, time.Now())
		wake(f.share)
	}
}

// Told yields a value when Blocks may have changed since the last value was taken.
func (f *Follower) Told() <-chan struct{} { return f.told }

// Blocks lists the connections that others have blocked, the oldest first, with the time that is left, and those of this
// gateway's that were revoked since it was called last. Without a server they are as they were; a gateway that does not share
// has none.
func (f *Follower) Blocks() (others, revoked []Block) {
	f.mu.Lock()
	defer f.mu.Unlock()
	revoked, f.blocks.revoked = f.blocks.revoked, nil
	if f.sharing {
		others = f.blocks.others(time.Now())
	}
	return others, revoked
}

// shareAll follows the rows of blocks and writes this gateway's, while it shares them, until the session ends.
func (f *Follower) shareAll(ctx context.Context, s *conn) error {
	tick := time.NewTicker(shareEvery)
	defer tick.Stop()
	watching := false
	for {
		f.mu.Lock()
		sharing := f.sharing
		f.mu.Unlock()
		if s.has(schema.BlockTable) && (sharing || watching) { // rows of this gateway are taken back also when it has ceased to share
			if !watching {
				if err := s.watch(ctx, watch{row: &schema.Block{}}); err != nil {
					return err
				}
			}
			f.lookBlocks(s, !watching)
			watching = true
			wrote, err := f.writeBlocks(ctx, s)
			if err != nil {
				return err
			}
			pause := lookRest
			if wrote {
				pause = shareRest
			}
			if err := rest(ctx, pause); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.share:
		case <-tick.C:
		}
	}
}

// rest waits, or until ctx ends.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// lookBlocks takes the rows that there are.
func (f *Follower) lookBlocks(s *conn, fresh bool) {
	var rows []*schema.Block
	each(s, func(b *schema.Block) { rows = append(rows, b) })
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.blocks.serial
	count := len(f.blocks.known)
	f.blocks.look(rows, fresh, time.Now())
	if f.blocks.serial != before || len(f.blocks.known) != count {
		wake(f.told)
	}
}

// writeBlocks writes what there is to be written of this gateway's blocks, and tells whether that was anything. What the
// server refuses is not tried again: the gateway itself drops the connection all the same.
func (f *Follower) writeBlocks(ctx context.Context, s *conn) (wrote bool, err error) {
	f.mu.Lock()
	rows, remove, take := f.blocks.due(time.Now())
	dropped := f.blocks.dropped
	f.blocks.dropped = 0
	f.mu.Unlock()
	if dropped > 0 {
		f.o.Log.WithField("blocks", dropped).Warn("too many blocks at once: the fleet is not told of all")
	}
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if err == nil {
			f.blocks.queue = slices.Clone(f.blocks.queue[take:])
		}
	}()
	out, in := batch{c: s}, batch{c: s}
	for _, id := range remove {
		out.removeRow(schema.BlockTable, id)
	}
	for _, r := range rows {
		in.insert(r)
	}
	for _, b := range []batch{out, in} { // a full table takes nothing before it has room
		if b.err == nil && len(b.ops) > 0 {
			_, b.err = f.commit(ctx, s, b.ops)
		}
		var refused ovsdb.OperationError
		switch {
		case errors.As(b.err, &refused):
			f.o.Log.WithError(b.err).Warn("the fleet's database refuses a change of blocks")
		case b.err != nil:
			return false, fmt.Errorf("write blocks of host %s: %w", f.o.Name, b.err)
		}
	}
	return len(out.ops)+len(in.ops) > 0, nil
}
