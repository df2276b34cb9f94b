// SPDX-License-Identifier: Apache-2.0

package probe

import "time"

// maxFailures bounds the count of failures, and so the shift in needed.
const maxFailures = 20

// failed counts a failure. One that stayed up for HoldDown before it starts
// afresh.
func (t *Tracker) failed(now time.Time) {
	if now.Sub(t.upSince) > t.cfg.HoldDown {
		t.failures = 0
	}
	t.failures = min(t.failures+1, maxFailures)
}

// needed is how many probes in a row must come back until the attachment is up:
// UpAfter after the first failure, twice as many after each one that follows
// soon, and no more than are sent in HoldDown.
func (t *Tracker) needed() int {
	n := t.cfg.UpAfter
	if t.failures < 2 || t.cfg.Interval <= 0 {
		return n
	}
	limit := t.cfg.HoldDown / t.cfg.Interval
	return max(n, int(min(time.Duration(n)<<(t.failures-1), limit)))
}
