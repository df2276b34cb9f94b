// SPDX-License-Identifier: Apache-2.0

package packaging

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

// Users and groups of no rights. The test needs no such names in the system.
const (
	serviceUser = 65534
	switchGroup = 64999 // that of Open vSwitch's sockets
)

// denyExec in the environment makes the test's program one that runs another
// without memory that is writable and executable, as MemoryDenyWriteExecute= does
// (PR_SET_MDWE, prctl(2), Linux 6.3 and later; the unit's seccomp filter before).
const denyExec = "PACKAGING_TEST_DENY_EXEC"

func TestMain(m *testing.M) {
	if os.Getenv(denyExec) == "" {
		os.Exit(m.Run())
	}
	if err := unix.Prctl(unix.PR_SET_MDWE, unix.PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
		log.Fatalf("PR_SET_MDWE: %v", err)
	}
	path, err := exec.LookPath(os.Args[1])
	if err == nil {
		err = unix.Exec(path, os.Args[1:], os.Environ())
	}
	log.Fatal(err)
}

// groupedSwitch has Open vSwitch run as the drop-ins of docs/service.md say:
// its sockets are the group's as well.
func groupedSwitch(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"ovsdb-server", "ovs-vswitchd"} {
		path, err := exec.LookPath(name)
		if err != nil {
			path = filepath.Join("/usr/sbin", name)
		}
		script := fmt.Sprintf("#!/bin/sh\numask 0007\nexec setpriv --regid=%d --clear-groups %s \"$@\"\n", switchGroup, path)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// TestLeastPrivilege runs the program as a user of no rights in the sockets'
// group, with CAP_NET_ADMIN and CAP_NET_RAW alone and without memory that is
// writable and executable: with each engine a frame passes and an attack does not.
func TestLeastPrivilege(t *testing.T) {
	groupedSwitch(t)
	binary, err := testenv.BuildController()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"embedded", "suricata"} {
		t.Run(kind, func(t *testing.T) {
			env := testenv.New(t, testenv.WithBridge("br0"))
			in, out := port(t, env, "up0", 1), port(t, env, "trunk0", 2)
			ctl := startUnprivileged(t, env, binary, kind)
			waitUp(t, ctl)
			for _, pid := range descendants(t, ctl) {
				checkPrivileges(t, pid)
			}
			passes(t, in, out)
		})
	}
}

// startUnprivileged has the wrapper hand the configuration to the user, and a
// directory that systemd would make (RuntimeDirectory=).
func startUnprivileged(t *testing.T, env *testenv.Env, binary, kind string) *testenv.Controller {
	t.Helper()
	run := filepath.Join(env.Dir(), "run")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []error{
		os.Mkdir(run, 0o750), os.Chown(run, serviceUser, serviceUser), os.Chmod(env.Dir(), 0o755),
		os.WriteFile(filepath.Join(env.Dir(), "test.rules"), []byte(`drop tcp any any -> any 80 (msg:"traversal"; content:"/etc/passwd"; sid:1;)`+"\n"), 0o644),
		os.WriteFile(filepath.Join(env.Dir(), "service"), fmt.Appendf(nil, `#!/bin/sh
chmod 644 "$3"
exec env %s=1 %s setpriv --reuid=%d --regid=%[3]d --groups=%d --no-new-privs \
  --bounding-set=-all,+net_admin,+net_raw --inh-caps=-all,+net_admin,+net_raw --ambient-caps=-all,+net_admin,+net_raw \
  %s "$@"
`, denyExec, self, serviceUser, switchGroup, binary), 0o755),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	ctl, err := env.StartController(testenv.ControllerOptions{Binary: filepath.Join(env.Dir(), "service"), YAML: `
ovsdb: ${DB}
control: ${DIR}/run/control
bridge: {name: br0}
uplinks: [{port: up0}]
trunks: [{port: trunk0, vlans: [0]}]
inspection: {attachments: [{name: engine, kind: ` + kind + `, rules: ["${DIR}/test.rules"]}]}
`})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(run, "control"), ctl.Control()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctl.Kill()
		if t.Failed() {
			t.Logf("log:\n%s", ctl.Logs())
		}
		if pid, err := os.ReadFile(filepath.Join(run, "engine", "suricata.pid")); err == nil { // it outlives the program
			if n, err := strconv.Atoi(strings.TrimSpace(string(pid))); err == nil {
				if p, err := os.FindProcess(n); err == nil {
					_ = p.Kill()
				}
			}
		}
	})
	return ctl
}

