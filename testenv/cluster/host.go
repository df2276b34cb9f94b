// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"maps"
	"net/netip"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"ofcontroller/config"
	"ofcontroller/fleet"
	"ofcontroller/flows"
	"ofcontroller/ofapp"
)

// reportEvery is how often a gateway looks at what is to be told of it.
const reportEvery = 500 * time.Millisecond

// Host follows a fleet as a gateway does: it takes what is asked for, tells how it is, and shares blocks. In the place of
// the switch it has a record of the flows.
type Host struct {
	*fleet.Follower
	name string
	file string // its own configuration file, below which the fleet's lies
	news func(Event)
	log  logrus.FieldLogger

	mu      sync.Mutex
	cfg     int
	preview ofapp.Preview            // of the configuration
	blocks  map[string][2]flows.Flow // by ID
}

// Event is something that a host has done.
type Event struct {
	Host string
	At   time.Time
	Cfg  int    // this configuration is in force
	End  string // or this connection, known by its source, is dropped
}

// NewHost makes a host with a wall clock that calls news, from several goroutines.
func NewHost(server fleet.Server, name, file string, wall func() time.Time, news func(Event)) *Host {
	f := fleet.NewFollower(fleet.FollowerOptions{Server: server, Name: name, Wall: wall, Log: server.Log})
	return &Host{Follower: f, name: name, file: file, news: news, log: server.Log, blocks: map[string][2]flows.Flow{}}
}

// Run follows until ctx ends.
func (h *Host) Run(ctx context.Context) error {
	var parts sync.WaitGroup
	parts.Go(func() { h.work(ctx) })
	err := h.Follower.Run(ctx)
	parts.Wait()
	return err
}

func (h *Host) work(ctx context.Context) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.Changed():
			h.take()
		case <-h.Told():
			h.block()
		case <-tick.C:
			h.report()
		}
	}
}

// take makes flows of what the fleet asks for.
func (h *Host) take() {
	asked, _ := h.Asked()
	c, overridden, err := config.LoadOver(h.name+".yaml", []byte(h.file), nil, asked.Layers)
	if err != nil {
		h.log.WithError(err).WithField("host", h.name).Error("the fleet asks for what is at fault")
		h.Refused(err, false)
		return
	}
	p := ofapp.NewPreview(c)
	h.mu.Lock()
	h.cfg, h.preview = asked.Cfg, p
	h.mu.Unlock()
	h.Taken(asked, overridden, fleet.SourceFleet)
	h.Share(c.Inspection.Offload.Share)
	h.news(Event{Host: h.name, At: time.Now(), Cfg: asked.Cfg})
}

// block makes flows of the blocks of others, and forgets those that are gone.
func (h *Host) block() {
	others, _ := h.Blocks()
	h.mu.Lock()
	defer h.mu.Unlock()
	there := map[string]bool{}
	var fresh []fleet.Block
	var connections []flows.Connection
	for _, b := range others {
		there[b.ID] = true
		if _, ok := h.blocks[b.ID]; !ok {
			fresh, connections = append(fresh, b), append(connections, flows.Connection(b.Connection))
		}
	}
	maps.DeleteFunc(h.blocks, func(id string, _ [2]flows.Flow) bool { return !there[id] })
	for i, yes := range h.preview.Gateway.Inspected(connections) {
		if b := fresh[i]; yes {
			o := flows.Offload{Connection: connections[i], Verdict: flows.BlockConnection, SID: b.SID, Seconds: uint16(b.For / time.Second)}
			h.blocks[b.ID] = o.Flows()
			h.news(Event{Host: h.name, At: time.Now(), End: b.Src.String()})
		}
	}
}

// report tells what a gateway that is well would.
func (h *Host) report() {
	h.mu.Lock()
	n, blocked := len(h.preview.Flows), len(h.blocks)
	h.mu.Unlock()
	h.Report(fleet.Report{
		Converged: true, Attachments: map[string]string{"builtin": "up"},
		Versions: map[string]string{"ofcontroller": "0", "openvswitch": "0"},
		Counters: map[string]int{"flows": n, "blocked": blocked},
	})
}

// Cfg is the sequence number of the configuration in force.
func (h *Host) Cfg() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cfg
}

// Drops tells whether the host has flows that drop a connection, known by its source.
func (h *Host) Drops(end string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.blocks {
		if netip.AddrPortFrom(f[0].Match.IPSrc.Addr(), f[0].Match.L4Src).String() == end {
			return true
		}
	}
	return false
}
