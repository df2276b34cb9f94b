// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"errors"
	"sync"
	"time"

	"ofcontroller/flows"
	"ofcontroller/openflow"
)

// doubtFlows has the switch's flows looked at now. A change of the bridge can
// take them away: ovs-vswitchd drops all flows with a change of fail_mode.
func (a *App) doubtFlows() {
	signal(a.doubt)
}

// What others change is looked at at once; who changes flows all the time has
// them looked at after a rest, so that dumps take no more than a fifth of the
// switch's time.
const (
	foreignPause  = 50 * time.Millisecond
	foreignFactor = 4
)

// foreign has the flows looked at when the switch tells of changes by others.
type foreign struct {
	mu    sync.Mutex
	cost  time.Duration // of the last look
	last  time.Time     // the flows were looked at for this
	later *time.Timer   // a look that waits for the rest to be over
}

// changed asks for a look now or, once, when the rest is over.
func (f *foreign) changed(now time.Time, look func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.later != nil {
		return
	}
	rest := f.last.Add(max(foreignPause, foreignFactor*f.cost)).Sub(now)
	if rest <= 0 {
		f.last = now
		look()
		return
	}
	f.later = time.AfterFunc(rest, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.later == nil {
			return // stopped meanwhile
		}
		f.later, f.last = nil, time.Now()
		look()
	})
}

func (f *foreign) took(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cost = d
}

// stop forgets a look that waits.
func (f *foreign) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.later != nil {
		f.later.Stop()
		f.later = nil
	}
}

// monitored are the tables whose changes the switch is to tell of: all of ours
// but those into which it learns itself, with every new address of a guest, and
// those of leases, which are renewed all the time.
func monitored() []uint8 {
	var out []uint8
	for _, t := range flows.Tables() {
		switch t.Table {
		case flows.TableSources, flows.TableMAC, flows.TableFull, flows.TableTerm, flows.TableLease:
		default:
			out = append(out, uint8(t.Table))
		}
	}
	return out
}

// monitorFlows has the switch tell of what others change. Without that the audit
// finds it. The error is that of the connection.
func (a *App) monitorFlows(ctx context.Context, conn *openflow.Conn) error {
	err := conn.MonitorFlows(ctx, monitored())
	if _, refused := errors.AsType[*openflow.ErrorMsg](err); refused {
		a.log.WithError(err).Infof("the switch tells of no changes of flows by others: they are found by the audit, every %v", auditPause)
		return nil
	}
	return err
}
