// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ofcontroller/testenv"
)

const rules = `# traversal: the frame and the rest of its connection are dropped
drop tcp any any -> any 80 (msg:"path traversal to /etc/passwd"; flow:to_server,established; content:"GET "; startswith; content:"/etc/passwd"; sid:1000001; rev:1;)
# a password file on its way out: both ends get a reset
reject tcp any any -> any any (msg:"password hashes leave"; flow:to_server,established; content:"root|3a 24|6|24|"; sid:1000002; rev:1;)
# only worth a note, once for each sender: the frame passes
alert icmp any any -> any any (msg:"somebody pings"; itype:8; threshold:type limit, track by_src, count 1, seconds 3600; sid:1000003; rev:1;)
`

const configuration = `ovsdb: ${DB}
control: ${CONTROL}
bridge: {name: br0}
uplinks:
  - port: up0
trunks:
  - {port: guest-a, vlans: [0]}     # 0: the untagged network
  - {port: guest-b, vlans: [20]}
local: {enabled: true, vlan: 0}     # the host itself
inspection:
  on_failure: closed                # nothing passes uninspected
  attachments:
    - {name: builtin, kind: embedded, rules: ["RULES"], eve: "EVE"}
log: {level: info, format: text}
`

// startGateway writes rules and configuration and runs the controller.
func (d *demo) startGateway(ctx context.Context) error {
	d.step("The gateway", "ofcontroller run takes over br0, with the IPS engine that is built in.")
	file := filepath.Join(d.env.Dir(), "demo.rules")
	d.eve = filepath.Join(d.env.Dir(), "eve.json")
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		return err
	}
	yaml := strings.NewReplacer("RULES", file, "EVE", d.eve).Replace(configuration)
	ctl, err := d.env.StartController(testenv.ControllerOptions{Binary: d.binary, YAML: yaml})
	if err != nil {
		return err
	}
	d.ctl = ctl
	d.quote("demo.rules, in Suricata's language:", rules)
	d.quote("ofcontroller.yaml, paths shortened:", strings.NewReplacer(d.env.Dir()+"/", "").Replace(d.plain(yaml)))
	began := time.Now()
	state, err := d.awaitUp(ctx)
	if err != nil {
		return err
	}
	at := state.Attachments[0]
	d.check("ofcontroller status", "converged, IPS up",
		fmt.Sprintf("converged, %s %s, %d flows, after %d ms", at.Name, at.State, state.Flows, time.Since(began).Milliseconds()), true)
	return nil
}

// plain shows the configuration as it would be written for a switch of the
// system.
func (d *demo) plain(yaml string) string {
	return strings.NewReplacer("${DB}", d.env.DB(), "${CONTROL}", d.ctl.Control()).Replace(yaml)
}

// gatewayState is what the demo reads of `status -o json`.
type gatewayState struct {
	Converged   bool
	Flows       int
	Attachments []struct {
		Name, State string
		RTTus       int64 `json:"rtt_us"`
		Engine      struct{ Dropped, Rejected, Lost, Alerts uint64 }
	}
}

func (d *demo) gatewayState() (gatewayState, error) {
	text, err := d.ctl.CLI("status", "-o", "json")
	if err != nil {
		return gatewayState{}, err
	}
	var s gatewayState
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return gatewayState{}, fmt.Errorf("status %q: %w", text, err)
	}
	return s, nil
}

// awaitUp waits until the switch holds what is wanted and the engine is in the
// path.
func (d *demo) awaitUp(ctx context.Context) (gatewayState, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := d.ctl.AwaitConverged(ctx); err != nil {
		return gatewayState{}, err
	}
	var state gatewayState
	err := until(ctx, func() (ok bool, err error) {
		state, err = d.gatewayState()
		return err == nil && state.Converged && len(state.Attachments) == 1 && state.Attachments[0].State == "up", err
	})
	if err != nil {
		return state, fmt.Errorf("the engine is not in the path: %w: status %+v", err, state)
	}
	return state, nil
}

// until waits for a condition that nothing announces.
func until(ctx context.Context, holds func() (bool, error)) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := holds()
		if ok {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}
