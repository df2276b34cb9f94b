// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	// MTU of every veth and LOCAL device, in bytes: room for a 1,900-byte frame
	// with two tags of its own and the carrier.
	MTU = 2048

	toolTimeout = 10 * time.Second

	// maxSocketPath is the length of sun_path without its final zero (unix(7)).
	maxSocketPath = 107
)

// Options says what kind of environment [Start] makes. The zero value is good.
type Options struct {
	// Dir takes the database, sockets and logs; [Env.Stop] then leaves it in
	// place. "" is a temporary directory that goes with the environment.
	Dir string
	// Log receives progress and faults; nil drops them.
	Log func(format string, args ...any)
	// Datapath is the datapath_type of bridges made here: "netdev" (also "") for
	// the userspace datapath, "system" where the kernel has the openvswitch module.
	Datapath string
	// Bridge is made at the start; "" makes none.
	Bridge string
	// Under is a program with its arguments that runs ovs-vswitchd, such as
	// valgrind(1). It must become the process that it was started as.
	Under []string
}

// Env is one running switch with everything around it. Its methods may be called
// from several goroutines, except that starting and stopping daemons needs one
// caller at a time.
type Env struct {
	name     string
	dir      string
	ownDir   bool
	datapath string
	under    []string
	log      func(format string, args ...any)
	tools    toolPaths

	ns, wire *namespace
	starter  *starter
	warden   *warden
	db       *process
	vswitchd *process
	opaque   bool // see [Env.Opaque]; under mu

	mu          sync.Mutex
	ports       []*Port
	hosts       []*Host
	controllers []*Controller
	hostCount   int
	ctlCount    int
	stopped     bool
}

// Start starts an environment: namespaces, ovsdb-server, ovs-vswitchd and, if
// asked for, a bridge. ctx bounds the start only. [*PrerequisiteError] says what
// the machine lacks.
func Start(ctx context.Context, o Options) (*Env, error) {
	tools, err := prerequisites()
	if err != nil {
		return nil, err
	}
	e := &Env{datapath: o.Datapath, under: o.Under, log: o.Log, tools: tools}
	if e.log == nil {
		e.log = func(string, ...any) {}
	}
	switch e.datapath {
	case "":
		e.datapath = "netdev"
	case "netdev", "system":
	default:
		return nil, fmt.Errorf("datapath %q: want netdev or system", o.Datapath)
	}
	if err := reap(); err != nil {
		e.log("testenv: %v", err)
	}
	if e.name, err = uniqueName(); err != nil {
		return nil, err
	}
	if err := e.start(ctx, o); err != nil {
		e.Stop()
		return nil, fmt.Errorf("start test switch: %w", err)
	}
	return e, nil
}

func (e *Env) start(ctx context.Context, o Options) error {
	e.starter = newStarter()
	if err := e.makeDir(o.Dir); err != nil {
		return err
	}
	var err error
	owned := ""
	if e.ownDir {
		owned = e.dir
	}
	if e.warden, err = startWarden(e.name, owned); err != nil {
		return err
	}
	if e.ns, err = newNamespace(e.name); err != nil {
		return err
	}
	if e.wire, err = newNamespace(e.name + "-wire"); err != nil {
		return err
	}
	if err := e.createDB(); err != nil {
		return err
	}
	if err := e.startDB(ctx); err != nil {
		return err
	}
	if err := e.initDB(); err != nil {
		return err
	}
	if err := e.startSwitch(ctx); err != nil {
		return err
	}
	if o.Bridge == "" {
		return nil
	}
	return e.AddBridge(o.Bridge)
}

