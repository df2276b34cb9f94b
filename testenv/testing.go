// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"context"
	"os"
	"strconv"
	"testing"
	"time"
)

// Option changes what [New] makes.
type Option func(*Options)

// WithBridge makes a bridge at the start.
func WithBridge(name string) Option { return func(o *Options) { o.Bridge = name } }

// WithDatapath chooses the datapath_type.
func WithDatapath(datapath string) Option { return func(o *Options) { o.Datapath = datapath } }

// WithDir keeps database, sockets and logs in a directory of the caller.
func WithDir(dir string) Option { return func(o *Options) { o.Dir = dir } }

// Scaled is a time limit on this machine: TESTENV_TIME_SCALE says how much slower
// it is than usual, 1 by default.
func Scaled(d time.Duration) time.Duration {
	if scale, err := strconv.ParseFloat(os.Getenv("TESTENV_TIME_SCALE"), 64); err == nil && scale > 0 {
		return time.Duration(float64(d) * scale)
	}
	return d
}

// New starts an environment for a test, on the datapath that TESTENV_DATAPATH
// names, and stops it with the test. A machine that
// cannot run a switch fails the test with what is missing. The switch's log is
// shown when the test has failed.
func New(t testing.TB, options ...Option) *Env {
	t.Helper()
	o := Options{Log: t.Logf, Datapath: os.Getenv("TESTENV_DATAPATH")}
	for _, option := range options {
		option(&o)
	}
	ctx, cancel := context.WithTimeout(context.Background(), Scaled(startTimeout))
	defer cancel()
	e, err := Start(ctx, o)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("end of the switch's log:\n%s", e.logTail("ovs-vswitchd"))
		}
		e.Stop()
	})
	return e
}

// VsctlT is [Env.Vsctl] that fails the test.
func (e *Env) VsctlT(t testing.TB, args ...string) string {
	t.Helper()
	return must(t)(e.Vsctl(args...))
}

// OfctlT is [Env.Ofctl] that fails the test.
func (e *Env) OfctlT(t testing.TB, args ...string) string {
	t.Helper()
	return must(t)(e.Ofctl(args...))
}

// AppctlT is [Env.Appctl] that fails the test.
func (e *Env) AppctlT(t testing.TB, args ...string) string {
	t.Helper()
	return must(t)(e.Appctl(args...))
}

func must(t testing.TB) func(string, error) string {
	return func(out string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatalf("testenv: %v", err)
		}
		return out
	}
}
