// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"path/filepath"

	"ofcontroller/config"
	"ofcontroller/ips/embedded"
	rulesengine "ofcontroller/ips/engine"
	"ofcontroller/ips/rules"
	"ofcontroller/ips/suricata"
)

// engine is an IPS that this program runs, behind ports that it makes itself.
type engine interface {
	Run(ctx context.Context) error
	Ready() bool          // the ports exist
	SetMTU(mtu int) error // of the guests, in bytes
	Canary() []byte       // text of a packet that it keeps (probe.Canary)
	Twin() []byte         // text of one that it gives back
	CheckLinks() error    // whether it could make its ports
	Remove() error        // of all that it has made, once Run has returned
	Discard() error       // of what making the engine itself has made, in place of Run
	// test tells whether the engine could start with its rules and settings.
	test(ctx context.Context) error
	// supervise says what becomes of the engine when Run ends.
	supervise(how string)
	// prepare reads rule files without putting them in force; the function it
	// returns does that, and can't fail for the rules' sake.
	prepare(ctx context.Context, files []string) (commit func(context.Context) error, err error)
	counters() EngineCounters
}

// newEngine makes the engine of an attachment, nil for the kind port. The engine
// calls ended when it has stopped to pass frames, with how that came.
func (a *App) newEngine(c config.Attachment, ended func(how string)) (engine, error) {
	switch c.Kind {
	case config.KindEmbedded:
		set, err := rules.Load(c.Rules)
		if err != nil {
			return nil, err
		}
		e, err := embedded.New(embedded.Options{
			Name: c.Name, Set: set, Threads: c.Threads, EVE: c.EVE, Guard: a.o.Guard, Log: a.log,
			OnVerdict: func(v rulesengine.Verdict) { a.embeddedVerdict(c.Name, &v) },
			OnEnd:     ended,
		})
		if err != nil {
			return nil, err
		}
		return embeddedEngine{e}, nil
	case config.KindSuricata:
		o := suricata.Options{
			Name: c.Name, Rules: c.Rules, Threads: c.Threads, Dir: filepath.Join(filepath.Dir(a.cfg.Control), c.Name), Log: a.log,
			Include: c.Include, MemoryMax: c.Memory, Stop: c.Supervise == config.SuperviseStop,
			OnEvent: func(e suricata.Event) { a.suricataEvent(c.Name, &e) },
			OnEnd:   ended,
		}
		s, err := suricata.New(o)
		if err != nil {
			return nil, err
		}
		return suricataEngine{s, o}, nil
	}
	return nil, nil
}

// enginePorts names the ports that the engine of an attachment makes, none for
// the kind port.
func enginePorts(c config.Attachment) []string {
	switch c.Kind {
	case config.KindEmbedded:
		return []string{embedded.PortName(c.Name)}
	case config.KindSuricata:
		ports := suricata.PortNames(c.Name)
		return ports[:]
	}
	return nil
}

// embeddedEngine is the engine in this program.
type embeddedEngine struct{ *embedded.Attachment }

func (e embeddedEngine) Ready() bool { return e.Stats().Running }

func (e embeddedEngine) Discard() error { return nil }

func (e embeddedEngine) test(context.Context) error { return nil } // newEngine has read its rules

func (e embeddedEngine) supervise(string) {} // it is part of this program

func (e embeddedEngine) prepare(_ context.Context, files []string) (func(context.Context) error, error) {
	set, err := rules.Load(files)
	if err != nil {
		return nil, err
	}
	return func(context.Context) error {
		e.Replace(set)
		e.ReopenEVE()
		return nil
	}, nil
}

func (e embeddedEngine) counters() EngineCounters {
	st := e.Stats()
	return EngineCounters{
		In: st.In, Out: st.Out, Dropped: st.Dropped, Rejected: st.Rejected, Alerts: st.Alerts,
		Lost: st.QueueDropped + st.KernelDropped,
	}
}

// suricataEngine is a Suricata that this program runs.
type suricataEngine struct {
	*suricata.Attachment
	o suricata.Options
}

func (e suricataEngine) test(ctx context.Context) error { return suricata.Test(ctx, e.o) }

func (e suricataEngine) supervise(how string) { e.SetStop(how == config.SuperviseStop) }

// prepare has Suricata itself test the rules.
func (e suricataEngine) prepare(ctx context.Context, files []string) (func(context.Context) error, error) {
	if err := e.Try(ctx, files); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { return e.Reload(ctx, files) }, nil
}

func (e suricataEngine) counters() EngineCounters {
	st := e.Status()
	return EngineCounters{PID: st.PID, Answers: st.Running, Version: st.Version, Restarts: st.Restarts, Rules: st.RulesLoaded, LastError: st.LastError}
}