func (e *Env) makeDir(dir string) error {
	if dir == "" {
		e.ownDir = true
		e.dir = filepath.Join(os.TempDir(), e.name)
		return os.Mkdir(e.dir, 0o700)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	e.dir = abs
	if len(e.switchSocket()) > maxSocketPath {
		return fmt.Errorf("directory %s: too long for a socket in it (%d bytes at most)",
			abs, maxSocketPath-len(e.switchSocket())+len(abs))
	}
	return os.MkdirAll(abs, 0o700)
}

// Stop ends everything the environment started and removes it. It may be called
// more than once; faults go to the log, because a test can do nothing about them.
func (e *Env) Stop() {
	e.mu.Lock()
	if e.stopped {
		e.mu.Unlock()
		return
	}
	e.stopped = true
	ports, hosts, controllers := e.ports, e.hosts, e.controllers
	e.ports, e.hosts, e.controllers = nil, nil, nil
	e.mu.Unlock()

	var errs []error
	for _, c := range controllers {
		c.Kill()
	}
	for _, h := range hosts {
		errs = append(errs, h.close())
	}
	for _, p := range ports {
		p.closeSocket()
	}
	errs = append(errs, e.StopSwitch(), e.StopDB())
	for _, ns := range []*namespace{e.wire, e.ns} {
		if ns != nil {
			killInside(ns.name)
			errs = append(errs, ns.close())
		}
	}
	if e.ownDir {
		errs = append(errs, os.RemoveAll(e.dir))
	}
	if e.warden != nil {
		errs = append(errs, e.warden.dismiss())
	}
	if e.starter != nil {
		e.starter.close()
	}
	if err := errors.Join(errs...); err != nil {
		e.log("testenv: stop: %v", err)
	}
}

// DB is the database's endpoint, "unix:<dir>/db.sock".
func (e *Env) DB() string { return "unix:" + e.dbSocket() }

// Dir is where the database, the sockets and the daemons' logs are. It is also
// the run directory (OVS_RUNDIR) of every command that the environment runs.
func (e *Env) Dir() string { return e.dir }

// Mgmt is the OpenFlow endpoint of a bridge, "unix:<dir>/<bridge>.mgmt".
func (e *Env) Mgmt(bridge string) string { return "unix:" + filepath.Join(e.dir, bridge+".mgmt") }

// NS is the name of the switch's network namespace, as ip-netns(8) knows it.
func (e *Env) NS() string { return e.name }

func (e *Env) dbSocket() string { return filepath.Join(e.dir, "db.sock") }

// Do runs f on a thread inside the switch's namespace: sockets that f opens
// belong to it for good, goroutines that f starts do not run in it. f must not
// call t.FailNow.
func (e *Env) Do(f func() error) error { return e.ns.do(f) }

// Command prepares a program to run in the switch's namespace, with SIGKILL when
// its parent dies. The context kills it too.
func (e *Env) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return e.commandIn(ctx, e.ns, name, args...)
}

// commandIn enters the namespace by nsenter(1), which replaces itself with the
// program, so that the process id and the parent-death signal stay.
func (e *Env) commandIn(ctx context.Context, ns *namespace, name string, args ...string) *exec.Cmd {
	if path, err := lookTool(name); err == nil {
		name = path
	}
	argv := append([]string{"--net=" + filepath.Join(netnsDir, ns.name), "--", name}, args...)
	cmd := exec.CommandContext(ctx, e.tools.nsenter, argv...)
	cmd.Env = e.environ()
	cmd.SysProcAttr = withParentDeath(nil)
	cmd.WaitDelay = stopGrace // for grandchildren that hold on to a pipe
	return cmd
}

// environ lets the tools of Open vSwitch find this switch without arguments.
func (e *Env) environ() []string {
	return append(os.Environ(),
		"OVS_RUNDIR="+e.dir, "OVS_DBDIR="+e.dir, "OVS_LOGDIR="+e.dir,
		"PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
}

// Vsctl runs ovs-vsctl(8), which waits until the switch has done what was asked
// unless --no-wait is among the arguments. It gives up after 10 s.
func (e *Env) Vsctl(args ...string) (string, error) {
	return e.tool(e.tools.vsctl, append([]string{"--db=" + e.DB(), switchTimeout()}, args...)...)
}

// switchTimeout is the option with which the switch's tools give up.
func switchTimeout() string {
	return fmt.Sprintf("--timeout=%d", int(Scaled(toolTimeout).Seconds()))
}

// Ofctl runs ovs-ofctl(8) with bridges named as they are in the database.
func (e *Env) Ofctl(args ...string) (string, error) {
	return e.tool(e.tools.ofctl, append([]string{switchTimeout()}, args...)...)
}

// Appctl runs a command of ovs-vswitchd's control socket, as ovs-appctl(8) does.
// Options of that program, such as --target, are not understood.
func (e *Env) Appctl(args ...string) (string, error) {
	if len(args) == 0 {
		return "", errors.New("appctl: no command")
	}
	ctx, cancel := context.WithTimeout(context.Background(), Scaled(toolTimeout))
	defer cancel()
	return unixctl(ctx, e.switchSocket(), args[0], args[1:]...)
}

func (e *Env) tool(path string, args ...string) (string, error) {
	cmd := exec.Command(path, args...)
	cmd.Env = e.environ()
	cmd.SysProcAttr = withParentDeath(nil)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %q: %w: %s",
			filepath.Base(path), args, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// Datapath is the datapath_type of the bridges made here.
func (e *Env) Datapath() string { return e.datapath }
