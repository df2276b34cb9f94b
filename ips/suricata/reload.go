// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
)

// Reload puts other rule files in force, or the same ones with what they say
// now, without losing a frame. "suricata -T" has to accept them first; what it
// refuses is an error that wraps Faults, and the rules stay as they are. It
// returns when Suricata applies the new rules. Without a Suricata that answers
// they are kept for its start. A context without a deadline is bounded by 5
// minutes per step.
func (a *Attachment) Reload(ctx context.Context, rules []string) error {
	if err := a.reload(ctx, rules); err != nil {
		return fmt.Errorf("suricata attachment %s: reload rules: %w", a.o.Name, err)
	}
	return nil
}

// Try has Suricata test rule files as Reload does, without putting them in
// force. A Reload with the same files soon after does not test them again.
func (a *Attachment) Try(ctx context.Context, rules []string) error {
	if err := a.tryOnly(ctx, rules); err != nil {
		return fmt.Errorf("suricata attachment %s: test rules: %w", a.o.Name, err)
	}
	return nil
}

func (a *Attachment) tryOnly(ctx context.Context, rules []string) error {
	if err := checkRules(rules); err != nil {
		return err
	}
	if err := a.acquire(ctx); err != nil {
		return err
	}
	defer a.releaseConf()
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	_, err := a.try(ctx, rules)
	if err != nil {
		a.update(func(s *Status) { s.LastError = err.Error() })
	}
	return err
}

func (a *Attachment) reload(ctx context.Context, rules []string) error {
	if err := checkRules(rules); err != nil {
		return err
	}
	if err := a.acquire(ctx); err != nil {
		return err
	}
	defer a.releaseConf()
	return a.replace(ctx, slices.Clone(rules))
}

// replace is Reload with conf's token.
func (a *Attachment) replace(ctx context.Context, rules []string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*reloadTimeout)
	defer cancel()
	hash, err := a.try(ctx, rules)
	if err != nil {
		a.update(func(s *Status) { s.LastError = err.Error() })
		return err
	}
	if !a.isRunning() {
		a.rules = rules
		a.wake()
		return nil
	}
	if err := a.exchange(ctx, rules, hash); err != nil {
		a.update(func(s *Status) { s.LastError = err.Error() })
		return err
	}
	a.rules = rules
	err = a.count(ctx)
	a.update(func(s *Status) {
		s.LastError = ""
		if err != nil {
			s.LastError = err.Error()
		}
	})
	return err
}

// exchange lets the running Suricata take rules that were tried.
func (a *Attachment) exchange(ctx context.Context, rules []string, hash string) error {
	// Should this be cut short, nobody knows which rules are in force.
	st := a.loadState()
	known := st
	st.RuleHash = ""
	if err := a.saveState(st); err != nil {
		return err
	}
	// Alerts of the new rules may come before the answer.
	old, next := a.bypass.Load(), bypassRules(rules)
	a.bypass.Store(old.and(next))
	if err := a.swap(ctx); err != nil {
		a.bypass.Store(old)
		if ctx.Err() == nil {
			err = errors.Join(err, a.saveState(known))
		}
		return err
	}
	a.bypass.Store(next)
	st.Rules, st.RuleHash = rules, hash
	if err := a.saveState(st); err != nil {
		a.log.WithError(err).Warn("state could not be written; the next controller will load the rules again")
	}
	return nil
}

func (a *Attachment) isRunning() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.status.Running
}

// try writes a candidate with these rules and lets Suricata test it. It gives
// the rules' hash, of what was there before the test. Where the error is of type
// Faults, the candidate is there all the same.
func (a *Attachment) try(ctx context.Context, rules []string) (string, error) {
	hash, unread := ruleHash(rules)
	s := a.settings(rules, a.packetSize, a.index)
	own, err := render(ownRulesText, s)
	if err != nil {
		return "", err
	}
	text, err := render(configText, s)
	if err != nil {
		return "", err
	}
	fingerprint, err := a.fingerprint(s)
	if err != nil {
		return "", err
	}
	if err := a.propose(text, own); err != nil {
		return "", err
	}
	if unread != nil {
		return hash, unread
	}
	key := fingerprint + hash + string(text)
	if a.tested == key {
		return hash, nil
	}
	if err := a.test(ctx, a.path(a.proposed)); err != nil {
		return hash, err
	}
	a.tested, a.known = key, true
	return hash, nil
}

// propose writes the candidate, unless the configuration is that already.
func (a *Attachment) propose(text, own []byte) error {
	if err := writeFile(a.path(ownRulesFile), own); err != nil {
		return err
	}
	a.proposed = configFile
	if holds(a.path(configFile), text) {
		return nil
	}
	a.proposed = candidateFile
	return writeFile(a.path(candidateFile), text)
}

// accept makes the candidate the configuration.
func (a *Attachment) accept() error {
	if a.proposed == configFile {
		return nil
	}
	return os.Rename(a.path(a.proposed), a.path(configFile))
}

// swap lets the running Suricata read the candidate, or leaves it with the
// configuration that it has.
func (a *Attachment) swap(ctx context.Context) error {
	old, err := os.ReadFile(a.path(configFile))
	if err != nil {
		return err
	}
	if err := a.accept(); err != nil {
		return err
	}
	if err := command(ctx, a.path(commandSocket), "reload-rules", reloadTimeout, nil); err != nil {
		return errors.Join(err, writeFile(a.path(configFile), old))
	}
	return nil
}

// count asks how many rules are in force. Rules that Suricata accepted in the
// test and did not load now are an error of type Faults.
func (a *Attachment) count(ctx context.Context) error {
	n, err := a.askRules(ctx)
	if err != nil {
		return err
	}
	a.update(func(s *Status) { s.RulesLoaded, s.RulesFailed = n.Loaded, n.Failed })
	if n.Failed == 0 {
		return nil
	}
	faults, err := a.askFailed(ctx)
	if err != nil {
		return err
	}
	return faults
}
