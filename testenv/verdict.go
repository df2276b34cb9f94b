// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"slices"
	"time"
)

// Pass is the verdict that gives every frame back unchanged.
func Pass(frame []byte) []Out { return []Out{{Frame: frame, Leg: DefaultLeg}} }

// Drop is the verdict that gives nothing back.
func Drop([]byte) []Out { return nil }

// Modify gives back what f makes of the frame; nil drops it.
func Modify(f func(frame []byte) []byte) func(frame []byte) []Out {
	return func(frame []byte) []Out {
		if frame = f(frame); frame == nil {
			return nil
		}
		return Pass(frame)
	}
}

// Delay gives every frame back after d.
func Delay(d time.Duration) func(frame []byte) []Out {
	return func(frame []byte) []Out { return []Out{{Frame: frame, Delay: d, Leg: DefaultLeg}} }
}

// Duplicate gives every frame back n times.
func Duplicate(n int) func(frame []byte) []Out {
	return func(frame []byte) []Out { return slices.Repeat(Pass(frame), n) }
}

// Reorder collects n frames and gives them back last first. The legs count
// together, and all n leave by the leg that is the last frame's default.
func Reorder(n int) func(frame []byte) []Out {
	var waiting []Out
	return func(frame []byte) []Out {
		waiting = append(waiting, Pass(frame)...)
		if len(waiting) < n {
			return nil
		}
		out := waiting
		waiting = nil
		slices.Reverse(out)
		return out
	}
}
