// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"ofcontroller/ips/link"
)

// ErrNotOurs says that a link has the name of one of ours and is something
// else. Nothing is changed in it.
var ErrNotOurs = link.ErrNotOurs

var (
	errLocked  = errors.New("run directory is in use by another controller")
	errRestart = errors.New("suricata has to be started again")
)

// Back-off between starts. A run of backoffReset starts it anew.
const (
	backoffMin   = 200 * time.Millisecond
	backoffMax   = 10 * time.Second
	backoffReset = 30 * time.Second
)

// Status of an Attachment.
type Status struct {
	PID         int       // 0: there is no process
	Running     bool      // the process is there and has answered: its rules are loaded and frames pass any moment
	Since       time.Time // start of the process
	Restarts    int       // starts by this Attachment after the first
	Adopted     bool      // the process was started by an Attachment before
	Version     string    // as Suricata names it, "7.0.10 RELEASE"
	LastError   string    // why it last ended, was not started, or refused rules; "" once other rules are in force
	RulesLoaded int       // ours included
	RulesFailed int
	Memory      uint64 // resident, in bytes

	Events        uint64 // taken
	EventsDropped uint64 // too long or not readable
}

// Attachment is one Suricata between two ports. Use New.
type Attachment struct {
	o       Options
	log     logrus.FieldLogger
	pairs   [2]link.Pair
	canary  string
	made    bool // New has made the canary
	running atomic.Bool
	ready   atomic.Bool
	stop    atomic.Bool    // Suricata ends with Run
	ends    sync.WaitGroup // waits for the ends of processes

	// memoryMax is Options.MemoryMax, apart so that tests can lower it.
	memoryMax uint64

	// conf has one token: whoever takes it may write the configuration, start
	// Suricata or make it reload.
	conf  chan struct{}
	rules []string // in force or, without a process, wanted; with conf's token
	// tested is what "suricata -T" accepted last; with conf's token.
	tested string
	known  bool // some rules were accepted; with conf's token
	// proposed is the file that has what was tried last; with conf's token.
	proposed string
	// Of the links and rings that there are; with conf's token.
	index      [2]int
	packetSize int
	had        bool      // Run has had a process
	logs       *follower // Run's

	changed chan struct{} // mtu or rules were changed
	bypass  atomic.Pointer[sidSet]
	events  atomic.Uint64
	dropped atomic.Uint64

	mu     sync.Mutex
	mtu    int // wanted for the links
	status Status
}

// New prepares an Attachment; it makes the run directory and touches no link.
// Rules are read when Run starts Suricata.
func New(o Options) (*Attachment, error) {
	if o.Name == "" {
		return nil, errors.New("suricata attachment without a name")
	}
	o, err := withDefaults(o)
	if err != nil {
		return nil, fmt.Errorf("suricata attachment %s: %w", o.Name, err)
	}
	canary, made, err := loadCanary(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("suricata attachment %s: %w", o.Name, err)
	}
	a := &Attachment{
		o: o, log: o.Log.WithField("attachment", o.Name), pairs: pairs(o.Name), canary: canary, made: made, memoryMax: o.MemoryMax,
		rules: slices.Clone(o.Rules), conf: make(chan struct{}, 1), changed: make(chan struct{}, 1), mtu: o.MTU + carrierRoom,
		packetSize: o.MTU + carrierRoom + frameOverMTU,
	}
	a.bypass.Store(new(sidSet))
	a.stop.Store(o.Stop)
	return a, nil
}

// Ports are the links for the switch, leg 0 and leg 1.
func (a *Attachment) Ports() [2]string { return PortNames(a.o.Name) }

// Canary is the payload that the detection canary's rule drops in a UDP packet
// from 192.0.2.1 to 192.0.2.2 port 9999. It is random, and the same for as long as
// the run directory is.
func (a *Attachment) Canary() []byte { return []byte(a.canary) }

// Twin is a payload that passes there, whatever the operator's rules say. It
// comes of the canary, as secret as that.
func (a *Attachment) Twin() []byte {
	h := sha256.Sum256([]byte("twin of " + a.canary))
	return []byte(hex.EncodeToString(h[:canaryLen]))
}

