// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ofcontroller/fleet"
)

// Following joins a gateway with its fleet. What the fleet asks for lies under the configuration file: Options.Load reads
// both.
type Following struct {
	Follower   *fleet.Follower
	Disk       fleet.Disk
	Started    fleet.Config    // what the gateway was started with; no Digest: nothing of the fleet's
	Source     string          // of Started: fleet.SourceFleet or fleet.SourceDisk
	Overridden func() []string // keys that the file sets instead of the fleet, as Load read them last
}

// Times of the gateway's part in a fleet.
const (
	fleetReport = 500 * time.Millisecond // between two looks at what is to be told
	fleetRetry  = 30 * time.Second       // a configuration that was refused is tried again: rule files may be right by now
	fleetKeep   = 5 * time.Second        // one that could not be kept on disk is tried again
)

// followFleet puts what the fleet asks for in force, and tells it how the gateway is, until ctx ends. The data path does not
// depend on it.
func (a *App) followFleet(ctx context.Context) error {
	f := a.o.Fleet.Follower
	started := a.o.Fleet.Started
	if a.o.Fleet.Source == fleet.SourceFleet {
		a.tellFleet(started, nil)
	} else if started.Digest != "" {
		f.Taken(started, a.o.Fleet.Overridden(), fleet.SourceDisk)
	}
	tick, retry, keep := time.NewTicker(fleetReport), time.NewTicker(fleetRetry), time.NewTicker(fleetKeep)
	defer tick.Stop()
	defer retry.Stop()
	defer keep.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.Changed():
			a.takeFleet(ctx, started)
		case <-retry.C:
			if f.State().State == fleet.StateRefused {
				a.takeFleet(ctx, fleet.Config{})
			}
		case <-keep.C:
			if a.unkept.again() {
				a.log.Info("the fleet's configuration is kept on disk now")
			}
		case <-tick.C:
			f.Report(a.fleetReport())
			a.placeMACs()
			if names, ok := f.Drains(); ok {
				a.drainAsFleet(names)
			}
		}
	}
}

// takeFleet puts in force what the fleet asks for, if it is not what the gateway runs.
func (a *App) takeFleet(ctx context.Context, started fleet.Config) {
	asked := a.askedOfFleet()
	f := a.o.Fleet.Follower
	if s := f.State(); asked.Digest == started.Digest && s.Source == fleet.SourceDisk && s.State == fleet.StateApplied {
		a.tellFleet(asked, nil) // what was kept is what is asked for
		return
	}
	if err := a.Reload(ctx); err != nil && ctx.Err() == nil {
		a.log.WithError(err).WithField("cfg", asked.Cfg).Error("the fleet asks for another configuration: not taken, the old one runs on")
	}
}

// askedOfFleet is what the fleet asks for; no Digest: nothing, or there is no fleet.
func (a *App) askedOfFleet() fleet.Config {
	if a.o.Fleet == nil {
		return fleet.Config{}
	}
	asked, _ := a.o.Fleet.Follower.Asked()
	return asked
}

// tellFleet notes what came of what the fleet asks for, and keeps it on disk when it is good.
func (a *App) tellFleet(asked fleet.Config, err error) {
	if asked.Digest == "" {
		return
	}
	f, disk := a.o.Fleet.Follower, a.o.Fleet.Disk
	var restart *restartNeeded
	switch {
	case err == nil:
		err = a.unkept.put(asked, disk.Good)
		f.Taken(asked, a.o.Fleet.Overridden(), fleet.SourceFleet) // once it is kept: what older ones need goes then
	case errors.As(err, &restart):
		f.Refused(err, true)
		err = a.unkept.put(asked, disk.Next)
	default:
		f.Refused(err, false)
		return
	}
	if err != nil {
		a.log.WithError(err).Error("the fleet's configuration is not kept on disk: a start without the fleet takes an older one")
	}
}

// placeMACs tells the fleet which addresses are behind trunk ports, if the configuration says so.
func (a *App) placeMACs() {
	if !a.config().Forwarding.ShareMACs {
		a.o.Fleet.Follower.Place(nil)
	} else if list, ok := a.places.behindTrunks(); ok {
		a.o.Fleet.Follower.Place(list)
	}
}

// fleetState tells how the gateway stands with its fleet; nil without one.
func (a *App) fleetState() *fleet.FollowerState {
	if a.o.Fleet == nil {
		return nil
	}
	s := a.o.Fleet.Follower.State()
	return &s
}

// fleetReport is the status in the fleet's form.
func (a *App) fleetReport() fleet.Report {
	s, _, _ := a.known()
	r := fleet.Report{
		Converged: s.Converged, Problems: slices.Clone(s.Problems),
		Attachments: map[string]string{},
		Versions:    map[string]string{"ofcontroller": s.Version, "openvswitch": s.Switch},
		Counters: map[string]int{
			"flows": s.Flows, "macs": s.MACs, "repairs": int(s.Repairs), "bypassed": s.Offloads.Bypass, "blocked": s.Offloads.Block,
		},
	}
	if p := a.unkept.problem(); p != "" {
		r.Problems = append(r.Problems, p)
	}
	for _, at := range s.Attachments {
		r.Attachments[at.Name] = at.State
		if at.Draining {
			r.Attachments[at.Name] += fleet.Draining
		}
		if at.State == "down" {
			r.Problems = append(r.Problems, fmt.Sprintf("attachment %s is down: %s", at.Name, at.Reason))
		}
	}
	for _, o := range s.Frames.Origins {
		r.Counters["frames_"+o.Origin] = int(o.In)
	}
	return r
}

// fleetText tells a person how the gateway stands with its fleet.
func fleetText(s *fleet.FollowerState) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: configuration %d", s.Name, s.Reached)
	if s.Source == fleet.SourceDisk {
		b.WriteString(", kept on disk")
	}
	if s.State == fleet.StateRefused || s.State == fleet.StateRestart {
		fmt.Fprintf(&b, "; %d is not in force: %s", s.Asked, s.Error)
	}
	if !s.Connected {
		b.WriteString("; no server answers")
	}
	if len(s.Overridden) > 0 {
		fmt.Fprintf(&b, "; the file sets %s itself", strings.Join(s.Overridden, ", "))
	}
	return b.String()
}
