// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
)

const (
	backoffMin  = 100 * time.Millisecond
	backoffMax  = 5 * time.Second
	backoffUnix = 500 * time.Millisecond // a try costs next to nothing there
)

// Run dials, runs session and dials again when the connection or the session
// ends, until ctx ends; it returns ctx's error then. The session's ctx ends with
// the connection, whose cause it carries (context.Cause). Between two attempts
// it waits 100 ms, doubling up to 5 s (500 ms for unix:), less a random part; a
// session that held for 5 s starts over at 100 ms. What goes wrong is a warning
// once, and repeated only for debugging.
func Run(ctx context.Context, o Options, session func(context.Context, *Conn) error) error {
	o = o.withDefaults()
	wait, longest := backoffMin, backoffMax
	if strings.HasPrefix(o.Endpoint, "unix:") {
		longest = backoffUnix
	}
	told := ""
	for ctx.Err() == nil {
		start := time.Now()
		err := runOnce(ctx, o, session)
		if ctx.Err() != nil {
			break
		}
		if time.Since(start) >= backoffMax && !errors.Is(err, errDial) {
			wait = backoffMin
		}
		pause := wait/2 + rand.N(wait/2+1)
		level := logrus.WarnLevel
		if told == err.Error() {
			level = logrus.DebugLevel
		}
		told = err.Error()
		o.Log.WithError(err).WithField("endpoint", o.Endpoint).WithField("retry", pause).Log(level, "no OpenFlow session")
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		wait = min(2*wait, longest)
	}
	return ctx.Err()
}

// errDial marks an attempt that never became a session.
var errDial = errors.New("not connected")

// runOnce runs one session to its end.
func runOnce(ctx context.Context, o Options, session func(context.Context, *Conn) error) error {
	c, err := Dial(ctx, o)
	if err != nil {
		return errors.Join(errDial, err)
	}
	defer func() { _ = c.Close() }() // always nil
	sctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stopped := make(chan struct{})
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		select {
		case <-c.Done():
			cancel(c.Err())
		case <-stopped:
		}
	}()
	err = session(sctx, c)
	close(stopped)
	<-watching
	if c.Err() != nil {
		return errors.Join(c.Err(), err)
	}
	return err
}
