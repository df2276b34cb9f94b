// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"ofcontroller/ofapp/monitor"
)

// listenMonitor takes the address of the metrics listener, nil where none is
// configured.
func (a *App) listenMonitor(ctx context.Context) (*monitor.Server, error) {
	cfg := a.config()
	if cfg.Metrics == "" {
		return nil, nil
	}
	page := &statePage{app: a}
	o := monitor.Options{
		Address: cfg.Metrics, Loopback: cfg.Monitor.User == "", User: cfg.Monitor.User, Pprof: cfg.Monitor.Pprof,
		Metrics: a.newRegistry(), Ready: a.converged, State: page.state, Log: a.log.WithField("subject", "metrics"),
	}
	if a.o.Fleet != nil {
		view := &fleetView{app: a}
		o.Fleet = view.get
	}
	if cfg.Monitor.User != "" {
		var err error
		if o.Password, err = monitor.ReadPassword(cfg.Monitor.PasswordFile); err != nil {
			return nil, fmt.Errorf("monitor.password_file: %w", err)
		}
	}
	if cfg.Monitor.TLS {
		c, err := tls.LoadX509KeyPair(cfg.TLS.Certificate, cfg.TLS.PrivateKey)
		if err != nil {
			return nil, fmt.Errorf("monitor.tls: %w", err)
		}
		o.TLS = &tls.Config{Certificates: []tls.Certificate{c}, MinVersion: tls.VersionTLS12}
	} else if !cfg.MetricsLoopback() {
		a.log.WithField("metrics", cfg.Metrics).Warn("the password of the metrics listener crosses the network in clear; monitor.tls: true hides it")
	}
	return monitor.Listen(ctx, o)
}

var errNotConverged = errors.New("the switch does not hold what is configured yet, or an attachment has no verdict; status tells more")

// converged is nil when the switch holds what it should.
func (a *App) converged() error {
	if st, _, _ := a.known(); !st.Converged {
		return errNotConverged
	}
	return nil
}

// stateAge is how old a state may be that several viewers share, so that their
// number costs nothing.
const stateAge = 500 * time.Millisecond

// statePage keeps the state that the page was told last.
type statePage struct {
	app *App

	mu   sync.Mutex
	at   time.Time
	last pageState
}

// pageState is what the status page shows.
type pageState struct {
	Status
	TakenMS   int64 `json:"taken_ms"`   // Unix time
	CountedMS int64 `json:"counted_ms"` // Unix time at which the counters were read, 0 never

	PortsTotal int               `json:"ports_total"`
	PortFrames map[string]uint64 `json:"port_frames"` // frames in, by port
	Moves      uint64            `json:"moves"`
	Latest     []pageNote        `json:"latest"` // alerts and events, newest first
}

// pageNote is an alert or an event on the page. Its text may hold what a guest
// or a rule says: it is data, never markup.
type pageNote struct {
	TimeMS int64  `json:"time_ms"` // Unix time
	Kind   string `json:"kind"`
	Text   string `json:"text"`
}

// pageNotes is how many alerts, and how many events, the page shows.
const pageNotes = 15

func (a *App) notes() []pageNote {
	out := []pageNote{}
	for _, r := range a.alertLog.Last(pageNotes) {
		al := r.Value.Alert
		out = append(out, pageNote{al.Time.UnixMilli(), "alert", fmt.Sprintf("%s (%d), %s to %s, %s", al.Signature, al.SID, al.Connection.Src, al.Connection.Dst, r.Value.verdict())})
	}
	for _, r := range a.eventLog.Last(pageNotes) {
		out = append(out, pageNote{r.Value.Time.UnixMilli(), r.Value.Kind, r.Value.Subject + ": " + r.Value.Text})
	}
	slices.SortStableFunc(out, func(x, y pageNote) int { return cmp.Compare(y.TimeMS, x.TimeMS) })
	return out
}

// maxPageTrunks bounds the trunk ports that the page shows one by one.
const maxPageTrunks = 48

func (p *statePage) state() any {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Sub(p.at) > stateAge {
		p.at, p.last = now, p.app.pageState(now)
	}
	return p.last
}

func (a *App) pageState(now time.Time) pageState {
	st, _, _ := a.known()
	s := pageState{Status: st, TakenMS: now.UnixMilli(), PortsTotal: len(st.Ports), PortFrames: map[string]uint64{}, Latest: a.notes()}
	trunks := 0
	s.Ports = slices.DeleteFunc(s.Ports, func(p PortStatus) bool {
		if p.Role == "trunk" {
			trunks++
		}
		return p.Role == "trunk" && trunks > maxPageTrunks
	})
	a.tally.mu.Lock()
	defer a.tally.mu.Unlock()
	if a.tally.dumps > 0 {
		s.CountedMS = a.tally.last.ended.UnixMilli()
	}
	s.Moves = a.tally.moves
	for _, port := range s.Ports {
		if in, ok := a.tally.ports[portKey(port)]; ok {
			s.PortFrames[port.Name] = in.frames
		}
	}
	return s
}
