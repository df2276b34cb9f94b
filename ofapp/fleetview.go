// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"sync"
	"time"

	"ofcontroller/fleet"
)

// Times of the fleet on the status page.
const (
	fleetViewAge  = 5 * time.Second // several viewers share one, so that their number costs nothing
	fleetViewTime = 4 * time.Second // for the server to answer
)

// fleetView keeps the fleet as the page was told it last. Nothing is asked while nobody looks.
type fleetView struct {
	app *App

	mu   sync.Mutex
	at   time.Time
	last fleet.View
	err  error
}

func (v *fleetView) get(context.Context) (any, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	if v.at.IsZero() || now.Sub(v.at) > fleetViewAge {
		// Others wait for the answer too, so that it does not end with the one who asks first.
		ctx, cancel := context.WithTimeout(context.Background(), fleetViewTime)
		defer cancel()
		v.last, v.err = v.app.o.Fleet.Follower.View(ctx, now)
		v.at = now
	}
	return v.last, v.err
}
