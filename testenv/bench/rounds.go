// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
)

// arm is one of the things compared.
type arm struct {
	name string
	run  func(ctx context.Context) error
}

// interleave runs every arm once a round. Every other round goes backwards, so
// that a steady drift of the machine meets all arms alike.
func interleave(ctx context.Context, rounds int, arms []arm) error {
	for round := range rounds {
		for i := range arms {
			a := arms[i]
			if round%2 == 1 {
				a = arms[len(arms)-1-i]
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := a.run(ctx); err != nil {
				return fmt.Errorf("%s, round %d: %w", a.name, round+1, err)
			}
		}
	}
	return nil
}

// looks is how often decide looks at its claims, at most.
const looks = 2

// decide runs arms so many rounds at a time until no claim is too close to its
// bar to tell, or for the last look. claims makes the claims anew after each
// look. Rounds are added for those arms alone that an open claim names, so that
// they are together in all of them. The rounds of one look have to be enough
// for an interval: see medianInterval.
func (b *bench) decide(ctx context.Context, rounds int, arms []arm, claims func() error) error {
	most, from := looks, len(b.Claims)
	if b.quick || b.most > 0 {
		most = 1
	}
	defer func() { b.added = false }()
	for look := 1; ; look++ {
		if err := interleave(ctx, b.rounds(rounds), arms); err != nil {
			return err
		}
		b.Claims = b.Claims[:from]
		if err := claims(); err != nil {
			return err
		}
		var open []claim
		for i := range b.Claims[from:] {
			c := &b.Claims[from+i]
			c.Looks = most
			if c.verdict() == tooNear {
				open = append(open, *c)
			}
		}
		if len(open) == 0 || look == most {
			return nil
		}
		arms = slices.DeleteFunc(slices.Clone(arms), func(a arm) bool {
			return !slices.ContainsFunc(open, func(c claim) bool { return c.Of == a.name || c.To == a.name })
		})
		if len(arms) == 0 {
			return fmt.Errorf("no arm is called as the claim %s says", open[0].label())
		}
		b.added = true
	}
}
