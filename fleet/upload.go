// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"ofcontroller/fleet/schema"
)

// The content of a rule set is in the database before anything refers to it: it may be large, and a transaction is not to
// be. What an apply leaves behind that was broken off goes with the next one.

// ruleText reads the text of a rule set, if the database has it.
func (o *Operator) ruleText(ctx context.Context, digest string, w io.Writer) error {
	if !o.s.has(schema.RuleChunkTable) {
		return errRuleSet
	}
	return unpack(&chunks{ctx: ctx, c: o.s, digest: digest}, digest, maxRuleSet, w)
}

// lack notes which of the rule sets that files give have no content in the database.
func (o *Operator) lack(ctx context.Context, p *Plan, asked Document) error {
	p.lacking = map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(asked.RuleSets)) {
		digest := asked.RuleSets[name].Digest
		err := o.ruleText(ctx, digest, io.Discard)
		if errors.Is(err, errRuleSet) {
			p.lacking[digest] = true
			c := Change{What: "rule set " + name, Change: "repaired", Keys: []string{}, set: name}
			if !slices.ContainsFunc(p.Changes, func(have Change) bool { return have.What == c.What }) {
				p.Changes = append(p.Changes, c)
			}
		} else if err != nil {
			return err
		}
	}
	return nil
}

// upload writes the content of a rule set, a few rows at a time, and returns how many rows there are.
func (o *Operator) upload(ctx context.Context, s RuleSet) (int, error) {
	pieces, err := packed(s.Text)
	if err != nil {
		return 0, err
	}
	b := batch{c: o.s}
	b.remove(schema.RuleChunkTable, "digest", s.Digest)
	for i, piece := range pieces {
		b.insert(&schema.RuleChunk{Digest: s.Digest, Position: i, Text: piece})
		if (i+1)%chunksAtOnce != 0 && i+1 < len(pieces) {
			continue
		}
		if b.err == nil {
			_, b.err = o.s.Commit(ctx, b.ops)
		}
		if b.err != nil {
			return 0, b.err
		}
		b.ops = nil
	}
	return len(pieces), nil
}

// ruleSets brings the rule sets to what a plan wants; their content is in the database. Content that none refers to goes.
func (b *batch) ruleSets(p Plan, have rows, pieces map[string]int) {
	timeout := 0
	for digest, n := range pieces { // nobody else has removed or replaced what was uploaded
		op := ovsdb.Operation{
			Op: ovsdb.OperationWait, Table: schema.RuleChunkTable, Timeout: &timeout, Where: []ovsdb.Condition{is("digest", digest)},
			Columns: []string{"position"}, Until: string(ovsdb.WaitConditionEqual),
		}
		for i := range n {
			op.Rows = append(op.Rows, ovsdb.Row{"position": i})
		}
		b.ops = append(b.ops, op)
	}
	for _, c := range p.Changes {
		if s, wanted := p.want.RuleSets[c.set]; wanted {
			b.put(&schema.RuleSet{Name: c.set, Digest: s.Digest, Size: s.Size}, have.ruleSets[c.set] != nil, is("name", c.set))
		} else if c.set != "" {
			b.remove(schema.RuleSetTable, "name", c.set)
		}
	}
	if !b.c.has(schema.RuleChunkTable) {
		return
	}
	needed := all()
	for _, s := range p.want.RuleSets {
		needed = append(needed, ovsdb.NewCondition("digest", ovsdb.ConditionNotEqual, s.Digest))
	}
	b.ops = append(b.ops, ovsdb.Operation{Op: ovsdb.OperationDelete, Table: schema.RuleChunkTable, Where: needed})
}

// Texts reads the texts of a document's rule sets.
func (o *Operator) Texts(ctx context.Context, d Document) error {
	for name, s := range d.RuleSets {
		var text bytes.Buffer
		if err := o.ruleText(ctx, s.Digest, &text); err != nil {
			return fmt.Errorf("rule set %s: %w", name, err)
		}
		s.Text = text.Bytes()
		d.RuleSets[name] = s
	}
	return nil
}
