// SPDX-License-Identifier: Apache-2.0

package session

import (
	"sync"
	"time"
)

// Patience is how long a server is given for an answer. One to which many clients come at once takes longer, and what it has
// done for those that went away is lost: so it gets four times as long as it took the last time, twice as long after it has
// given no answer, and half as long again as it gets faster. Its methods may be called from several goroutines.
type Patience struct {
	Least, Most time.Duration

	mu  sync.Mutex
	now time.Duration
}

// Limit is the time for the next answer.
func (p *Patience) Limit() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bounded(p.now)
}

// Took notes that an answer came after so long.
func (p *Patience) Took(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = p.bounded(max(4*d, p.now/2))
}

// RanOut notes that none came.
func (p *Patience) RanOut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = p.bounded(2 * p.bounded(p.now))
}

func (p *Patience) bounded(d time.Duration) time.Duration { return min(max(d, p.Least), p.Most) }
