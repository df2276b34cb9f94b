// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// The protocol of the command socket ("Interacting via Unix Socket", section
// "Protocol", in Suricata's user guide): JSON objects, each on a line; first the
// client names the version.
const (
	protocolVersion = "0.2"
	maxAnswer       = 16 << 20 // bytes
)

// Time for a command whose context has no deadline: a reload of the largest rule
// sets takes less than a minute.
const (
	askTimeout    = 5 * time.Second
	reloadTimeout = 5 * time.Minute
)

type answer struct {
	Return  string          `json:"return"`
	Message json.RawMessage `json:"message"`
}

// command asks the Suricata on a socket and reads its answer into result, unless
// that is nil. An answer other than OK is an error with its text.
func command(ctx context.Context, socket, name string, timeout time.Duration, result any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := converse(ctx, socket, name, result); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return fmt.Errorf("command %s to Suricata: %w", name, err)
	}
	return nil
}

func converse(ctx context.Context, socket, name string, result any) error {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	from := json.NewDecoder(io.LimitReader(conn, maxAnswer))
	to := json.NewEncoder(conn)
	var a answer
	for _, m := range []map[string]string{{"version": protocolVersion}, {"command": name}} {
		if err := to.Encode(m); err != nil {
			return err
		}
		a = answer{}
		if err := from.Decode(&a); err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		if a.Return != "OK" {
			return fmt.Errorf("answer %.20q: %.*s", a.Return, maxFaultText, a.Message)
		}
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(a.Message, result); err != nil {
		return fmt.Errorf("answer %.200q: %w", a.Message, err)
	}
	return nil
}

// tenant is what ruleset-stats tells of one rule set; there is one.
type tenant struct {
	Loaded int `json:"rules_loaded"`
	Failed int `json:"rules_failed"`
}

func (a *Attachment) askRules(ctx context.Context) (tenant, error) {
	var all []tenant
	if err := command(ctx, a.path(commandSocket), "ruleset-stats", askTimeout, &all); err != nil {
		return tenant{}, err
	}
	if len(all) == 0 {
		return tenant{}, errors.New("ruleset-stats names no rule set")
	}
	return all[0], nil
}

func (a *Attachment) askVersion(ctx context.Context) (string, error) {
	var v string
	err := command(ctx, a.path(commandSocket), "version", askTimeout, &v)
	return v, err
}

// askFailed gives the rules that are not in force as faults, or nil.
func (a *Attachment) askFailed(ctx context.Context) (Faults, error) {
	var all []struct {
		Rule  string `json:"rule"`
		File  string `json:"filename"`
		Line  int    `json:"line"`
		Error string `json:"error"`
	}
	var raw json.RawMessage
	if err := command(ctx, a.path(commandSocket), "ruleset-failed-rules", askTimeout, &raw); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("answer to ruleset-failed-rules: %w", err)
	}
	var faults Faults
	for _, f := range all[:min(len(all), maxFaults)] {
		wrong := f.Error
		if wrong == "" {
			wrong = "not loaded"
		}
		faults = append(faults, Fault{File: f.File, Line: f.Line, Wrong: clip(wrong), Rule: clip(f.Rule)})
	}
	return faults, nil
}
