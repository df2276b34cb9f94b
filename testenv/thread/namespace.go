// SPDX-License-Identifier: Apache-2.0

package thread

import (
	"runtime"
	"testing"

	"github.com/vishvananda/netns"
)

// Namespace puts the test's thread into a network namespace of its own, which
// goes when the test is over; the handle is good until then. It needs root.
func Namespace(t testing.TB) netns.NsHandle {
	t.Helper()
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatalf("get network namespace: %v", err)
	}
	mine, err := netns.New()
	if err != nil {
		t.Fatalf("make network namespace (needs root): %v", err)
	}
	t.Cleanup(func() {
		_ = mine.Close()
		if err := netns.Set(home); err != nil {
			t.Errorf("return to network namespace: %v", err) // the thread stays locked and dies with the test
			return
		}
		_ = home.Close()
		runtime.UnlockOSThread()
	})
	return mine
}
