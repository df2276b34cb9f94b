// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"ofcontroller/config"
	"ofcontroller/flows"
	"ofcontroller/ofapp/control"
	"ofcontroller/ofapp/journal"
	"ofcontroller/openflow"
	"ofcontroller/ovsdb"
)

// Options are what an App needs besides the configuration.
type Options struct {
	Load    func() (*config.Config, error) // reads the configuration again, for Reload
	Watch   string                         // configuration file that is loaded again when it changes; "" is none
	Applied func(*config.Config)           // hears of a configuration that Reload has put in force; may be nil
	Guard   []string                       // command line of a guard of the embedded engine's link; nil for none
	// Parse gives the configuration of a text, with what lies over a file for Load. It is for Plan.
	Parse func(file string, text []byte) (*config.Config, error)
	// Level gives the log's level, and sets it first unless level is empty. nil: the log has none to set.
	Level   func(level string) (string, error)
	Fleet   *Following // the fleet that Load asks too; nil for none
	Serving func()     // hears that the control socket answers; may be nil
	Version string
	Log     logrus.FieldLogger
}

// App is one running gateway.
type App struct {
	o       Options
	log     logrus.FieldLogger
	start   time.Time
	wake    chan struct{}      // something that the flows depend on changed
	doubt   chan struct{}      // the switch may not hold what it held
	behind  chan chan struct{} // to be closed when all is handled that the switch has told
	foreign foreign            // what others change on the switch
	joined  chan struct{}      // there are new attachments
	begins  chan struct{}      // an attachment makes its ports

	ensuring  sync.Mutex // one Ensure at a time
	reloading sync.Mutex // one Reload at a time
	drains    sync.Mutex // one Drain at a time
	engines   sync.Mutex // one writer of the engines' file at a time

	laid        atomic.Bool   // the switch has had this version's flows: ports can be attached and protected
	strayProbes atomic.Uint64 // from IPS ports in a probe's place, of no attachment's
	runID       string        // tells one run of the program from another
	alertLog    *journal.Journal[alertRecord]
	eventLog    *journal.Journal[Event]
	places      places
	unkept      unkept
	offloads    *offloader
	sids        map[uint32]struct{} // of the rules in force; with reloading
	forms       offloadForms
	punts       punts

	mu          sync.Mutex
	cfg         *config.Config
	attachments []*attachment // configured, in order; a list in use is never changed
	leaving     []*attachment // no longer configured; a list in use is never changed
	nextIndex   uint16        // of a new attachment; with reloading
	db          *ovsdb.Client
	conn        *openflow.Conn // nil while there is no channel
	tally       *tally
	work        *work
	view        view
	failover    map[string]FailoverStatus // by group
	hostMAC     string                    // the last that was known
	seen        stamps                    // of the files that were read last
}

// view is what the last look at the switch told.
type view struct {
	synced   bool   // the switch holds what was wanted then
	serial   uint64 // of the inputs that the last sync took
	inputs   uint64 // serial of the inputs now
	flows    int    // wanted flows
	own      int    // of them, for the host's own address in the table mac
	faults   []string
	errText  string // why the last sync failed
	rules    string // why rule files are not in force
	bridge   string // why the bridge could not be brought to its specification
	repairs  uint64 // flows that others changed and that were put right
	noMeters bool   // the switch of this connection refuses meters
	rival    rival
	syncs    uint64              // bundles that changed something
	legs     map[flows.Port]bool // ports of attachments that the switch has flows for; nil: not known yet
}

// New makes an App for a valid configuration. Nothing is touched before Run.
func New(cfg *config.Config, o Options) (*App, error) {
	a := &App{
		o: o, log: o.Log, cfg: cfg, start: time.Now(), wake: make(chan struct{}, 1), doubt: make(chan struct{}, 1), behind: make(chan chan struct{}),
		joined: make(chan struct{}, 1), begins: make(chan struct{}, 1), runID: rand.Text(),
		alertLog: journal.New[alertRecord](alertRecords, alertBytes), eventLog: journal.New[Event](eventRecords, eventBytes),
		tally: newTally(), work: newWork(), failover: map[string]FailoverStatus{},
	}
	a.seen = stamps{stamp(o.Watch), ruleStamp(cfg)}
	a.offloads = newOffloader(cfg.Inspection.Offload.Limit)
	var err error
	if a.forms, err = newOffloadForms(); err != nil {
		return nil, err
	}
	a.sids = ruleSIDs(cfg)
	if err := checkPorts(cfg); err != nil {
		return nil, err
	}
	for _, c := range cfg.Inspection.Attachments {
		at, err := a.newAttachment(cfg, c)
		if err != nil {
			return nil, err
		}
		at.begun.Store(true)
		a.attachments = append(a.attachments, at)
	}
	a.readDrains()
	return a, nil
}