// SetStop says whether Suricata ends with Run, in place of Options.Stop.
func (a *Attachment) SetStop(stop bool) { a.stop.Store(stop) }

// CheckLinks tells whether other links stand where this attachment would make
// its own (ErrNotOurs). It changes nothing.
func (a *Attachment) CheckLinks() error {
	if err := CheckLinks(a.o.Name); err != nil {
		return fmt.Errorf("suricata attachment %s: %w", a.o.Name, err)
	}
	return nil
}

// CheckLinks tells whether other links stand where an attachment of that name has
// its own (ErrNotOurs). It changes nothing.
func CheckLinks(name string) error {
	for _, p := range pairs(name) {
		if _, _, err := p.Find(); err != nil {
			return err
		}
	}
	return nil
}

// Ready tells whether the links are there. It says nothing of Suricata.
func (a *Attachment) Ready() bool { return a.ready.Load() }

// Status tells how Suricata is.
func (a *Attachment) Status() Status {
	a.mu.Lock()
	s := a.status
	a.mu.Unlock()
	if s.PID != 0 {
		s.Memory = resident(s.PID)
	}
	s.Events, s.EventsDropped = a.events.Load(), a.dropped.Load()
	return s
}

func (a *Attachment) update(f func(s *Status)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(&a.status)
}

// SetMTU gives the guests' MTU in bytes. Run changes the links soon after; where
// Suricata's rings are too small for it, Suricata is stopped and started again,
// and for some seconds no frame passes. An error is about the value.
func (a *Attachment) SetMTU(mtu int) error {
	if err := checkMTU(mtu); err != nil {
		return fmt.Errorf("suricata attachment %s: %w", a.o.Name, err)
	}
	a.mu.Lock()
	a.mtu = mtu + carrierRoom
	a.mu.Unlock()
	a.wake()
	return nil
}

func (a *Attachment) linkMTU() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mtu
}

func (a *Attachment) wake() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// acquire takes conf's token.
func (a *Attachment) acquire(ctx context.Context) error {
	select {
	case a.conf <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *Attachment) releaseConf() { <-a.conf }

// Remove ends a Suricata that was left running and deletes the veth pairs and
// the run directory's files, and the directory where nothing else is in it. It is an error while Run runs, and no error when
// there is nothing. For an attachment that is no longer configured, New with its
// Name and Dir is enough. It works in the network namespace of the calling
// thread.
func (a *Attachment) Remove() error {
	if a.running.Load() {
		return fmt.Errorf("suricata attachment %s runs: not removing its links", a.o.Name)
	}
	pids, err := a.left()
	if err != nil {
		return fmt.Errorf("suricata attachment %s: %w", a.o.Name, err)
	}
	for _, p := range pids {
		p.stop()
	}
	var faults []error
	for _, p := range a.pairs {
		faults = append(faults, p.Remove())
	}
	for _, name := range []string{
		configFile, candidateFile, ownRulesFile, canaryFile, logFile, offsetFile, pidFile, stateFile, lockFile, commandSocket, eventSocket,
	} {
		if err := os.Remove(a.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			faults = append(faults, err)
		}
	}
	a.removeDir()
	return errors.Join(faults...)
}

// Discard takes back what New has made, for an Attachment that is never run. A
// run directory that was in use before stays as it is.
func (a *Attachment) Discard() error {
	if !a.made || a.running.Load() {
		return nil
	}
	if err := os.Remove(a.path(canaryFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("suricata attachment %s: %w", a.o.Name, err)
	}
	a.removeDir()
	return nil
}

// removeDir deletes the run directory, unless something of another's is in it.
func (a *Attachment) removeDir() { _ = os.Remove(a.o.Dir) }

// left watches the processes that an Attachment before this has left.
func (a *Attachment) left() ([]*process, error) {
	pids, err := a.findRunning()
	if err != nil {
		return nil, err
	}
	var all []*process
	for _, pid := range pids {
		// One that has ended meanwhile is none.
		if p, err := watchProcess(pid); err == nil {
			all = append(all, p)
		}
	}
	return all, nil
}
