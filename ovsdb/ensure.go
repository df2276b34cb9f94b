// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"context"
	"errors"
	"fmt"
)

// Done is what Ensure changed.
type Done struct {
	Lines []string // a line for each change, for the log
	// Roomier says that tables take more flows than before, and that nothing else
	// changed: the flows that the bridge holds stay. Any other change can take
	// them away.
	Roomier bool
	// Attached says that ports were attached.
	Attached bool
}

// Ensure brings the bridge to the spec, in one transaction that holds only what differs (none when nothing does), and waits
// until ovs-vswitchd has applied what the database holds, this change among it (cur_cfg has reached next_cfg;
// ovs-vswitchd.conf.db(5), Open_vSwitch, Configuration). After it returned without an error, Snapshot shows the result.
//
// A missing bridge is created with its local port. fail_mode=secure keeps the switch from forwarding by itself while the
// controller is away; other_config:disable-in-band=true keeps hidden flows out.
//
// It returns what it changed, for the log, also beside an error that came after the transaction: then the change is made
// but ovs-vswitchd was not seen to apply it. Errors are ErrNotConnected, ErrNoBridge, ErrNotInitialized, ErrPortElsewhere
// (nothing was changed), the server's own, and the context's. When the connection is lost during the transaction it is not
// known whether that was carried out. Any error may be met by calling again: what is there already is not changed again.
func (c *Client) Ensure(ctx context.Context, spec Spec) (Done, error) {
	select { // one at a time
	case c.writing <- struct{}{}:
		defer func() { <-c.writing }()
	case <-ctx.Done():
		return Done{}, ctx.Err()
	}
	c.mu.Lock()
	s := c.session
	c.mu.Unlock()
	if s == nil {
		return Done{}, fmt.Errorf("ensure bridge %s: %w", c.options.Bridge, ErrNotConnected)
	}
	ctx, cancel := s.Bind(ctx)
	defer cancel(nil)
	done, err := c.ensure(ctx, s, spec)
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, ErrNotConnected) {
			err = cause
		}
		return done, fmt.Errorf("ensure bridge %s: %w", c.options.Bridge, err)
	}
	return done, nil
}

// Check tells why Ensure would refuse the spec, and changes nothing. Its errors
// are those of Ensure.
func (c *Client) Check(ctx context.Context, spec Spec) error {
	c.mu.Lock()
	s := c.session
	c.mu.Unlock()
	if s == nil {
		return fmt.Errorf("check bridge %s: %w", c.options.Bridge, ErrNotConnected)
	}
	ctx, cancel := s.Bind(ctx)
	defer cancel(nil)
	if _, err := s.plan(ctx, c.options.Bridge, spec); err != nil {
		return fmt.Errorf("check bridge %s: %w", c.options.Bridge, err)
	}
	return nil
}

func (c *Client) ensure(ctx context.Context, s *connection, spec Spec) (Done, error) {
	p, err := s.plan(ctx, c.options.Bridge, spec)
	if err != nil {
		return Done{}, err
	}
	done := Done{Lines: p.changes(), Roomier: p.roomier(), Attached: len(p.attach) > 0}
	next := p.root.NextCfg
	if len(done.Lines) > 0 {
		if next, err = s.commit(ctx, p); err != nil {
			return Done{}, err
		}
	}
	if err := s.applied(ctx, next); err != nil {
		return done, err
	}
	c.publish(s)
	return done, nil
}

// plan reads the rows, as they are now and whole, and compares them with the spec.
func (s *connection) plan(ctx context.Context, bridge string, spec Spec) (plan, error) {
	for {
		if err := s.Sync(ctx); err != nil {
			return plan{}, err
		}
		p, err := makePlan(s.rows(), bridge, spec)
		if !errors.Is(err, errTorn) {
			return p, err
		}
	}
}

// commit carries out the plan and returns the next_cfg that stands for it.
func (s *connection) commit(ctx context.Context, p plan) (int, error) {
	ops, err := p.operations(s.OVS)
	if err != nil {
		return 0, err
	}
	results, err := s.Commit(ctx, ops)
	if err != nil {
		return 0, err
	}
	last := results[len(ops)-1]
	if len(last.Rows) == 1 {
		switch next := last.Rows[0]["next_cfg"].(type) {
		case int:
			return next, nil
		case float64:
			return int(next), nil
		}
	}
	return 0, fmt.Errorf("next_cfg: unexpected reply %v", last.Rows)
}

// applied waits until ovs-vswitchd has reached the configuration, and the cache shows all that it wrote with it.
func (s *connection) applied(ctx context.Context, next int) error {
	for {
		change := s.Change()
		current := 0
		if root := s.root(); root != nil {
			current = root.CurCfg
		}
		if current >= next {
			// One row of an update was seen; after this, all of it is in the cache.
			return s.Sync(ctx)
		}
		select {
		case <-change:
		case <-ctx.Done():
			return fmt.Errorf("ovs-vswitchd has not applied the configuration (cur_cfg %d, wanted %d), is it running?: %w",
				current, next, context.Cause(ctx))
		}
	}
}
