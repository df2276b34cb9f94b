// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ofcontroller/fleet/schema"
)

// BlockLine is a block as the database has it.
type BlockLine struct {
	VLAN       uint16 `json:"vlan"`
	Proto      string `json:"proto"`
	Src        string `json:"src"`
	Dst        string `json:"dst"`
	Host       string `json:"host"` // that raised it; "" is an operator
	SID        uint32 `json:"sid"`  // of the rule, 0 not known
	Message    string `json:"message"`
	RemainingS int    `json:"remaining_s"` // by the clocks of the host and of this machine; 0: it has ended
}

// BlockLines are the blocks of a fleet.
type BlockLines []BlockLine

// Table writes a line for each block.
func (list BlockLines) Table() string {
	return tabulate("VLAN\tPROTO\tSRC\tDST\tHOST\tSID\tLEFT\tMESSAGE", func(line func(format string, cells ...any)) {
		for _, l := range list {
			line("%d\t%s\t%s\t%s\t%s\t%d\t%ds\t%q", l.VLAN, l.Proto, l.Src, l.Dst, cmp.Or(l.Host, "(operator)"), l.SID, l.RemainingS, l.Message)
		}
	})
}

// blockRows are all rows of blocks, the oldest first by the hosts' clocks.
func (o *Operator) blockRows(ctx context.Context) ([]*schema.Block, error) {
	if _, err := o.rows(ctx); err != nil {
		return nil, err
	}
	var all []*schema.Block
	each(o.s, func(b *schema.Block) { all = append(all, b) })
	slices.SortFunc(all, func(x, y *schema.Block) int { return cmp.Or(x.Raised-y.Raised, cmp.Compare(x.UUID, y.UUID)) })
	return all, nil
}

// remaining is what is left of a row's time.
func remaining(row *schema.Block, now time.Time) time.Duration {
	return time.Unix(int64(row.Raised), 0).Add(time.Duration(row.Seconds) * time.Second).Sub(now)
}

// Blocks lists the blocks of all hosts.
func (o *Operator) Blocks(ctx context.Context, now time.Time) (BlockLines, error) {
	all, err := o.blockRows(ctx)
	out := BlockLines{}
	for _, row := range all {
		if b, ok := blockOf(row); ok {
			out = append(out, BlockLine{
				VLAN: b.VLAN, Proto: protocolName(b.Proto), Src: row.Src, Dst: row.Dst, Host: b.Host, SID: b.SID, Message: b.Message,
				RemainingS: max(0, int(remaining(row, now)/time.Second)),
			})
		}
	}
	return out, err
}

// AddBlock has every gateway that shares blocks drop a connection. Blocks of operators that have ended make room.
func (o *Operator) AddBlock(ctx context.Context, b Block, now time.Time) error {
	if err := b.Check(); err != nil {
		return err
	}
	if b.For < time.Second || b.For > maxBlockTime {
		return fmt.Errorf("a block for %v: 1s to %v would be right", b.For, maxBlockTime)
	}
	all, err := o.blockRows(ctx)
	if err != nil {
		return err
	}
	b.Host = ""
	todo, left := batch{c: o.s}, 0
	for _, row := range all {
		switch have, ok := blockOf(row); {
		case row.Host != "":
		case remaining(row, now) <= 0, ok && have.same(b.Connection):
			todo.removeRow(schema.BlockTable, row.UUID)
		default:
			left++
		}
	}
	if left >= maxOperatorBlocks {
		return fmt.Errorf("operators have %d blocks, the most there may be: fleet block rm makes room", left)
	}
	todo.insert(b.row(now))
	if todo.err != nil {
		return todo.err
	}
	_, err = o.s.Commit(ctx, todo.ops)
	return err
}

// RemoveBlocks revokes the blocks that f says, and tells how many those were.
func (o *Operator) RemoveBlocks(ctx context.Context, f func(Block) bool) (int, error) {
	all, err := o.blockRows(ctx)
	if err != nil {
		return 0, err
	}
	todo := batch{c: o.s}
	for _, row := range all {
		if b, _ := blockOf(row); f(b) { // also one that is none: its host is known
			todo.removeRow(schema.BlockTable, row.UUID)
		}
	}
	if len(todo.ops) == 0 {
		return 0, errors.New("the fleet has no such block")
	}
	_, err = o.s.Commit(ctx, todo.ops)
	return len(todo.ops), err
}
