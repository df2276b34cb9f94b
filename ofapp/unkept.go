// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"fmt"
	"sync"

	"ofcontroller/fleet"
)

// unkept is the configuration of the fleet that is to be on disk and is not.
type unkept struct {
	mu   sync.Mutex
	c    fleet.Config
	keep func(fleet.Config) error // nil: all is kept
	why  error
}

// put keeps a configuration, or remembers to.
func (u *unkept) put(c fleet.Config, keep func(fleet.Config) error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.c, u.why = c, keep(c); u.why == nil {
		keep = nil
	}
	u.keep = keep
	return u.why
}

// again tries once more, and tells whether it is kept now.
func (u *unkept) again() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.keep == nil {
		return false
	}
	if u.why = u.keep(u.c); u.why == nil {
		u.keep = nil
	}
	return u.why == nil
}

// problem says what is not kept and why; "" when all is.
func (u *unkept) problem() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.keep == nil {
		return ""
	}
	return fmt.Sprintf("the fleet's configuration %d is not kept on disk: %v", u.c.Cfg, u.why)
}
