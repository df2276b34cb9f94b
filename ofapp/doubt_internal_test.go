// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestForeignBound has the switch tell of changes without end: the flows are
// looked at at once, then no more often than the rest allows, and once after the
// last change.
func TestForeignBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks []time.Time
		f := foreign{last: time.Now().Add(-time.Hour)}
		f.took(100 * time.Millisecond)
		began := time.Now()
		for time.Since(began) < 10*time.Second {
			f.changed(time.Now(), func() { looks = append(looks, time.Now()) })
			time.Sleep(time.Millisecond)
		}
		last := time.Now()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(looks); n != 26 || looks[0] != began || looks[n-1].Before(last.Add(-time.Millisecond)) {
			t.Errorf("%d looks, the first after %v, the last after %v", n, looks[0].Sub(began), looks[n-1].Sub(began))
		}
		f.changed(time.Now(), func() {})
		f.changed(time.Now(), func() { t.Error("looked after the end of the session") })
		f.stop()
		time.Sleep(time.Minute)
	})
}
