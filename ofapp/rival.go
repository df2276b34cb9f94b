// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ofcontroller/config"
	"ofcontroller/ovsdb"
)

// claim holds the bridge for this process, by an abstract name of unix(7): it is
// this network namespace's alone and goes with the process, however that ends.
// Two programs that steer one bridge would undo each other's flows for ever.
func claim(cfg *config.Config) (release func(), err error) {
	name := "@ofcontroller " + cfg.OVSDB + " " + cfg.Bridge.Name
	const room = 107 // bytes in sockaddr_un besides the leading zero
	l, err := net.Listen("unix", name[:min(len(name), room)])
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, fmt.Errorf("bridge %s: another ofcontroller steers it already; end that one first", cfg.Bridge.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("bridge %s: %w", cfg.Bridge.Name, err)
	}
	return func() { l.Close() }, nil
}

// A rival is somebody who keeps changing our flows: so many repairs, none longer
// after the one before than the pause.
const (
	rivalRepairs = 3
	rivalPause   = 10 * time.Second
)

// rival counts repairs that follow each other closely.
type rival struct {
	repairs int
	last    time.Time
}

func (r *rival) repaired(now time.Time) {
	if now.Sub(r.last) > rivalPause {
		r.repairs = 0
	}
	r.repairs++
	r.last = now
}

// rivals names who else seems to steer the bridge.
func rivals(br *ovsdb.Bridge, r rival, now time.Time) []string {
	var out []string
	if br != nil && len(br.Controllers) > 0 {
		out = append(out, fmt.Sprintf("bridge %s has controllers of its own, %s, which may change flows: ovs-vsctl del-controller %s",
			br.Name, strings.Join(br.Controllers, ", "), br.Name))
	}
	if r.repairs >= rivalRepairs && now.Sub(r.last) <= rivalPause {
		out = append(out, fmt.Sprintf("somebody keeps changing the flows: put right %d times in a row; does another program steer the bridge?", r.repairs))
	}
	return out
}
