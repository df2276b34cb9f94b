// SPDX-License-Identifier: Apache-2.0

package session

import (
	"testing"
	"time"
)

// TestPatience: it follows what answers take, within its bounds.
func TestPatience(t *testing.T) {
	p := Patience{Least: 3 * time.Second, Most: 30 * time.Second}
	for i, step := range []struct {
		took time.Duration // 0: no answer came
		want time.Duration
	}{
		{time.Millisecond, 3 * time.Second},
		{0, 6 * time.Second},
		{0, 12 * time.Second},
		{0, 24 * time.Second},
		{0, 30 * time.Second},
		{5 * time.Second, 20 * time.Second},
		{time.Millisecond, 10 * time.Second},
		{time.Millisecond, 5 * time.Second},
		{time.Millisecond, 3 * time.Second},
		{time.Second, 4 * time.Second},
		{time.Hour, 30 * time.Second},
	} {
		if step.took > 0 {
			p.Took(step.took)
		} else {
			p.RanOut()
		}
		if got := p.Limit(); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
	same := Patience{Least: time.Second, Most: time.Second}
	same.RanOut()
	same.Took(time.Hour)
	if got := same.Limit(); got != time.Second {
		t.Errorf("without room: %v", got)
	}
}
