// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"ofcontroller/config"
	"ofcontroller/fleet"
	"ofcontroller/ofapp"
	"ofcontroller/ovsdb"
)

// member is this gateway's part in its fleet.
type member struct {
	cmd      *cobra.Command
	log      *logrus.Logger
	follower *fleet.Follower
	disk     fleet.Disk
	source   string // of what the gateway starts with

	mu         sync.Mutex
	started    fleet.Config
	overridden []string // as read last
}

// joinFleet begins to follow the fleet that the configuration file names, until ctx ends; nil when it names none, or is at
// fault.
func joinFleet(ctx context.Context, cmd *cobra.Command, log *logrus.Logger) (*member, error) {
	file, text, err := configFile(cmd)
	if err != nil {
		return nil, err
	}
	c, err := config.LoadFleet(file, text, cmd.Flags())
	if err != nil || !c.Fleet.Follows() {
		return nil, nil //nolint:nilerr // the file is read as a whole next, and its faults are told then
	}
	server := fleet.Server{Endpoints: c.Fleet.Endpoints, Log: log.WithField("subject", "fleet")}
	if c.TLS != (config.TLS{}) {
		if server.TLS, err = ovsdb.TLSConfig(c.TLS.Certificate, c.TLS.PrivateKey, c.TLS.CA); err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
	}
	setLog(log, c.Log)
	disk := fleet.Disk{Directory: c.Fleet.Directory}
	m := &member{
		cmd: cmd, log: log, disk: disk, source: fleet.SourceDisk,
		follower: fleet.NewFollower(fleet.FollowerOptions{Server: server, Name: c.Fleet.Name, Disk: disk, Log: server.Log}),
	}
	go func() { _ = m.follower.Run(ctx) }() // it ends with ctx alone
	return m, nil
}

// first waits for a configuration that the gateway can begin with. why says why it has none.
func (m *member) first(ctx context.Context, why error) ([]loaded, error) {
	m.log.WithError(why).Warn("the gateway waits for the fleet to tell it its configuration")
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-m.follower.Changed():
		}
		asked, _ := m.follower.Asked()
		l, err := m.over(asked)
		if err == nil {
			m.source = fleet.SourceFleet
			return []loaded{l}, nil
		}
		m.follower.Refused(err, false)
		m.log.WithError(err).WithField("cfg", asked.Cfg).Error("what the fleet asks for is at fault; the gateway waits for another configuration")
	}
}

// over loads the configuration file over what the fleet asks for.
func (m *member) over(asked fleet.Config) (loaded, error) {
	file, text, err := configFile(m.cmd)
	if err != nil {
		return loaded{}, err
	}
	return loadOver(m.cmd, file, text, m.disk, asked)
}

// asked is what the fleet asks for, or what the gateway was started with when it has not said anything yet.
func (m *member) asked() fleet.Config {
	if asked, ok := m.follower.Asked(); ok {
		return asked
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.started
}

// load is Options.Load of a gateway in a fleet.
func (m *member) load() (*config.Config, error) {
	l, err := m.over(m.asked())
	if err == nil {
		m.mu.Lock()
		m.overridden = l.overridden
		m.mu.Unlock()
	}
	return l.config, err
}

// join makes the options of a gateway that starts with l those of one in a fleet.
func (m *member) join(o *ofapp.Options, l loaded) {
	m.mu.Lock()
	m.started, m.overridden = l.from, l.overridden
	m.mu.Unlock()
	o.Load = m.load
	o.Parse = func(file string, text []byte) (*config.Config, error) {
		l, err := loadOver(m.cmd, file, text, m.disk, m.asked())
		return l.config, err
	}
	o.Fleet = &ofapp.Following{
		Follower: m.follower, Disk: m.disk, Started: l.from, Source: m.source,
		Overridden: func() []string {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.overridden
		},
	}
}
