// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"ofcontroller/fleet/schema"
)

// Times of a gateway's status.
const (
	reportEvery = 30 * time.Second // one that says nothing new is written so often, in a fleet that is not large
	reportRest  = time.Second      // between two writes
)

// reportRate is how many statuses a fleet writes in a second, whatever its size and however many have something to tell at
// once. A cluster carries out one transaction after the other; those that come by way of different servers at once are
// refused and tried again by these, all but one, and everybody's blocks wait meanwhile.
const reportRate = 33

// spread is the time over which a fleet of so many hosts writes its statuses.
func spread(hosts int) time.Duration { return time.Duration(hosts) * time.Second / reportRate }

// reportPeriod is the time between two statuses of a host that say nothing new.
func reportPeriod(hosts int) time.Duration { return max(reportEvery, 3*spread(hosts)) }

// tellAll writes the status row when there is something to tell, at a moment of chance.
func (f *Follower) tellAll(ctx context.Context, s *conn) error {
	for {
		hosts := fleetSize(s)
		if err := rest(ctx, rand.N(spread(hosts)+time.Millisecond)); err != nil {
			return err
		}
		if err := f.write(ctx, s); err != nil {
			return err
		}
		if err := rest(ctx, reportRest); err != nil { // bounds the rate
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.report:
		case <-time.After(reportPeriod(hosts)):
		}
	}
}

// fleetSize is how many hosts the database says that the fleet has.
func fleetSize(s *conn) (hosts int) {
	each(s, func(row *schema.Fleet) { hosts = min(max(row.Hosts, 0), maxHosts) })
	return hosts
}

// maxHosts bounds what a database can make a gateway believe of the size of its fleet.
const maxHosts = 100_000

// write writes the status row, and makes it when it is not there. The row is not watched: a server would go through the
// conditions of all its gateways for each status that one of them writes.
func (f *Follower) write(ctx context.Context, s *conn) error {
	f.mu.Lock()
	row := f.tell
	f.mu.Unlock()
	if row.State == "" {
		return nil // nothing is known yet
	}
	row.Reported = int(f.o.Wall().Unix())
	columns, err := s.row(&row, &row.CurCfg, &row.Digest, &row.Source, &row.State, &row.Error, &row.Overridden, &row.Converged,
		&row.Problems, &row.Attachments, &row.Versions, &row.Counters, &row.Reported)
	if err != nil {
		return err
	}
	changed, err := f.commit(ctx, s, []ovsdb.Operation{{
		Op: ovsdb.OperationUpdate, Table: schema.HostStatusTable, Where: []ovsdb.Condition{is("name", row.Name)}, Row: columns,
	}})
	if err == nil && changed[0].Count == 0 {
		todo := batch{c: s}
		if todo.tell(&row); todo.err != nil {
			return todo.err
		}
		_, err = f.commit(ctx, s, todo.ops)
	}
	if err != nil {
		return fmt.Errorf("write the status of host %s: %w", row.Name, err)
	}
	return nil
}

// commit writes, with the patience that writes take of late.
func (f *Follower) commit(ctx context.Context, s *conn, ops []ovsdb.Operation) ([]ovsdb.OperationResult, error) {
	ctx, cancel := context.WithTimeout(ctx, f.writes.Limit())
	defer cancel()
	began := time.Now()
	results, err := s.Commit(ctx, ops)
	switch {
	case err == nil:
		f.writes.Took(time.Since(began))
	case ctx.Err() != nil:
		f.writes.RanOut()
	}
	return results, err
}
