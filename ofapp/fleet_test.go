// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ofcontroller/fleet"
	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// fleetBed is a bed whose gateway follows a fleet.
type fleetBed struct {
	*bed
	dir    string
	server *exec.Cmd
}

// startServer starts the fleet's database, or starts it again.
func (b *fleetBed) startServer(t *testing.T) {
	t.Helper()
	file := filepath.Join(b.dir, "fleet.db")
	if _, err := os.Stat(file); err != nil {
		b.tool(t, "ovsdb-tool", "create", file, "../fleet/schema/ips-gateway.ovsschema")
	}
	b.server = exec.Command("ovsdb-server", "--remote=punix:"+filepath.Join(b.dir, "f.sock"), "--unixctl="+filepath.Join(b.dir, "f.ctl"),
		"--remote=db:IPS_Gateway,Fleet,connections", "--no-chdir", file)
	b.server.Env = append(os.Environ(), "OVS_RUNDIR="+b.dir, "OVS_LOGDIR="+b.dir)
	b.server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := b.server.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, settle, "the fleet's database answers", func() bool {
		return exec.Command("ovsdb-client", "--timeout=2", "list-dbs", b.endpoint()).Run() == nil
	})
}

func (b *fleetBed) stopServer() {
	if b.server.ProcessState == nil {
		_ = b.server.Process.Kill()
		_ = b.server.Wait()
	}
}

func (b *fleetBed) endpoint() string { return "unix:" + filepath.Join(b.dir, "f.sock") }

