// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"ofcontroller/config"
	"ofcontroller/fleet/schema"
	"ofcontroller/ovsdb/session"
)

// Times of a gateway's connection to the fleet. A server that is stopped, and says nothing, is left after at most
// probePeriod + patienceLeast, if it has been quick.
const (
	probeEvery  = 3 * time.Second // in a fleet that is not large
	backoff     = 200 * time.Millisecond
	backoffMax  = 5 * time.Second
	tornLimit   = 5 * time.Second  // an update that is not whole by then is no update
	relistFirst = 10 * time.Second // rows that are not whole are listed anew
	relistEvery = time.Minute      // and so on
)

// probeRate is how many probes a fleet makes in a second, whatever its size: for each, a server goes through all its
// connections.
const probeRate = 100

// serverProbe is after how much silence a server asks whether a gateway is still there. A gateway of a large fleet is not to be
// asked between two probes of its own.
const serverProbe = 3 * time.Minute

// probePeriod is the time between two probes of a host in a fleet of so many.
func probePeriod(hosts int) time.Duration {
	return min(max(probeEvery, time.Duration(hosts)*time.Second/probeRate), serverProbe/2)
}

// Config is what the fleet asks of a gateway.
type Config struct {
	Host   string         `json:"host"`
	Cfg    int            `json:"cfg"` // sequence number
	Digest string         `json:"digest"`
	Layers []config.Layer `json:"layers"`

	RuleSets map[string]string `json:"rule_sets,omitempty"` // digests by name
}

// Report is what a gateway tells the fleet of itself.
type Report struct {
	Converged   bool
	Problems    []string
	Attachments map[string]string // state by name
	Versions    map[string]string
	Counters    map[string]int
}

// FollowerOptions say which gateway this is.
type FollowerOptions struct {
	Server Server
	Name   string
	Disk   Disk // where rule sets are put
	Log    logrus.FieldLogger

	Wall func() time.Time // the host's wall clock, which may jump; nil: time.Now
}

// Follower keeps a connection to the fleet's database for one gateway. Its methods may be called from several goroutines.
type Follower struct {
	o       FollowerOptions
	writes  *session.Patience
	changed chan struct{}
	report  chan struct{} // there is something to be written

	mu    sync.Mutex
	state FollowerState
	asked Config // the last that was whole, with its rule sets on disk; Digest is "" before the first
	tell  schema.HostStatus

	wanted  Config        // the last that was whole
	ready   bool          // wanted is asked
	fault   string        // why what the database says is not asked; "" when there is nothing wrong
	inForce Config        // what the gateway runs, as far as it is the fleet's
	sets    chan struct{} // there may be something to do for rule sets

	session *conn // nil: no server answers

	drains []string // attachments that are to drain; nil: not known yet

	macs  addresses
	place chan struct{} // there may be something to do for addresses

	blocks  *ledger
	sharing bool
	share   chan struct{} // there may be something to do for blocks
	told    chan struct{} // and for who carries them out

	leases leases
	leased chan struct{} // closed when leases may have changed

	relist time.Duration // how old a session may be whose rows are not whole; for follow alone
}

// FollowerState tells how a gateway stands with its fleet.
type FollowerState struct {
	Name       string   `json:"name"`
	Connected  bool     `json:"connected"`
	Asked      int      `json:"asked"`   // sequence number of the configuration that was read last
	Reached    int      `json:"reached"` // and of the one in force
	State      string   `json:"state"`   // applied, refused or restart
	Source     string   `json:"source"`  // fleet or disk
	Error      string   `json:"error,omitempty"`
	Overridden []string `json:"overridden"` // keys that the gateway's own file sets instead of the fleet
}

// NewFollower makes a follower. Nothing is asked before Run.
func NewFollower(o FollowerOptions) *Follower {
	blocks := newLedger(o.Name)
	if blocks.wall = o.Wall; o.Wall == nil {
		o.Wall = time.Now
	}
	return &Follower{
		o: o, writes: newWritePatience(), changed: make(chan struct{}, 1), report: make(chan struct{}, 1),
		state: FollowerState{Name: o.Name, Overridden: []string{}}, tell: schema.HostStatus{Name: o.Name},
		ready: true, sets: make(chan struct{}, 1), place: make(chan struct{}, 1),
		blocks: blocks, share: make(chan struct{}, 1), told: make(chan struct{}, 1),
		leased: make(chan struct{}), relist: relistFirst,
	}
}

// Changed yields a value when the configuration that is asked for has changed since the last value was taken.
func (f *Follower) Changed() <-chan struct{} { return f.changed }

// Asked is the configuration that is asked for; false before any was read.
func (f *Follower) Asked() (Config, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked, f.asked.Digest != ""
}

