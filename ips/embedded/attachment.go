// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"ofcontroller/ips/engine"
	"ofcontroller/ips/eve"
	"ofcontroller/ips/link"
	"ofcontroller/ips/rules"
)

// Defaults of Options.
const (
	DefaultMTU       = 1500
	DefaultQueue     = 4096
	DefaultHoldBytes = 16 << 20
)

// Bounds of the guests' MTU in bytes. Below 1280 there is no IPv6 (RFC 8200,
// section 5); the upper one is what an Ethernet driver can offer.
const (
	MinMTU = 68
	MaxMTU = 65535 - carrierRoom
)

// carrierRoom is what the links have beyond the guests' MTU: the carrier tag
// and a tag of the guest's own, 4 bytes each.
const carrierRoom = 8

// Backoff between attempts to get the links and sockets back.
const (
	backoffMin = 50 * time.Millisecond
	backoffMax = 5 * time.Second
)

// Bounds of the rings, which are locked memory: of one worker, room for
// DefaultQueue frames of an ordinary network or 1024 jumbo frames; and of all.
const (
	ringBytes    = 16 << 20
	allRingBytes = 128 << 20
)

// maxThreads is the most sockets that a fanout group takes on any kernel
// (PACKET_FANOUT_MAX was 256 before it could be set).
const maxThreads = 256

// Options of an Attachment.
type Options struct {
	Name       string   // of the attachment, as configured
	SwitchPort string   // link for the switch; "" is PortName(Name)
	Rules      []string // rule files; ignored when Set is given
	Set        *rules.Set
	Engine     engine.Options
	Threads    int // workers; 0 is one per CPU
	// Queue is the number of frames that may wait for a worker in its ring (fewer
	// with jumbo frames), and of those that may be held. 0 is DefaultQueue.
	Queue     int
	HoldBytes int    // bytes of held frames; 0 is DefaultHoldBytes
	EVE       string // file for alerts; "" writes none
	// Guard is the command line of a guard of the link (see link.Guard), nil for
	// none.
	Guard []string
	MTU   int // of the guests, in bytes; 0 is DefaultMTU
	Log   logrus.FieldLogger

	// OnVerdict hears of every verdict that is more than a silent pass. Workers
	// call it, several at once; it must not block, and what the verdict points
	// to is valid only during the call.
	OnVerdict func(engine.Verdict)
	// OnEnd hears that frames have stopped to pass, and why; Run tries to mend
	// that. Run's goroutine calls it.
	OnEnd func(reason string)
	// Hold says how long a frame that may pass waits before it goes on, 0 for
	// not at all. A held frame holds no other. Workers call it, several at once;
	// the frame is valid only during the call.
	Hold func(frame []byte, v engine.Verdict) time.Duration
}

// Attachment is one embedded engine on its port. Use New.
type Attachment struct {
	o       Options
	pair    link.Pair
	canary  canary
	log     logrus.FieldLogger
	engine  *engine.Engine
	eve     *eve.Writer // set while Run runs
	holder  *holder
	count   counters
	running atomic.Bool

	newInspector func() inspector
	inspectors   []inspector // Run's

	lastPanic atomic.Int64 // Unix time of the last one logged, in ns

	mu      sync.Mutex
	mtu     int           // wanted for the links
	changed chan struct{} // mtu was changed
	sockets sockets
}

// New loads the rules and prepares an Attachment; it touches no link. Faulty
// rules are an error, as rules.Load reports them.
func New(o Options) (*Attachment, error) {
	if o.Name == "" {
		return nil, errors.New("embedded attachment without a name")
	}
	o, err := withDefaults(o)
	if err != nil {
		return nil, fmt.Errorf("embedded attachment %s: %w", o.Name, err)
	}
	set := o.Set
	if set == nil {
		if set, err = rules.Load(o.Rules); err != nil {
			return nil, fmt.Errorf("embedded attachment %s: load rules: %w", o.Name, err)
		}
	}
	canary, builtIn, err := newCanary()
	if err != nil {
		return nil, fmt.Errorf("embedded attachment %s: %w", o.Name, err)
	}
	o.Engine.BuiltIn = builtIn
	a := &Attachment{
		o: o, canary: canary, pair: link.Pair{Port: o.SwitchPort, Peer: PeerName(o.Name)}, log: o.Log.WithField("attachment", o.Name),
		engine: engine.New(set, o.Engine), holder: newHolder(o.Queue, o.HoldBytes),
		mtu: o.MTU + carrierRoom, changed: make(chan struct{}, 1),
	}
	a.newInspector = func() inspector { return a.engine.NewWorker() }
	return a, nil
}