// tlsConfig reads the certificates when an endpoint needs them.
func tlsConfig(cfg *config.Config) (*tls.Config, error) {
	if cfg.TLS == (config.TLS{}) {
		return nil, nil
	}
	c, err := ovsdb.TLSConfig(cfg.TLS.Certificate, cfg.TLS.PrivateKey, cfg.TLS.CA)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	return c, nil
}

// Run runs the gateway until ctx ends, which leaves all flows in place.
func (a *App) Run(ctx context.Context) error {
	tc, err := tlsConfig(a.cfg)
	if err != nil {
		return err
	}
	release, err := claim(a.cfg)
	if err != nil {
		return err
	}
	defer release()
	a.keepDrains()
	a.findLeft()
	ctl, err := control.Listen(a.cfg.Control, a.methods(), a.log)
	if err != nil {
		return err
	}
	mon, err := a.listenMonitor(ctx)
	if err != nil {
		ctl.Close()
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	db, err := ovsdb.Connect(ctx, ovsdb.Options{
		Endpoint: a.cfg.OVSDB, TLS: tc, Bridge: a.cfg.Bridge.Name, Log: a.log.WithField("subject", "ovsdb"),
	})
	if err != nil {
		ctl.Close()
		if mon != nil {
			mon.Close()
		}
		return fmt.Errorf("database %s: %w", a.cfg.OVSDB, err)
	}
	defer db.Close()
	a.mu.Lock()
	a.db = db
	a.mu.Unlock()

	defer a.nameSocket()()
	g.Go(func() error { return ctl.Serve(ctx) })
	if a.o.Serving != nil {
		a.o.Serving()
	}
	if mon != nil {
		g.Go(func() error { return mon.Serve(ctx) })
	}
	g.Go(func() error { return a.watch(ctx) })
	g.Go(func() error { return a.logAlerts(ctx) })
	g.Go(func() error { return a.watchFiles(ctx) })
	if a.o.Fleet != nil {
		g.Go(func() error { return a.followFleet(ctx) })
		g.Go(func() error { return a.shareBlocks(ctx) })
		g.Go(func() error { return a.leadGroups(ctx) })
	}
	g.Go(func() error {
		return openflow.Run(ctx, openflow.Options{
			Endpoint: a.cfg.OpenFlowEndpoint(), TLS: tc, ControllerID: flows.ControllerID,
			Log: a.log.WithField("subject", "openflow"),
		}, a.session)
	})
	g.Go(func() error { return a.tend(ctx) })
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// readyPause is the rest between two looks at whether the engines have made
// their ports.
const readyPause = 50 * time.Millisecond

// ready tells whether all attachments' ports can be put on the bridge.
func (a *App) ready() bool {
	return !slices.ContainsFunc(a.list(), func(at *attachment) bool { return !at.ready() })
}

// watch follows the database: it brings the bridge to what the configuration
// asks for, and wakes the session.
func (a *App) watch(ctx context.Context) error {
	retry := time.NewTimer(0)
	defer retry.Stop()
	var news dbNews
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.db.Changed():
		case <-a.begins:
		case <-retry.C:
		}
		news.look(a, a.db.View())
		a.changed()
		ready := a.ready() // before: what becomes ready meanwhile is not on the bridge yet
		if _, err := a.ensure(ctx); err != nil && ctx.Err() == nil {
			retry.Reset(time.Second)
		} else if !ready {
			retry.Reset(readyPause)
		}
	}
}

// changed tells the session that its inputs changed.
func (a *App) changed() {
	a.mu.Lock()
	a.view.inputs++
	a.mu.Unlock()
	signal(a.wake)
}

// signal tells a goroutine that there is something to do, if it does not know yet.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// note keeps an error for status and logs it when it is news.
func (a *App) note(err error) {
	a.mu.Lock()
	news := a.view.errText != err.Error()
	a.view.errText = err.Error()
	a.mu.Unlock()
	if news {
		a.log.WithError(err).Warn("the switch is not as configured")
	}
}

// config returns the configuration in force.
func (a *App) config() *config.Config {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cfg
}