// waitUp waits until the engine inspects.
func waitUp(t *testing.T, ctl *testenv.Controller) {
	t.Helper()
	up := func() bool {
		st := ctl.TryStatus()
		return st != nil && st["converged"] == true && st["attachments"].([]any)[0].(map[string]any)["state"] == "up"
	}
	for limit := time.Now().Add(testenv.Scaled(90 * time.Second)); !up(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the engine is not up")
		}
	}
}

func port(t *testing.T, env *testenv.Env, name string, ofport int) *testenv.Port {
	t.Helper()
	p, err := env.AddPort("br0", name, ofport)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// descendants are the program and what it runs.
func descendants(t *testing.T, ctl *testenv.Controller) []string {
	t.Helper()
	all := []string{strconv.Itoa(ctl.PID())}
	for i := 0; i < len(all); i++ {
		tasks, err := filepath.Glob("/proc/" + all[i] + "/task/*/children")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range tasks {
			text, err := os.ReadFile(f)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			all = append(all, strings.Fields(string(text))...)
		}
	}
	return all
}

// checkPrivileges reads what the kernel says of a process (proc(5)).
func checkPrivileges(t *testing.T, pid string) {
	t.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		t.Fatal(err)
	}
	const allowed = 1<<12 | 1<<13 // CAP_NET_ADMIN, CAP_NET_RAW
	name := ""
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		switch key {
		case "Name":
			name = value
		case "Uid":
			if f := strings.Fields(value); f[0] != strconv.Itoa(serviceUser) || f[1] != f[0] {
				t.Errorf("%s runs as %s", name, value)
			}
		case "CapPrm", "CapEff", "CapBnd", "CapAmb":
			if n, err := strconv.ParseUint(value, 16, 64); err != nil || n&^allowed != 0 {
				t.Errorf("%s has %s %s", name, key, value)
			}
		}
	}
	t.Logf("%s: as user %d, with two capabilities", name, serviceUser)
}

// passes sends a request that has to arrive behind one that must not.
func passes(t *testing.T, in, out *testenv.Port) {
	t.Helper()
	request := func(seq uint32, text string) []byte {
		return frame.TCP(frame.Addrs{
			SrcMAC: frame.MAC("02:00:00:00:00:01"), DstMAC: frame.MAC("02:00:00:00:00:02"),
			Src: netip.MustParseAddr("198.51.100.7"), Dst: netip.MustParseAddr("192.0.2.2"), SrcPort: 2222, DstPort: 80,
		}, frame.Segment{Flags: frame.ACK | frame.PSH, Seq: seq, Ack: 1, Payload: []byte(text)})
	}
	ctx, cancel := context.WithTimeout(t.Context(), testenv.Scaled(10*time.Second))
	defer cancel()
	const text = "GET /index.html HTTP/1.0\r\n\r\n"
	good := request(1000, text)
	if err := in.SendAll(ctx, good); err != nil {
		t.Fatal(err)
	}
	if f, err := out.Next(ctx); err != nil || string(f.Data) != string(good) {
		t.Fatalf("the request did not arrive: %v %x", err, f.Data)
	}
	// Behind the first: of bytes that it has seen already Suricata sends on what they were.
	bad := request(1000+uint32(len(text)), "GET /../etc/passwd HTTP/1.0\r\n\r\n")
	llc := frame.LLC(frame.MAC("01:00:0c:cc:cc:cd"), frame.MAC("02:00:00:00:00:01"), 1, 2, nil)
	if err := in.SendAll(ctx, bad, llc); err != nil {
		t.Fatal(err)
	}
	if f, err := out.Next(ctx); err != nil || string(f.Data) != string(llc) {
		t.Errorf("behind the attack there is %v %x", err, f.Data)
	}
}
