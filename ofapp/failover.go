// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ofcontroller/config"
	"ofcontroller/fleet"
	"ofcontroller/fleet/lease"
	"ofcontroller/flows"
	"ofcontroller/ofapp/relay"
	"ofcontroller/openflow"
)

// FailoverStatus tells who has the VLANs of a failover group.
type FailoverStatus struct {
	Group  string   `json:"group"`
	VLANs  []uint16 `json:"vlans"`
	Active bool     `json:"active"` // this gateway forwards them
	Holder string   `json:"holder"` // that has the lease, or had it last, as far as is known here; "" none
	Epoch  int      `json:"epoch"`
	// Relayed counts frames that were handed over from one gateway to the other, at either end, while the group was.
	Relayed uint64 `json:"relayed"`

	until time.Duration // since the start of the program: then it is not active any more
}

// Pauses of the work on leases.
const (
	groupsPause = 100 * time.Millisecond // between two looks at whether the groups are still the same
	leasePause  = 20 * time.Millisecond  // after a step that failed
	nudgePause  = time.Millisecond       // between two changes that have the switch revalidate
)

// leadGroups has a part in each failover group of the configuration, until ctx ends, which leaves the flows of leases to their
// time-outs.
func (a *App) leadGroups(ctx context.Context) error {
	type part struct {
		cancel context.CancelFunc
		done   chan struct{}
	}
	parts := map[string]part{}
	stop := func(key string) {
		parts[key].cancel()
		<-parts[key].done
		delete(parts, key)
	}
	defer func() {
		for key := range parts {
			stop(key)
		}
	}()
	tick := time.NewTicker(groupsPause)
	defer tick.Stop()
	for {
		cfg := a.config()
		want := map[string]config.FailoverGroup{}
		for _, g := range cfg.Failover {
			if g.Pair() {
				want[g.Name+": "+fleet.Definition(g)] = g
			}
		}
		for key := range parts {
			if _, ok := want[key]; !ok {
				stop(key)
			}
		}
		for key, g := range want {
			if _, ok := parts[key]; !ok {
				inner, cancel := context.WithCancel(ctx)
				p := part{cancel, make(chan struct{})}
				parts[key] = p
				go func() {
					defer close(p.done)
					newFailover(a, g, cfg.Fleet.Name).run(inner)
				}()
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// failover is this gateway's part in one group. One goroutine has it.
type failover struct {
	a      *App
	group  config.FailoverGroup
	flows  flows.FailoverGroup
	self   string
	peer   string
	member lease.Member
	row    fleet.Lease // as it was looked at last
	seen   int         // its serial
	last   FailoverStatus

	relay     *relaying       // the last handover; nil: none
	listener  *relay.Listener // for who hands over; nil: none
	listening time.Duration   // since the lease was asked for last
	deaf      string          // address of the other gateway at which nobody has answered
	deafAt    time.Duration
	asking    sync.WaitGroup // for the other gateway's addresses
	relayed   atomic.Uint64
}

func newFailover(a *App, g config.FailoverGroup, self string) *failover {
	peer := g.Hosts[0]
	if peer == self {
		peer = g.Hosts[1]
	}
	return &failover{
		a: a, group: g, flows: flows.FailoverGroup{Name: g.Name, VLANs: g.VLANs},
		self: self, peer: peer, member: lease.NewMember(self, peer, g.Hosts[0] == self, lease.TimesOf(g.Lease), rand.Uint32()),
	}
}

// now is the time of the monotonic clock.
func (f *failover) now() time.Duration { return time.Since(f.a.start) }

func (f *failover) run(ctx context.Context) {
	defer f.a.setFailover(f.group.Name, nil)
	defer f.end()
	for ctx.Err() == nil {
		told := f.a.o.Fleet.Follower.Leased()
		f.row = f.look()
		f.hush()
		s := f.member.Next(f.now(), f.fit())
		f.tell(f.row)
		if s.Kind == lease.Rest {
			f.rest(ctx, s.After, told)
			continue
		}
		err := f.carryOut(ctx, s)
		if err == nil {
			f.member.Done(s, f.now())
			continue
		}
		f.member.Failed(s)
		f.a.log.WithError(err).WithField("group", f.group.Name).Debug("a step of a lease failed")
		f.rest(ctx, leasePause, nil)
	}
}

// end ends what is under way between the two gateways.
func (f *failover) end() {
	f.relay.stop()
	f.asking.Wait()
	if f.listener != nil {
		f.listener.Close()
	}
}

// rest waits for what was told, or so long; a gateway that is not fit now may be, a little later.
func (f *failover) rest(ctx context.Context, after time.Duration, told <-chan struct{}) {
	if after <= 0 || after > groupsPause {
		after = groupsPause
	}
	timer := time.NewTimer(after)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-told:
	case <-timer.C:
	}
}

// look takes in the row, if it is news.
func (f *failover) look() fleet.Lease {
	row, ok := f.a.o.Fleet.Follower.Leases()[f.group.Name]
	switch {
	case !ok || row.Definition != fleet.Definition(f.group):
		f.member.Lost()
		f.seen = 0
	case row.Serial != f.seen:
		f.member.Look(row.Row, f.now())
		f.seen = row.Serial
	}
	return row
}

// fit tells whether this gateway can forward: its switch holds what it should.
func (f *failover) fit() bool {
	f.a.mu.Lock()
	defer f.a.mu.Unlock()
	return f.a.conn != nil && f.a.view.synced && f.a.view.bridge == ""
}

// carryOut carries a step out. After an error the outcome is unknown.
func (f *failover) carryOut(ctx context.Context, s lease.Step) error {
	limit := f.group.Lease / 2
	if s.Writes() {
		return f.write(ctx, s, limit)
	}
	f.a.mu.Lock()
	conn := f.a.conn
	f.a.mu.Unlock()
	if conn == nil {
		return errNoSwitch
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return f.step(limited, ctx, conn, s)
}

// write carries out a step that is a transaction.
func (f *failover) write(ctx context.Context, s lease.Step, limit time.Duration) error {
	if s.Kind == lease.Ask {
		f.listen(ctx, limit)
	}
	err := f.a.o.Fleet.Follower.WriteLease(ctx, f.group, s, limit)
	if err != nil && s.Kind == lease.HandOver {
		f.relay.stop()
		f.relay = nil
	}
	return err
}

// mods are the messages of a step at the switch.
func (f *failover) mods(s lease.Step) ([]openflow.Mod, error) {
	seconds := seconds(f.group.Lease)
	remove := func(t flows.Table) openflow.Mod {
		guard := openflow.Match{openflow.Reg(int(flows.Reg6), uint32(f.flows.ID()), vidMask)}
		return openflow.FlowMod{Command: openflow.FlowDelete, Table: uint8(t), Match: guard}
	}
	switch s.Kind {
	case lease.Arm:
		add, err := encoded(f.flows.Lease(s.Token, seconds))
		return []openflow.Mod{add}, err
	case lease.Open:
		add, err := encoded(f.flows.Term(s.Token, 2*seconds))
		return []openflow.Mod{add}, err
	case lease.Close:
		return []openflow.Mod{remove(flows.TableTerm), remove(flows.TableLease)}, nil
	}
	return nil, fmt.Errorf("no step at the switch: %+v", s)
}

// encoded is the message that adds a flow.
func encoded(f flows.Flow) (openflow.Mod, error) {
	mod, err := newEncoder().encode(&f)
	return mod, err
}

// settle waits until the datapath does not forward by flows that are gone: until two passes of the revalidators have ended,
// of which the second has begun after the flows were changed. Each change of flows has the switch make one at once, so
// changes that decide nothing are made meanwhile (ovs-vswitchd(8), "revalidator/wait"). Where the switch cannot be asked, the
// time is waited within which it makes them anyway.
func (f *failover) settle(ctx context.Context, conn *openflow.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, lease.Guard)
	defer cancel()
	nudge, err := encoded(f.flows.Lease(0, 1)) // no token is 0
	if err != nil {
		return err
	}
	for range 2 {
		passed := make(chan error, 1)
		go func() {
			_, err := f.a.askSwitch(ctx, "revalidator/wait")
			passed <- err
		}()
		for waiting := true; waiting; {
			if err := conn.Bundle(ctx, []openflow.Mod{nudge}); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			select {
			case err := <-passed:
				if err != nil {
					<-ctx.Done()
					return nil
				}
				waiting = false
			case <-time.After(nudgePause):
			}
		}
	}
	return nil
}

// tell keeps who has the group for status, and makes an event of a change.
func (f *failover) tell(row fleet.Lease) {
	now := FailoverStatus{Group: f.group.Name, VLANs: f.group.VLANs, Holder: row.Holder, Epoch: row.Epoch, Relayed: f.relayed.Load(), until: f.member.Until()}
	now.Active = f.now() < now.until
	if now.Active != f.last.Active {
		text := map[bool]string{true: "this gateway forwards its VLANs", false: "this gateway does not forward its VLANs"}[now.Active]
		f.a.happened(eventFailover, f.group.Name, text, map[string]string{"holder": now.Holder})
		f.a.log.WithField("group", f.group.Name).WithField("holder", now.Holder).WithField("epoch", now.Epoch).Info("failover: " + text)
	}
	f.last = now
	f.a.setFailover(f.group.Name, &now)
}

// String tells a person.
func (s FailoverStatus) String() string {
	text := fmt.Sprintf("%s: stands by", s.Group)
	if s.Active {
		text = fmt.Sprintf("%s: active", s.Group)
	}
	return fmt.Sprintf("%s, VLANs %v, the lease's holder is %s", text, s.VLANs, cmp.Or(s.Holder, "not known"))
}

// failoverState lists the failover groups.
func (a *App) failoverState() []FailoverStatus {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := slices.SortedFunc(maps.Values(a.failover), func(x, y FailoverStatus) int { return cmp.Compare(x.Group, y.Group) })
	for i := range list { // whoever keeps it may have been held up
		list[i].Active = list[i].Active && time.Since(a.start) < list[i].until
	}
	return list
}

func (a *App) setFailover(group string, s *FailoverStatus) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s == nil {
		delete(a.failover, group)
		return
	}
	a.failover[group] = *s
}
