// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// startTimeout bounds the wait for a daemon's socket.
const startTimeout = 20 * time.Second

// pollInterval is how often a condition that nobody announces is looked at.
const pollInterval = 2 * time.Millisecond

// StartDB starts ovsdb-server on the database file that is there.
func (e *Env) StartDB() error { return e.startDB(context.Background()) }

// StopDB stops ovsdb-server. The database file stays, and so do the switch and
// its flows.
func (e *Env) StopDB() error {
	err := e.db.stop(stopGrace)
	e.db = nil
	return err
}

// StartSwitch starts ovs-vswitchd and returns once it has set up what the
// database holds. It needs the database server. LOCAL devices are new ones after
// it, so [Env.LocalPort] must be called again.
func (e *Env) StartSwitch() error { return e.startSwitch(context.Background()) }

// LaunchSwitch starts ovs-vswitchd and does not wait for anything: the database
// server may come later.
func (e *Env) LaunchSwitch() error {
	if e.vswitchd.running() {
		return errors.New("ovs-vswitchd is running")
	}
	args := []string{e.DB()}
	if e.datapath == "netdev" {
		args = append(args, "--disable-system") // do not look for the kernel's datapath
	}
	argv := slices.Concat(e.under, []string{e.tools.vswitchd}, args)
	vswitchd, err := e.startDaemon("ovs-vswitchd", argv[0], argv[1:]...)
	if err != nil {
		return err
	}
	e.vswitchd = vswitchd
	return nil
}

// StopSwitch stops ovs-vswitchd in an orderly way. The database keeps bridges and
// ports; flows are lost.
func (e *Env) StopSwitch() error {
	err := e.vswitchd.stop(stopGrace)
	e.vswitchd = nil
	return err
}

// KillSwitch ends ovs-vswitchd by SIGKILL, as a crash would.
func (e *Env) KillSwitch() {
	e.vswitchd.kill()
	e.vswitchd = nil
}

// AddBridge makes a bridge of the environment's datapath type with a MAC address
// of its own, which therefore does not change as ports come and go. Like any
// new bridge it forwards as an ordinary switch until a controller takes it.
func (e *Env) AddBridge(name string) error {
	err := e.change(
		insert("Interface", "iface", row{"name": name, "type": "internal"}),
		insert("Port", "port", row{"name": name, "interfaces": named("iface")}),
		insert("Bridge", "bridge", row{
			"name": name, "datapath_type": e.datapath, "ports": named("port"), "other_config": ovsMap("hwaddr", macFor(e.name, name).String()),
		}),
		mutate("Open_vSwitch", "", "bridges", "insert", named("bridge")),
	)
	if err != nil {
		return fmt.Errorf("add bridge %s: %w", name, err)
	}
	return nil
}

func (e *Env) dbFile() string       { return filepath.Join(e.dir, "conf.db") }
func (e *Env) switchSocket() string { return filepath.Join(e.dir, "ovs-vswitchd.ctl") }

func (e *Env) startDB(ctx context.Context) error {
	if e.db.running() {
		return errors.New("ovsdb-server is running")
	}
	db, err := e.startDaemon("ovsdb-server", e.tools.ovsdbServer, e.dbFile(), "--remote=p"+e.DB())
	if err != nil {
		return err
	}
	e.db = db
	return e.awaitSocket(ctx, db, e.dbSocket())
}

func (e *Env) startSwitch(ctx context.Context) error {
	if err := e.LaunchSwitch(); err != nil {
		return err
	}
	vswitchd := e.vswitchd
	if err := e.awaitSocket(ctx, vswitchd, e.switchSocket()); err != nil {
		return err
	}
	version, err := e.switchVersion()
	if err != nil {
		return err
	}
	return e.change(op{"op": "update", "table": "Open_vSwitch", "where": []any{}, "row": row{"ovs_version": version}})
}

// switchVersion is the release, such as 3.1.0, which ovs-ctl(8) would write into
// the database.
func (e *Env) switchVersion() (string, error) {
	text, err := e.Appctl("version")
	if err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(text, "\n")
	_, version, ok := cutLast(first, " ")
	if !ok {
		return "", fmt.Errorf("version of the switch: %q", text)
	}
	return version, nil
}

// startDaemon starts an Open vSwitch daemon in the foreground, which makes it our
// child. Its log is <dir>/<name>.log.
func (e *Env) startDaemon(name, path string, args ...string) (*process, error) {
	file := func(ext string) string { return filepath.Join(e.dir, name+ext) }
	if err := os.Remove(file(".ctl")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	args = append(args, "--no-chdir", "--pidfile="+file(".pid"), "--unixctl="+file(".ctl"),
		"--log-file="+file(".log"), "-vconsole:off", "-vsyslog:off", "-vfile:info")
	cmd := e.commandIn(context.Background(), e.ns, path, args...)
	return e.starter.start(name, cmd)
}

// awaitSocket waits until a daemon accepts connections, and says why if it ends
// instead.
func (e *Env) awaitSocket(ctx context.Context, p *process, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, Scaled(startTimeout))
	defer cancel()
	var dialer net.Dialer
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		conn, err := dialer.DialContext(ctx, "unix", socket)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("%s ended: %w: %s", p.name, endReason(p), e.logTail(p.name))
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen on %s: %w: %s", p.name, socket, ctx.Err(), e.logTail(p.name))
		}
	}
}

func endReason(p *process) error {
	if p.err == nil {
		return errors.New("exit status 0")
	}
	return p.err
}

// logTail is the end of a daemon's log, for error messages.
func (e *Env) logTail(name string) string {
	text, err := os.ReadFile(filepath.Join(e.dir, name+".log"))
	if err != nil {
		return err.Error()
	}
	const lines = 20
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// macFor derives a locally administered unicast address from names, so that runs
// are alike and two devices never share one.
func macFor(names ...string) net.HardwareAddr {
	sum := sha256.Sum256([]byte(strings.Join(names, "\x00")))
	return net.HardwareAddr{0x02, sum[0], sum[1], sum[2], sum[3], sum[4]}
}

// SignalSwitch sends ovs-vswitchd a signal, such as SIGSTOP.
func (e *Env) SignalSwitch(sig os.Signal) error { return e.vswitchd.signal(sig) }

// SwitchPID is the process id of ovs-vswitchd.
func (e *Env) SwitchPID() int { return e.vswitchd.cmd.Process.Pid }