func withDefaults(o Options) (Options, error) {
	if o.SwitchPort == "" {
		o.SwitchPort = PortName(o.Name)
	}
	if len(o.SwitchPort) > link.MaxName || o.SwitchPort == PeerName(o.Name) {
		return o, fmt.Errorf("switch port %q: want a name of 1 to %d bytes other than %q", o.SwitchPort, link.MaxName, PeerName(o.Name))
	}
	if o.Threads <= 0 {
		o.Threads = runtime.NumCPU()
	}
	o.Threads = min(o.Threads, maxThreads)
	if o.Queue <= 0 {
		o.Queue = DefaultQueue
	}
	if o.HoldBytes <= 0 {
		o.HoldBytes = DefaultHoldBytes
	}
	if o.MTU == 0 {
		o.MTU = DefaultMTU
	}
	if o.Log == nil {
		l := logrus.New()
		l.SetLevel(logrus.PanicLevel)
		o.Log = l
	}
	return o, checkMTU(o.MTU)
}

func checkMTU(mtu int) error {
	if mtu < MinMTU || mtu > MaxMTU {
		return fmt.Errorf("MTU %d: want %d to %d", mtu, MinMTU, MaxMTU)
	}
	return nil
}

// Port is the link for the switch.
func (a *Attachment) Port() string { return a.pair.Port }

// Run makes or adopts the veth pair and carries frames until ctx ends, then
// returns nil; the pair stays, with the engine's end down, so that the switch
// can carry out its failure policy. Links and sockets that go away are made again,
// with back-off. It returns an error only for what does not mend itself: a link
// of our name that is not ours, or missing privileges. It works in the network
// namespace of its calling thread.
func (a *Attachment) Run(ctx context.Context) error {
	if !a.running.CompareAndSwap(false, true) {
		return fmt.Errorf("embedded attachment %s runs already", a.o.Name)
	}
	defer a.running.Store(false)
	if len(a.o.Guard) > 0 {
		guard, err := a.pair.StartGuard(a.o.Guard)
		if err != nil {
			a.log.WithError(err).Warn("if this program is killed the switch will not see it")
		} else {
			defer guard.Close()
		}
	}
	a.eve = eve.New(eve.Options{Path: a.o.EVE, Log: a.log})
	a.sockets.start(a.eve)
	defer func() {
		if err := a.pair.Down(); err != nil {
			a.log.WithError(err).Warn("the switch does not see that the engine ends")
		}
		a.eve.Close()
		a.holder.clear()
	}()
	wait := backoffMin
	for {
		began := time.Now()
		err := a.session(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case lasting(err):
			return fmt.Errorf("embedded attachment %s: %w", a.o.Name, err)
		case errors.Is(err, errReopen):
			continue
		}
		if a.o.OnEnd != nil {
			a.o.OnEnd("embedded engine lost its port: " + err.Error())
		}
		if time.Since(began) > backoffMax {
			wait = backoffMin
		}
		a.log.WithError(err).WithField("retry_in", wait).Warn("embedded engine lost its port; trying again")
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = min(2*wait, backoffMax)
	}
}

// Reload loads rule files and puts them in force for the next frame of every
// worker. If any rule is faulty the error says so and the old rules stay.
func (a *Attachment) Reload(paths []string) error {
	set, err := rules.Load(paths)
	if err != nil {
		return fmt.Errorf("embedded attachment %s: reload rules: %w", a.o.Name, err)
	}
	a.engine.Replace(set)
	return nil
}

// Replace puts rules in force for the next frame of every worker.
func (a *Attachment) Replace(set *rules.Set) { a.engine.Replace(set) }

// SetMTU gives the guests' MTU in bytes. Run changes the links soon after; an
// error is about the value.
func (a *Attachment) SetMTU(mtu int) error {
	if err := checkMTU(mtu); err != nil {
		return fmt.Errorf("embedded attachment %s: %w", a.o.Name, err)
	}
	a.mu.Lock()
	a.mtu = mtu + carrierRoom
	a.mu.Unlock()
	select {
	case a.changed <- struct{}{}:
	default:
	}
	return nil
}

// ReopenEVE opens the file for alerts again, for logrotate.
func (a *Attachment) ReopenEVE() {
	if w := a.sockets.writer(); w != nil {
		w.Reopen()
	}
}

// CheckLinks tells whether other links stand where this attachment would make
// its own (ErrNotOurs). It changes nothing.
func (a *Attachment) CheckLinks() error {
	if _, _, err := a.pair.Find(); err != nil {
		return fmt.Errorf("embedded attachment %s: %w", a.o.Name, err)
	}
	return nil
}

// Remove deletes the veth pair. It is an error while Run runs, and no error
// when there is no pair.
func (a *Attachment) Remove() error {
	if a.running.Load() {
		return fmt.Errorf("embedded attachment %s runs: not removing %s", a.o.Name, a.pair.Port)
	}
	return a.pair.Remove()
}

// Remove deletes the veth pair of an attachment that is no longer configured,
// with its default port. No pair is no error; one that is not ours is
// ErrNotOurs.
func Remove(name string) error { return pair(name).Remove() }

// CheckLinks tells whether other links stand where an attachment of that name has
// its own, with its default port (ErrNotOurs). It changes nothing.
func CheckLinks(name string) error {
	_, _, err := pair(name).Find()
	return err
}

func pair(name string) link.Pair { return link.Pair{Port: PortName(name), Peer: PeerName(name)} }

func (a *Attachment) linkMTU() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mtu
}
