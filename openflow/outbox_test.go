// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

// TestOutbox fills the box: who finds it full waits, none longer than until there
// is room, and all comes out in order.
func TestOutbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Conn{out: newOutbox(), wire: &wire{}, done: make(chan struct{})}
		chunk := bytes.Repeat([]byte{1}, outLimit/2)
		for i := range 3 {
			if got := c.out.put(chunk); got != (i < 2) {
				t.Fatalf("put %d: %t", i, got)
			}
		}
		const waiters = 5
		var wg sync.WaitGroup
		for range waiters {
			wg.Go(func() {
				if err := c.send(t.Context(), []byte{2}); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if len(c.out.b) != outLimit {
			t.Errorf("%d bytes wait, with senders that should wait", len(c.out.b))
		}
		first := c.out.take(nil)
		wg.Wait()
		if len(first) != outLimit || first[0] != 1 || first[outLimit-1] != 1 {
			t.Errorf("%d bytes first", len(first))
		}
		if second := c.out.take(first); !bytes.Equal(second, bytes.Repeat([]byte{2}, waiters)) {
			t.Errorf("then %d bytes", len(second))
		}
		for c.out.put(chunk) {
		}
		wg.Go(func() {
			if err := c.send(t.Context(), []byte{2}); !errors.Is(err, ErrClosed) {
				t.Errorf("error %v at the end of the connection", err)
			}
		})
		synctest.Wait()
		c.err = ErrClosed
		close(c.done)
		wg.Wait()
	})
}
