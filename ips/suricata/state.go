// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// state is what one Attachment leaves for the next in the run directory. It is
// written before a process is started, so that it is never older than that.
type state struct {
	Fingerprint string   `json:"fingerprint"`
	PacketSize  int      `json:"packet_size"` // bytes; of the rings' slots
	Rules       []string `json:"rules"`
	RuleHash    string   `json:"rule_hash"`
}

// loadState gives the zero state where there is none, or none that can be read:
// nothing matches it, and a running process is started anew.
func (a *Attachment) loadState() state {
	var s state
	b, err := os.ReadFile(a.path(stateFile))
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		return state{}
	}
	return s
}

func (a *Attachment) saveState(s state) error {
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return writeFile(a.path(stateFile), b)
}

// lockDir keeps a second controller out of the run directory until the file is
// closed. The lock is not passed on to Suricata.
func (a *Attachment) lockDir() (*os.File, error) {
	if err := os.MkdirAll(a.o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make run directory: %w", err)
	}
	f, err := os.OpenFile(a.path(lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock run directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%w: %s: %w", errLocked, a.o.Dir, err)
	}
	return f, nil
}
