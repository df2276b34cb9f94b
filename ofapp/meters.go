// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"errors"

	"ofcontroller/flows"
	"ofcontroller/openflow"
)

// meterMod encodes a meter.
func meterMod(command uint16, m flows.Meter) openflow.MeterMod {
	return openflow.MeterMod{
		Command: command, ID: m.ID, Flags: openflow.MeterPktps | openflow.MeterBurst | openflow.MeterStats,
		Bands: []openflow.MeterBand{{Rate: m.Rate, Burst: m.Burst}},
	}
}

// withMeters makes the meters that the target's flows refer to, which a bundle
// can't, and gives a target without any for a switch that has none. The error is
// that of the connection.
func (s *syncer) withMeters(ctx context.Context, t *target) (*target, error) {
	err := s.ensureMeters(ctx, t.table.meters)
	if _, refused := errors.AsType[*openflow.ErrorMsg](err); refused {
		s.a.log.WithError(err).Warn("the switch has no meters: what an IPS sends in a probe's place is not limited")
		s.a.setNoMeters()
		return s.want(ctx)
	}
	return t, err
}

func (s *syncer) ensureMeters(ctx context.Context, wanted []flows.Meter) error {
	if s.meters == nil {
		if err := s.lookAtMeters(ctx); err != nil {
			return err
		}
	}
	for _, m := range wanted {
		have, there := s.meters[m.ID]
		if there && have == m {
			continue
		}
		command := openflow.MeterAdd
		if there {
			command = openflow.MeterModify
			if s.quiet {
				s.a.log.WithField("meter", m.ID).Warn("a meter was changed by somebody else and put right")
			}
		}
		if err := s.conn.MeterMod(ctx, meterMod(command, m)); err != nil {
			return err
		}
		s.meters[m.ID] = m
	}
	return nil
}

// lookAtMeters reads which meters there are. One of another form than ours has
// no rate here. A switch that can't tell has none.
func (s *syncer) lookAtMeters(ctx context.Context) error {
	list, err := s.conn.Meters(ctx)
	if _, refused := errors.AsType[*openflow.ErrorMsg](err); err != nil && !refused {
		return err
	}
	s.meters = map[uint32]flows.Meter{}
	for _, have := range list {
		m := flows.Meter{ID: have.ID}
		if len(have.Bands) == 1 {
			m.Rate, m.Burst = have.Bands[0].Rate, have.Bands[0].Burst
		}
		if have.Flags != meterMod(openflow.MeterAdd, m).Flags {
			m.Rate = 0
		}
		s.meters[have.ID] = m
	}
	return nil
}

// setNoMeters has the flows built without meters.
func (a *App) setNoMeters() {
	a.mu.Lock()
	a.view.noMeters = true
	a.mu.Unlock()
	a.changed()
}
