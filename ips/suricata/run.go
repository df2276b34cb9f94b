// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ofcontroller/ips/link"
)

// Intervals at which Run looks at links and memory, and asks a Suricata that
// starts whether it is there.
const (
	lookInterval = 500 * time.Millisecond
	askInterval  = 20 * time.Millisecond
	adoptTimeout = 5 * time.Second
)

// Run makes or adopts both veth pairs and keeps a Suricata between them until
// ctx ends, then leaves it or stops it (Options.Stop, SetStop) and returns nil; the pairs
// stay. Links that go away are made again and a Suricata that ends is started
// again, with back-off. Rules that Suricata refuses are tried again, and reload
// tries others. It returns an error only for what does not mend itself: a link
// of our name that is not ours, missing privileges, a run directory that is in
// use. It works in the network namespace of its calling thread.
func (a *Attachment) Run(ctx context.Context) error {
	if !a.running.CompareAndSwap(false, true) {
		return fmt.Errorf("suricata attachment %s runs already", a.o.Name)
	}
	defer a.running.Store(false)
	if err := a.run(ctx); err != nil {
		return fmt.Errorf("suricata attachment %s: %w", a.o.Name, err)
	}
	return nil
}

func (a *Attachment) run(ctx context.Context) error {
	lock, err := a.lockDir()
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	events, err := a.listen()
	if err != nil {
		return err
	}
	a.logs = &follower{path: a.path(logFile), log: a.log, offset: a.logOffset()}
	following, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { a.receive(events) })
	wg.Go(func() { a.logs.run(following) })
	err = a.supervise(ctx)
	a.ends.Wait()
	stop()
	_ = events.Close()
	wg.Wait()
	_ = os.Remove(a.path(eventSocket))
	a.noteLog(a.logs.offset)
	return err
}

// logOffset is how much of the log the Attachment before this had read.
func (a *Attachment) logOffset() int64 {
	b, err := os.ReadFile(a.path(offsetFile))
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// noteLog keeps what was read of the log for the next Attachment.
func (a *Attachment) noteLog(offset int64) {
	if err := writeFile(a.path(offsetFile), strconv.AppendInt(nil, offset, 10)); err != nil {
		a.log.WithError(err).Warn("place in the log could not be noted")
	}
}

// lasting tells whether an error stays until somebody mends its cause.
func lasting(err error) bool { return errors.Is(err, ErrNotOurs) || errors.Is(err, os.ErrPermission) }

// supervise is session after session.
func (a *Attachment) supervise(ctx context.Context) error {
	wait := backoffMin
	for {
		began := time.Now()
		err := a.session(ctx)
		a.update(func(s *Status) { s.PID, s.Running, s.Adopted, s.Since = 0, false, false, time.Time{} })
		switch {
		case ctx.Err() != nil:
			return nil
		case lasting(err):
			return err
		case errors.Is(err, errRestart):
			a.log.WithError(err).Info("starting Suricata again")
			continue
		}
		a.update(func(s *Status) { s.LastError = err.Error() })
		if time.Since(began) > backoffReset {
			wait = backoffMin
		}
		a.log.WithError(err).WithField("retry_in", wait).Warn("Suricata does not run; trying again")
		select {
		case <-ctx.Done():
			return nil
		case <-a.changed: // other rules, maybe better ones
		case <-time.After(wait):
		}
		wait = min(2*wait, backoffMax)
	}
}

// session has the links, and Suricata between them until it ends or must be
// started anew. All that depends on the network namespace happens in this
// goroutine.
func (a *Attachment) session(ctx context.Context) error {
	mtu := a.linkMTU()
	index, err := a.ensureLinks(mtu)
	a.ready.Store(err == nil)
	if err != nil {
		return err
	}
	p, err := a.begin(ctx, mtu, index)
	if err != nil {
		return err
	}
	err = a.watch(ctx, p, index)
	select {
	case <-p.exited:
		p.release()
	default:
		if ctx.Err() != nil && !a.stop.Load() {
			p.release()
		} else {
			p.stop()
		}
	}
	return err
}

// ensureLinks gives the indices of the engine's ends.
func (a *Attachment) ensureLinks(mtu int) (index [2]int, err error) {
	for i, p := range a.pairs {
		// Suricata's sends go through the classifier.
		minor, err := p.Ensure(mtu, link.In)
		if minor != nil {
			a.log.WithError(minor).Warn("port is not shut off from the host's own network stack")
		}
		if err != nil {
			return index, err
		}
		_, peer, err := p.Find()
		if err != nil {
			return index, err
		}
		if peer == nil {
			return index, fmt.Errorf("link %s: %w", p.Peer, unix.ENODEV)
		}
		index[i] = peer.Attrs().Index
	}
	return index, nil
}

// lookAtLinks mends links that are down or have another MTU, and asks for a new
// session for links that were made anew.
func (a *Attachment) lookAtLinks(index [2]int) error {
	mtu := a.linkMTU()
	for i, p := range a.pairs {
		port, peer, err := p.Find()
		switch {
		case err != nil:
			return err
		case port == nil || peer.Attrs().Index != index[i]:
			a.ready.Store(false)
			return fmt.Errorf("links %s, %s are new: %w", p.Port, p.Peer, errRestart)
		case !inForm(port, mtu) || !inForm(peer, mtu):
			if _, err := p.Ensure(mtu, link.In); err != nil {
				return err
			}
		}
	}
	return nil
}

func inForm(l netlink.Link, mtu int) bool {
	return l.Attrs().RawFlags&unix.IFF_UP != 0 && l.Attrs().MTU == mtu
}

// watch waits until the process ends, ctx ends, or the process no longer fits.
func (a *Attachment) watch(ctx context.Context, p *process, index [2]int) error {
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.exited:
			return a.ended(p)
		case <-a.changed:
			if want := a.linkMTU() + frameOverMTU; want > a.packetSize {
				return fmt.Errorf("frames of %d bytes: %w", want, errRestart)
			}
		case <-tick.C:
			if err := a.lookAtMemory(p); err != nil {
				return err
			}
			a.askAgain(ctx, p)
		}
		if err := a.lookAtLinks(index); err != nil {
			return err
		}
	}
}

// ended tells how a process ended, and its last words.
func (a *Attachment) ended(p *process) error {
	if last := a.logs.ended(); last != "" {
		return fmt.Errorf("suricata %s: %s", p.status, last)
	}
	return fmt.Errorf("suricata %s", p.status)
}

// askAgain asks an adopted Suricata that has not answered yet.
func (a *Attachment) askAgain(ctx context.Context, p *process) {
	if a.isRunning() || a.await(ctx, p, 0) != nil || a.acquire(ctx) != nil {
		return
	}
	defer a.releaseConf()
	a.catchUp(ctx)
}

func (a *Attachment) lookAtMemory(p *process) error {
	if n := resident(p.pid); n > a.memoryMax {
		return fmt.Errorf("suricata has %d bytes of memory, %d are its bound", n, a.memoryMax)
	}
	return nil
}

// began notes a process that was started or adopted.
func (a *Attachment) began(p *process, adopted bool) {
	a.update(func(s *Status) {
		s.PID, s.Since, s.Adopted, s.Running = p.pid, p.since, adopted, false
		if a.had {
			s.Restarts++
		}
	})
	a.had = true
	a.ends.Go(func() {
		<-p.exited
		if p.status != "" && a.o.OnEnd != nil {
			a.o.OnEnd("suricata " + p.status)
		}
	})
	a.log.WithFields(logrus.Fields{"pid": p.pid, "adopted": adopted}).Info("Suricata has its links")
}
