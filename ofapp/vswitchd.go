// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ofcontroller/config"
	"ofcontroller/ofapp/control"
)

// askSwitch runs a command of ovs-vswitchd's own control socket, as ovs-appctl
// does.
func (a *App) askSwitch(ctx context.Context, command string, args ...string) (string, error) {
	socket, err := switchSocket(a.config())
	if err != nil {
		return "", err
	}
	text, err := control.Ask(ctx, socket, command, args...)
	if err != nil {
		return "", fmt.Errorf("%s of ovs-vswitchd on %s: %w", command, socket, err)
	}
	return text, nil
}

// runDir is the directory with the sockets of Open vSwitch's daemons on this
// machine, the one of the database's socket; "" where there is none.
func runDir(cfg *config.Config) string {
	for _, endpoint := range []string{cfg.OVSDB, cfg.OpenFlowEndpoint()} {
		if path, ok := strings.CutPrefix(endpoint, "unix:"); ok {
			return filepath.Dir(path)
		}
	}
	return ""
}

// daemonName is the name by which ovs-appctl finds this program.
const daemonName = "ofcontroller"

// nameSocket has `ovs-appctl -t ofcontroller` find the control socket, until the
// function that it returns is called. Without that the gateway runs as well.
func (a *App) nameSocket() (unname func()) {
	dir := runDir(a.cfg)
	if dir == "" {
		return func() {}
	}
	unname, err := control.Name(dir, daemonName, a.cfg.Control)
	if err != nil {
		a.log.WithError(err).Infof("ovs-appctl -t %s does not find this program; ovs-appctl -t %s does", daemonName, a.cfg.Control)
		return func() {}
	}
	return unname
}

// switchSocket finds ovs-vswitchd's control socket: it lies in the directory of
// the database's socket, and its name has the number from the pidfile there
// (ovs-appctl(8), --target). ovs-vswitchd.ctl is the name where --unixctl says so.
func switchSocket(cfg *config.Config) (string, error) {
	dir := runDir(cfg)
	if dir == "" {
		return "", errors.New("ovs-vswitchd is not on this machine (neither ovsdb nor openflow is a unix: endpoint): its control socket can't be reached")
	}
	const name = "ovs-vswitchd"
	pid, err := readPID(filepath.Join(dir, name+".pid"))
	if err != nil {
		return "", fmt.Errorf("control socket of ovs-vswitchd (is it running?): %w", err)
	}
	for _, socket := range []string{fmt.Sprintf("%s.%d.ctl", name, pid), name + ".ctl"} {
		path := filepath.Join(dir, socket)
		if st, err := os.Stat(path); err == nil && st.Mode()&os.ModeSocket != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("control socket of ovs-vswitchd: there is no %s.%d.ctl in %s", name, pid, dir)
}

// readPID reads a pidfile, a number in a line.
func readPID(path string) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 32))
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid <= 0 {
		return 0, fmt.Errorf("%s holds %q, not the number of a process", path, b)
	}
	return pid, nil
}
