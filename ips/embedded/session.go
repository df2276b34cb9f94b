// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"context"
	"errors"
	"os"
	"sync"

	"github.com/sirupsen/logrus"

	"ofcontroller/ips/afpacket"
	"ofcontroller/ips/link"
)

// errReopen asks for another session at once.
var errReopen = errors.New("sockets need another size")

// lasting tells whether an error stays until somebody mends its cause.
func lasting(err error) bool { return errors.Is(err, ErrNotOurs) || errors.Is(err, os.ErrPermission) }

// session carries frames over one set of sockets until ctx ends, the link goes
// away, or the sockets no longer fit. All that depends on the network namespace
// happens in this goroutine.
func (a *Attachment) session(ctx context.Context) error {
	mtu := a.linkMTU()
	minor, err := a.pair.Ensure(mtu, link.Both)
	if minor != nil {
		a.log.WithError(minor).Warn("port is not shut off from the host's own network stack")
	}
	if err != nil {
		return err
	}
	in, err := afpacket.OpenFanout(a.pair.Peer, a.o.Threads, afpacket.Options{
		Slots: a.o.Queue, MaxBytes: min(ringBytes, allRingBytes/a.o.Threads),
	})
	if err != nil {
		return err
	}
	out, err := afpacket.Open(a.pair.Peer, afpacket.Options{SendOnly: true})
	if err != nil {
		for _, s := range in {
			_ = s.Close()
		}
		return err
	}
	a.sockets.use(append(in[:len(in):len(in)], out))
	defer a.sockets.drop()
	a.log.WithFields(logrus.Fields{"port": a.pair.Port, "mtu": mtu, "workers": len(in)}).Info("embedded engine is on its port")
	return a.work(ctx, in, out, mtu)
}

// work runs the workers and returns when they have ended.
func (a *Attachment) work(ctx context.Context, in []*afpacket.Socket, out *afpacket.Socket, mtu int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	all := make([]*worker, len(in))
	for i, s := range in {
		all[i] = &worker{a: a, socket: s, engine: a.inspector(i), all: all}
	}
	var wg sync.WaitGroup
	for _, w := range all {
		wg.Go(func() { cancel(w.run()) })
	}
	wg.Go(func() {
		a.holder.run(ctx, func(frames [][]byte) { a.send(out, frames) })
	})
	err := a.watch(ctx, mtu)
	cancel(err)
	// Closing wakes the workers.
	for _, s := range in {
		_ = s.Close()
	}
	wg.Wait()
	_ = out.Close()
	return err
}

// inspector gives the engine's worker of a socket, the same one in every
// session: the engine counts its workers for as long as it lives.
func (a *Attachment) inspector(i int) inspector {
	for len(a.inspectors) <= i {
		a.inspectors = append(a.inspectors, a.newInspector())
	}
	return a.inspectors[i]
}

// watch waits for the end of ctx and follows the wanted MTU meanwhile.
func (a *Attachment) watch(ctx context.Context, opened int) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-a.changed:
			mtu := a.linkMTU()
			if mtu > opened {
				return errReopen // the rings have slots for the MTU that they were opened with
			}
			if err := a.pair.SetMTU(mtu); err != nil {
				return err
			}
		}
	}
}

// send gives frames to the link and counts.
func (a *Attachment) send(s *afpacket.Socket, frames [][]byte) {
	if len(frames) == 0 {
		return
	}
	// The error is in the counters: the reader of the same link sees what it
	// means, and a frame that cannot be sent is a frame lost.
	n, _ := s.Send(frames...)
	a.count.out.Add(uint64(n))
	a.count.unsent.Add(uint64(len(frames) - n))
}
