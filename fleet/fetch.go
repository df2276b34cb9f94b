// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"ofcontroller/config"
	"ofcontroller/fleet/schema"
)

// fetchRetry is the rest before a rule set is tried again that could not be had.
const fetchRetry = 30 * time.Second

// soundSets tells whether the names and digests of rule sets can be those of files.
func soundSets(sets map[string]string) bool {
	for name, digest := range sets {
		if !config.FleetName(name) || !ourFile.MatchString(name+"-"+digest+".rules") {
			return false
		}
	}
	return true
}

// fetchAll brings the rule sets that are asked for onto the disk, and hands the configuration on when all of them are there,
// until the session ends. Until then the gateway runs what it has.
func (f *Follower) fetchAll(ctx context.Context, s *conn) error {
	for {
		f.mu.Lock()
		c, has := f.wanted, f.ready
		keep := []Config{f.wanted, f.asked, f.inForce}
		f.mu.Unlock()
		if err := f.o.Disk.prune(keep...); err != nil {
			f.o.Log.WithError(err).Warn("rule sets that are not needed stay on disk")
		}
		var retry <-chan time.Time
		if !has {
			err := f.fetch(ctx, s, c)
			var lost *lostError
			switch {
			case errors.As(err, &lost):
				return lost.error
			case err != nil:
				f.unready(c, err)
				retry = time.After(fetchRetry)
			default:
				f.hand(c)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.sets:
		case <-retry:
		}
	}
}

// lostError ends a session.
type lostError struct{ error }

// fetch brings the rule sets of a configuration onto the disk that are not there.
func (f *Follower) fetch(ctx context.Context, s *conn, c Config) error {
	for _, name := range slices.Sorted(maps.Keys(c.RuleSets)) {
		digest := c.RuleSets[name]
		if f.o.Disk.holds(name, digest) == nil {
			continue
		}
		if err := f.o.Disk.keep(name, digest, &chunks{ctx: ctx, c: s, digest: digest}); err != nil {
			return fmt.Errorf("rule set %s: %w", name, err)
		}
		f.o.Log.WithField("rules", name).WithField("sha256", digest).Info("rule set of the fleet fetched")
	}
	return nil
}

// unready notes why a configuration is not handed on, if it is still the one that is wanted.
func (f *Follower) unready(c Config, err error) {
	f.mu.Lock()
	wanted := f.wanted.Digest == c.Digest && f.wanted.Cfg == c.Cfg
	if wanted {
		f.fault = bounded(err.Error())
	}
	f.mu.Unlock()
	if wanted {
		f.Refused(err, false)
	}
}

// hand hands a configuration on, if it is still the one that is wanted.
func (f *Follower) hand(c Config) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.wanted.Digest != c.Digest || f.wanted.Cfg != c.Cfg {
		return
	}
	f.asked, f.ready, f.fault = c, true, ""
	wake(f.changed)
}

// chunks reads the rows of a rule set, one after the other.
type chunks struct {
	ctx    context.Context
	c      *conn
	digest string
	next   int
	rest   string
}

func (r *chunks) Read(p []byte) (int, error) {
	for r.rest == "" {
		ctx, cancel := context.WithTimeout(r.ctx, 2*r.c.patience.Limit())
		result, err := r.c.Commit(ctx, []ovsdb.Operation{{
			Op: ovsdb.OperationSelect, Table: schema.RuleChunkTable, Columns: []string{"text"},
			Where: []ovsdb.Condition{is("digest", r.digest), is("position", r.next)},
		}})
		cancel()
		if err != nil {
			return 0, &lostError{fmt.Errorf("read rules: %w", err)}
		}
		if len(result[0].Rows) == 0 {
			return 0, io.EOF
		}
		r.rest, _ = result[0].Rows[0]["text"].(string)
		r.next++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
