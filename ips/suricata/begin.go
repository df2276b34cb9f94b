// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// startTimeout is how long Suricata may take to load its rules.
const startTimeout = 10 * time.Minute

// begin adopts a Suricata that runs with these settings, or starts one, and
// waits for its answer.
func (a *Attachment) begin(ctx context.Context, mtu int, index [2]int) (*process, error) {
	if err := a.acquire(ctx); err != nil {
		return nil, err
	}
	defer a.releaseConf()
	a.index, a.packetSize = index, mtu+frameOverMTU
	fingerprint, err := a.fingerprint(a.settings(nil, a.packetSize, index))
	if err != nil {
		return nil, err
	}
	p, err := a.adopt(ctx, fingerprint)
	if err != nil || p != nil {
		return p, err
	}
	return a.start(ctx, fingerprint)
}

// adopt takes over the process that an Attachment before this left, if its
// settings are these, and ends any other.
func (a *Attachment) adopt(ctx context.Context, fingerprint string) (*process, error) {
	st := a.loadState()
	left, err := a.left()
	if err != nil {
		return nil, err
	}
	var mine *process
	for _, p := range left {
		if mine == nil && st.Fingerprint == fingerprint && st.PacketSize >= a.packetSize {
			mine = p
			continue
		}
		a.log.WithField("pid", p.pid).Info("stopping a Suricata that has other settings")
		p.stop()
	}
	if mine == nil {
		return nil, nil
	}
	a.packetSize = st.PacketSize
	a.bypass.Store(bypassRules(st.Rules))
	a.began(mine, true)
	if err := a.await(ctx, mine, adoptTimeout); err != nil {
		a.log.WithError(err).Warn("the Suricata that was adopted does not answer")
		return mine, nil
	}
	a.catchUp(ctx)
	return mine, nil
}

// catchUp loads the rules that are wanted into an adopted Suricata, where they
// are others than it has. With conf's token.
func (a *Attachment) catchUp(ctx context.Context) {
	st := a.loadState()
	if hash, err := ruleHash(a.rules); err == nil && hash == st.RuleHash {
		a.known = true
		return
	}
	if err := a.replace(ctx, a.rules); err != nil && ctx.Err() == nil {
		a.log.WithError(err).Error("the Suricata that was adopted keeps the rules it has")
		a.rules = st.Rules
	}
}

// start tests the configuration and starts Suricata with it.
func (a *Attachment) start(ctx context.Context, fingerprint string) (*process, error) {
	hash, err := a.try(ctx, a.rules)
	var faults Faults
	switch {
	case err == nil:
	case errors.As(err, &faults) && a.known:
		// Rules were in force, Suricata has ended, and somebody has broken a file
		// meanwhile: to inspect with the other rules is better than not at all.
		a.log.WithError(err).Error("Suricata starts without the rules that it refuses")
	default:
		return nil, err
	}
	if err := a.accept(); err != nil {
		return nil, err
	}
	st := a.loadState()
	st.Fingerprint, st.PacketSize, st.Rules, st.RuleHash = fingerprint, a.packetSize, a.rules, hash
	if err := a.saveState(st); err != nil {
		return nil, err
	}
	if err := os.Remove(a.path(commandSocket)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	p, err := a.launch()
	if err != nil {
		return nil, err
	}
	a.bypass.Store(bypassRules(a.rules))
	a.began(p, false)
	if err := a.await(ctx, p, startTimeout); err != nil {
		if ctx.Err() != nil && !a.stop.Load() {
			p.release()
		} else {
			p.stop()
		}
		return nil, err
	}
	return p, nil
}

// await waits until Suricata answers, for so long at most, and asks what it is.
func (a *Attachment) await(ctx context.Context, p *process, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, max(within, askTimeout))
	defer cancel()
	deadline := time.Now().Add(within)
	for {
		err := a.ask(ctx)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.exited:
			return fmt.Errorf("while it started: %w", a.ended(p))
		case <-time.After(askInterval):
		}
	}
}

func (a *Attachment) ask(ctx context.Context) error {
	version, err := a.askVersion(ctx)
	if err != nil {
		return err
	}
	a.update(func(s *Status) { s.Version = version })
	err = a.count(ctx)
	var faults Faults
	if err != nil && !errors.As(err, &faults) {
		return err
	}
	a.update(func(s *Status) { s.Running = true })
	return nil
}
