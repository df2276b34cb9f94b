// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
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