// State tells how the gateway stands with the fleet.
func (f *Follower) State() FollowerState {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.state
	s.Overridden = slices.Clone(s.Overridden)
	return s
}

// Taken notes that a configuration is in force, with the keys that the gateway's own file sets instead of it. source is
// SourceFleet or SourceDisk.
func (f *Follower) Taken(c Config, overridden []string, source string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &f.state
	s.Reached, s.State, s.Error, s.Source = c.Cfg, StateApplied, f.fault, source
	if f.fault != "" { // it is in force, and something else is asked for that is not to be had
		s.State = StateRefused
	}
	s.Overridden = append([]string{}, overridden...)
	f.tell.CurCfg, f.tell.Digest, f.tell.State, f.tell.Error, f.tell.Source = c.Cfg, c.Digest, s.State, s.Error, source
	f.tell.Overridden = s.Overridden
	f.inForce = c
	f.kick()
	wake(f.sets) // others may be superfluous now
}

// Refused notes why what is asked for is not in force, and whether the next start of the program will change that.
func (f *Follower) Refused(err error, restart bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	state := StateRefused
	if restart {
		state = StateRestart
	}
	text := bounded(err.Error())
	if f.state.State == state && f.state.Error == text {
		return
	}
	f.state.State, f.state.Error = state, text
	f.tell.State, f.tell.Error = state, text
	f.kick()
}

// Report gives what is to be told of the gateway.
func (f *Follower) Report(r Report) {
	f.mu.Lock()
	defer f.mu.Unlock()
	problems := make([]string, 0, min(len(r.Problems), maxProblems))
	for _, p := range r.Problems[:min(len(r.Problems), maxProblems)] {
		problems = append(problems, bounded(p))
	}
	old := f.tell
	f.tell.Converged, f.tell.Problems = r.Converged, problems
	f.tell.Attachments, f.tell.Versions, f.tell.Counters = r.Attachments, r.Versions, r.Counters
	// Counters change all the time, and are told with the rest.
	if old.Converged != r.Converged || !slices.Equal(old.Problems, problems) ||
		!maps.Equal(old.Attachments, r.Attachments) || !maps.Equal(old.Versions, r.Versions) {
		f.kick()
	}
}

// Bounds of what a gateway tells, whatever happens there.
const (
	maxProblems = 16
	maxText     = 1024 // bytes
)

func bounded(s string) string {
	if len(s) <= maxText {
		return s
	}
	return s[:maxText] + "…"
}

func (f *Follower) kick() { wake(f.report) }

// wake tells a goroutine that there is something to do, if it does not know yet.
func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// errTorn ends a session of which the rows make no configuration.
var errTorn = errors.New("the rows of this host's configuration are not whole")

// errProfiles ends a session whose conditions do not fit any more.
var errProfiles = errors.New("the host has other profiles now")

// Run follows the fleet until ctx ends. It never gives up.
func (f *Follower) Run(ctx context.Context) error {
	at, wait, told := rand.IntN(len(f.o.Server.Endpoints)), backoff, false
	p := newPatience()
	for {
		began := time.Now()
		next, served, err := f.serve(ctx, p, at)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if served && (errors.Is(err, errProfiles) || errors.Is(err, errTorn)) {
			at = next
			continue
		}
		if time.Since(began) > backoffMax {
			wait = backoff
		}
		if served {
			told = false
			at = next + 1 // this one has just failed
			f.o.Log.WithError(err).Warn("connection to the fleet's database lost; the gateway runs on, connecting again")
		} else if !told {
			told = true // once an outage
			f.o.Log.WithError(err).Warn("the fleet's database does not answer; the gateway runs on, trying on")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait/2 + rand.N(wait)): // not all gateways at once
		}
		wait = min(2*wait, backoffMax)
	}
}

// serve makes one connection and follows it to its end.
func (f *Follower) serve(ctx context.Context, p *session.Patience, first int) (at int, served bool, err error) {
	host, row := &schema.Host{}, &schema.Lease{}
	s, at, err := f.o.Server.dial(ctx, first%len(f.o.Server.Endpoints), p,
		watch{row: &schema.Fleet{}}, watch{row: host, column: &host.Name, is: []string{f.o.Name}},
		watch{row: row, column: &row.Primary, or: &row.Standby, is: []string{f.o.Name}})
	if err != nil {
		return 0, false, err
	}
	defer s.Close()
	profiles := profilesOf(readRows(s), f.o.Name)
	if err := f.watchLayers(ctx, s, profiles); err != nil {
		return at, true, err
	}
	f.connected(s)
	defer f.connected(nil)
	f.o.Log.WithField("server", f.o.Server.Endpoints[at]).Info("following the fleet")
	return at, true, f.follow(ctx, s, f.o.Server.Endpoints[at], profiles)
}

// connected notes the connection that there is; nil: none.
func (f *Follower) connected(s *conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.session, f.state.Connected = s, s != nil
}