func (b *fleetBed) tool(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// apply brings the fleet to a text, by the command.
func (b *fleetBed) apply(t *testing.T, text string) {
	t.Helper()
	file := filepath.Join(b.dir, "fleet.yaml")
	writeFile(t, file, text)
	if out, err := b.ctl.CLI("fleet", "apply", "--yes", "--db", b.endpoint(), file); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// waitFleet waits until the fleet says so of the host.
func (b *fleetBed) waitFleet(t *testing.T, state, reason string) fleet.HostLine {
	t.Helper()
	var got fleet.Hosts
	eventually(t, 2*converge, "the fleet tells that the host is "+state, func() bool {
		out, _ := b.ctl.CLI("fleet", "status", "-o", "json", "--db", b.endpoint()) // exit code 1 unless it is ok
		got = nil
		return json.Unmarshal([]byte(out), &got) == nil && len(got) == 1 && got[0].State == state && strings.Contains(got[0].Reason, reason)
	})
	return got[0]
}

// TestFleet: a gateway gets its configuration from the fleet, follows it, refuses what is wrong in it, runs on without it
// and starts without it. Frames tell what is in force.
func TestFleet(t *testing.T) {
	t.Parallel()
	b := &fleetBed{bed: newBareBed(t, 1)}
	b.dir = b.env.Dir()
	b.startServer(t)
	t.Cleanup(b.stopServer)
	own := fmt.Sprintf("ovsdb: ${DB}\ncontrol: ${CONTROL}\nbridge: {name: br0}\nforwarding: {mac_limit: 100}\n"+
		"fleet: {endpoints: [\"%s\"], name: host1, directory: ${DIR}/kept}\n", b.endpoint())
	b.ctl = b.env.Controller(t, own)
	if _, err := b.ctl.CLI("fleet", "status", "--db", b.endpoint()); err == nil || !strings.Contains(err.Error(), "fleet init") {
		t.Errorf("an empty database: %v", err)
	}
	if _, err := b.ctl.CLI("fleet", "init", "--db", b.endpoint()); err != nil {
		t.Fatal(err)
	}
	text := func(more, policy string) string {
		return fmt.Sprintf("profiles:\n  base:\n    inspection:\n      attachments: [{name: standin, kind: port, port: ips0}]\n      probe: {timeout: %s}\n      policy: [%s]\n",
			testenv.Scaled(defaultTimeout), policy) + more +
			"hosts:\n  host1:\n    profiles: [base]\n    config:\n      uplinks: [{port: up0}]\n      trunks: [{port: trunk0, vlans: [99]}]\n"
	}
	in := frame.VLAN(udp(peer, guest0, 10), 99)
	passes := func() bool { b.drain(); b.send(up, in); return len(b.collect()[t0]) == 1 }

	// It has waited for its first configuration.
	b.apply(t, text("", ""))
	b.ctl.WaitConverged(t, converge)
	if !passes() {
		t.Fatal("the frame does not pass")
	}
	if line := b.waitFleet(t, "ok", ""); line.Asked != 1 || line.Reached != 1 || line.Versions["openvswitch"] == "" {
		t.Errorf("%+v", line)
	}
	b.apply(t, text("", "{vlan: 99, action: drop}"))
	eventually(t, settle, "the policy of the fleet is in force", func() bool { return !passes() })
	b.waitFleet(t, "ok", "")

	// Right for the fleet, wrong with the host's own file.
	b.apply(t, text("    forwarding: {mac_limit_per_port: 200}\n", ""))
	if line := b.waitFleet(t, "refused", "profile base:"); line.Asked != 3 || line.Reached != 2 {
		t.Errorf("%+v", line)
	}
	if passes() {
		t.Error("half of a configuration that was refused is in force")
	}

	// The host's own file wins.
	b.apply(t, text("    forwarding: {mac_limit: 300, mac_limit_per_port: 50}\n", ""))
	eventually(t, settle, "the policy is gone", passes)
	if line := b.waitFleet(t, "ok", ""); len(line.Overrides) != 1 || line.Overrides[0] != "forwarding.mac_limit" {
		t.Errorf("%+v", line)
	}

	// It drains for the fleet, which the host cannot undo; being the only one, it is used.
	drains := func(yes bool) {
		t.Helper()
		eventually(t, settle, fmt.Sprintf("it drains: %t", yes), func() bool {
			out, err := b.ctl.CLI("drain", "-o", "json")
			var list []struct{ Draining bool }
			return err == nil && json.Unmarshal([]byte(out), &list) == nil && len(list) == 1 && list[0].Draining == yes
		})
	}
	if out, err := b.ctl.CLI("fleet", "drain", "host1", "standin", "--db", b.endpoint()); err != nil || !strings.Contains(out, "standin     true") {
		t.Fatal(err, out)
	}
	drains(true)
	if _, err := b.ctl.CLI("drain", "standin", "--undo"); err == nil || !strings.Contains(err.Error(), "the fleet lets it drain") {
		t.Errorf("the host undoes it: %v", err)
	}
	eventually(t, settle, "the fleet tells that it drains", func() bool {
		out, err := b.ctl.CLI("fleet", "hosts", "--db", b.endpoint())
		return err == nil && strings.Contains(out, "standin (up, draining)")
	})
	if _, err := b.ctl.CLI("fleet", "drain", "host1", "stand", "--db", b.endpoint()); err == nil || !strings.Contains(err.Error(), "no attachment named \"stand\": standin would be right") {
		t.Errorf("an attachment that is not there: %v", err)
	}

	// What needs a restart is taken by it, and without the fleet.
	b.apply(t, text("    metrics: \"127.0.0.1:9475\"\n", "{vlan: 99, action: drop}"))
	b.waitFleet(t, "restart", "metrics")
	b.stopServer()
	if !passes() {
		t.Error("the gateway does not run on without the fleet")
	}
	b.restart(t, own)
	if passes() {
		t.Error("the configuration that waited for the restart is not in force")
	}
	eventually(t, settle, "it tells that it is on its own", func() bool {
		out, err := b.ctl.CLI("status")
		return err == nil && strings.Contains(out, "kept on disk; no server answers")
	})
	drains(true)
	// The fleet is back, and with it what was asked meanwhile.
	b.startServer(t)
	b.waitFleet(t, "ok", "")
	if _, err := b.ctl.CLI("fleet", "drain", "host1", "standin", "--undo", "--db", b.endpoint()); err != nil {
		t.Fatal(err)
	}
	drains(false)
	b.apply(t, text("    metrics: \"127.0.0.1:9475\"\n", ""))
	eventually(t, settle, "the policy is gone", passes)
	if line := b.waitFleet(t, "ok", ""); line.Asked != 6 || line.Reached != 6 {
		t.Errorf("%+v", line)
	}
}

// restart ends the controller and starts another one with the same files, and the same control socket.
func (b *fleetBed) restart(t *testing.T, yaml string) {
	t.Helper()
	if err := b.ctl.Stop(); err != nil {
		t.Fatal(err)
	}
	b.ctl = b.env.Controller(t, strings.ReplaceAll(yaml, "${CONTROL}", b.ctl.Control()))
	b.ready(t)
}