func profilesOf(r rows, name string) []string {
	if h := r.hosts[name]; h != nil {
		return inOrder(h.Profiles)
	}
	return nil
}

// watchLayers watches the rows of the host's layers, and no others.
func (f *Follower) watchLayers(ctx context.Context, s *conn, profiles []string) error {
	layers := []string{hostLayer(f.o.Name)}
	for _, p := range profiles {
		layers = append(layers, profileLayer(p))
	}
	l, u, t, a, p, g := &schema.Layer{}, &schema.Uplink{}, &schema.Trunk{}, &schema.Attachment{}, &schema.PolicyLine{}, &schema.FailoverGroup{}
	return s.watch(ctx, watch{row: l, column: &l.Name, is: layers}, watch{row: u, column: &u.Layer, is: layers},
		watch{row: t, column: &t.Layer, is: layers}, watch{row: a, column: &a.Layer, is: layers}, watch{row: p, column: &p.Layer, is: layers},
		watch{row: g, column: &g.Layer, is: layers})
}

// follow takes what changes, and writes what is to be told, until the session ends.
func (f *Follower) follow(ctx context.Context, s *conn, endpoint string, profiles []string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var writing sync.WaitGroup
	for _, part := range []func(context.Context, *conn) error{f.tellAll, f.shareAll, f.fetchAll, f.placeAll} {
		writing.Go(func() {
			bound, done := s.Bind(ctx)
			defer done(nil)
			cancel(part(bound, s))
		})
	}
	f.leaseConn(s, endpoint, cancel)
	defer f.leaseConn(nil, "", nil)
	began, torn, tables := time.Now(), time.Time{}, configurationTables()
	seen, looked := uint64(0), false
	look := func() {
		f.lookLeases(s)
		wake(f.share)
		version := s.Version(tables...)
		if looked && version == seen && torn.IsZero() {
			return // a block: 1,000 hosts hear of it, and need not read their configuration for it
		}
		seen, looked = version, true
		r := readRows(s)
		f.hear(r)
		if r.hosts[f.o.Name] != nil && !slices.Equal(profilesOf(r, f.o.Name), profiles) {
			cancel(errProfiles)
			return
		}
		if f.take(r) {
			torn, f.relist = time.Time{}, relistFirst
			return
		}
		if torn.IsZero() {
			torn = time.Now()
		} else if time.Since(torn) > tornLimit {
			f.notWhole(r)
			if time.Since(began) > f.relist { // lest it is the library that sees half of them
				f.relist = relistEvery
				cancel(errTorn)
			}
		}
	}
	look()
	err := s.Watch(ctx, func() time.Duration { return probePeriod(fleetSize(s)) }, s.patience, look)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	cancel(err)
	writing.Wait()
	return err
}

// take makes the rows the configuration that is asked for, if they are whole: an update of several tables is seen piece by
// piece. It is handed on once its rule sets are on disk.
func (f *Follower) take(r rows) bool {
	h := r.hosts[f.o.Name]
	if h == nil {
		return false
	}
	layers, err := r.layersOf(h)
	if err != nil || digest(layers, h.RuleSets) != h.Digest || !soundSets(h.RuleSets) {
		return false
	}
	c := Config{Host: h.Name, Cfg: h.NextCfg, Digest: h.Digest, Layers: layers, RuleSets: maps.Clone(h.RuleSets)}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.wanted.Digest == c.Digest && f.wanted.Cfg == c.Cfg {
		return true
	}
	f.wanted, f.ready, f.state.Asked, f.fault = c, false, c.Cfg, ""
	if len(c.RuleSets) == 0 {
		f.asked, f.ready = c, true
		wake(f.changed)
	}
	wake(f.sets)
	return true
}

// layersOf are the layers of one host, of its rows alone.
func (r rows) layersOf(h *schema.Host) ([]config.Layer, error) {
	d := newDocument()
	d.Hosts[h.Name] = Host{Profiles: inOrder(h.Profiles), Own: r.own(h.Name)}
	for _, p := range inOrder(h.Profiles) {
		if l, ok := r.layers[profileLayer(p)]; ok {
			d.Profiles[p] = l.entries()
		}
	}
	return d.Layers(h.Name)
}

// notWhole tells why what the database says is not taken.
func (f *Follower) notWhole(r rows) {
	err := errors.New("the rows of this host's configuration are not those that fleet apply wrote: " +
		"they were changed by other means, or this program is too old for them")
	if r.hosts[f.o.Name] == nil {
		err = fmt.Errorf("the fleet has no host named %s", f.o.Name)
	}
	f.mu.Lock()
	f.wanted, f.ready, f.fault = Config{}, true, err.Error()
	f.mu.Unlock()
	f.Refused(err, false)
}
