// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestWatchFollowsTheSwitch(t *testing.T) {
	s := newServer(t)
	s.startSwitch()
	c := s.watch()
	if state := c.Snapshot(); state.Bridge != nil {
		t.Fatalf("bridge before there is one: %s", describe(state))
	}
	s.ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
	s.ip("link", "set", "v0", "address", "02:00:00:00:00:01", "up")
	s.vsctl("--", "add-br", testBridge, "--", "set", "bridge", testBridge, "datapath_type=netdev",
		"--", "add-br", "other", "--", "set", "bridge", "other", "datapath_type=netdev",
		"--", "add-port", testBridge, "v0", "--", "set", "interface", "v0", "ofport_request=7",
		"--", "set-controller", testBridge, "tcp:192.0.2.1:6653", "tcp:127.0.0.1:1")

	iface := waitForInterface(t, c, "v0", "ofport 7, up, with a MAC", func(i Interface) bool {
		return i.OFPort == 7 && i.AdminUp && i.MAC == "02:00:00:00:00:01"
	})
	if iface.LinkUp || iface.MTU != 1500 || iface.Ifindex == 0 || iface.Error != "" {
		t.Errorf("v0 is %+v; want no link, MTU 1500, an ifindex, no error", iface)
	}
	s.vsctl("set", "Open_vSwitch", ".", "ovs_version=3.1.0") // which ovs-ctl(8) does where it starts the switch
	waitFor(t, c, "version", func(state State) bool { return state.OVSVersion == "3.1.0" })
	s.vsctl("set", "Open_vSwitch", ".", "other_config:flow-restore-wait=true")
	waitFor(t, c, "flow-restore-wait", func(state State) bool { return state.FlowRestoreWait })
	s.vsctl("remove", "Open_vSwitch", ".", "other_config", "flow-restore-wait")
	waitFor(t, c, "no flow-restore-wait", func(state State) bool { return !state.FlowRestoreWait })
	s.vsctl("set", "Open_vSwitch", ".", "other_config:vlan-limit=2")
	waitFor(t, c, "VLAN limit", func(state State) bool { return state.VLANLimit == "2" })
	s.vsctl("remove", "Open_vSwitch", ".", "other_config", "vlan-limit")
	state := waitFor(t, c, "default VLAN limit", func(state State) bool { return state.VLANLimit == "" })
	if len(state.Bridge.Interfaces) != 2 || len(state.Bridge.DatapathID) != 16 ||
		strings.Join(state.Bridge.Controllers, " ") != "tcp:127.0.0.1:1 tcp:192.0.2.1:6653" {
		t.Errorf("state is %s", describe(state))
	}

	s.ip("link", "set", "v1", "up")
	waitForInterface(t, c, "v0", "link up", func(i Interface) bool { return i.LinkUp })
	s.ip("link", "set", "v1", "down")
	waitForInterface(t, c, "v0", "link down", func(i Interface) bool { return !i.LinkUp && i.AdminUp })
	s.ip("link", "set", "v0", "down")
	waitForInterface(t, c, "v0", "down", func(i Interface) bool { return !i.AdminUp })
	s.ip("link", "set", "v0", "address", "02:00:00:00:00:02")
	waitForInterface(t, c, "v0", "new MAC", func(i Interface) bool { return i.MAC == "02:00:00:00:00:02" })
	s.vsctl("set", "interface", "v0", "external_ids:attached-mac=02:00:00:00:00:99")
	waitForInterface(t, c, "v0", "attached-mac", func(i Interface) bool { return i.AttachedMAC == "02:00:00:00:00:99" })
	s.vsctl("remove", "interface", "v0", "external_ids", "attached-mac")
	waitForInterface(t, c, "v0", "no attached-mac", func(i Interface) bool { return i.AttachedMAC == "" })

	s.vsctl("del-port", "v0", "--", "add-port", testBridge, "v0", "--", "set", "interface", "v0", "ofport_request=8")
	waitForInterface(t, c, "v0", "ofport 8", func(i Interface) bool { return i.OFPort == 8 })
	s.vsctl("del-port", "v0")
	waitFor(t, c, "v0 is gone", func(state State) bool { return len(state.Bridge.Interfaces) == 1 })
	s.vsctl("add-port", testBridge, "missing", "--", "set", "interface", "missing", "type=system")
	waitForInterface(t, c, "missing", "an error, no ofport", func(i Interface) bool { return i.OFPort == 0 && i.Error != "" })

	s.vsctl("del-br", testBridge)
	waitFor(t, c, "bridge is gone", func(state State) bool { return state.Bridge == nil })
	s.vsctl("--", "add-br", testBridge, "--", "set", "bridge", testBridge, "datapath_type=netdev", "other_config:hwaddr=02:00:00:00:00:10")
	waitFor(t, c, "bridge is back", func(state State) bool {
		return state.Bridge != nil && state.Bridge.DatapathID == "0000020000000010"
	})
	s.vsctl("--", "del-br", testBridge, "--", "add-br", testBridge, "--", "set", "bridge", testBridge, "datapath_type=netdev",
		"other_config:hwaddr=02:00:00:00:00:20")
	waitFor(t, c, "bridge is another", func(state State) bool {
		return state.Bridge != nil && state.Bridge.DatapathID == "0000020000000020"
	})
}

func TestChangedOnlyWhenTheSnapshotChanges(t *testing.T) {
	s := newServer(t)
	s.vsctl("--no-wait", "--", "add-br", testBridge, "--", "add-br", "other", "--", "add-port", testBridge, "p1")
	c := s.watch()
	// settle waits until all that was committed is in the snapshot.
	settle := func() {
		t.Helper()
		if err := c.session.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.publish(c.session)
	}
	for name, change := range map[string][]string{
		"external_ids of others": {"set", "interface", "p1", "external_ids:theirs=1"},
		"statistics":             {"set", "interface", "p1", "statistics:rx_packets=1"},
		"unwatched column":       {"set", "interface", "p1", "mtu_request=1400"},
		"another bridge":         {"--", "set", "bridge", "other", "fail_mode=secure", "--", "add-port", "other", "p2"},
		"next_cfg":               {"set", "Open_vSwitch", ".", "next_cfg=1234"},
		"same again":             {"set", "interface", "p1", "external_ids:theirs=1"},
	} {
		settle()
		select {
		case <-c.Changed():
		default:
		}
		s.vsctl(append([]string{"--no-wait"}, change...)...)
		settle()
		select {
		case <-c.Changed():
			t.Errorf("%s: changed to %s", name, describe(c.Snapshot()))
		default:
		}
	}
	s.vsctl("--no-wait", "set", "interface", "p1", "external_ids:attached-mac=02:00:00:00:00:01")
	settle()
	select {
	case <-c.Changed():
	default:
		t.Error("attached-mac: not changed")
	}
}

func TestRestartOfTheServer(t *testing.T) {
	s := newServer(t)
	s.vsctl("--no-wait", "--", "add-br", testBridge, "--", "add-port", testBridge, "goes", "--", "add-port", testBridge, "stays")
	c := s.watch()
	connected := func(want bool) func(State) bool {
		return func(state State) bool { return state.Connected == want }
	}
	for range 3 {
		waitFor(t, c, "three interfaces", func(state State) bool { return len(state.Bridge.Interfaces) == 3 })
		s.stopDB()
		state := waitFor(t, c, "the outage shows", connected(false))
		if len(state.Bridge.Interfaces) != 3 {
			t.Errorf("in the outage the snapshot is %s, want what was known last", describe(state))
		}
		// What another client did while this one was away.
		s.run("ovsdb-tool", "transact", s.path("conf.db"), deletePort(s, "goes"))
		s.startDB()
		state = waitFor(t, c, "connected again", connected(true))
		if _, there := state.Bridge.Interfaces["goes"]; there || len(state.Bridge.Interfaces) != 2 {
			t.Errorf("after the outage: %s", describe(state))
		}
		s.vsctl("--no-wait", "add-port", testBridge, "goes")
	}
}

// deletePort makes the transaction that takes a port off the bridge in a database file.
func deletePort(s *server, name string) string {
	out := s.run("ovsdb-tool", "query", s.path("conf.db"), fmt.Sprintf(
		`["Open_vSwitch",{"op":"select","table":"Port","where":[["name","==",%q]],"columns":["_uuid"]}]`, name))
	_, uuid, _ := strings.Cut(out, `["uuid","`)
	uuid, _, _ = strings.Cut(uuid, `"`)
	return fmt.Sprintf(`["Open_vSwitch",{"op":"mutate","table":"Bridge","where":[],"mutations":[["ports","delete",["uuid",%q]]]}]`, uuid)
}

func TestServerThatHangs(t *testing.T) {
	s := newServer(t)
	s.vsctl("--no-wait", "add-br", testBridge)
	timing := testTiming()
	timing.probeLimit, timing.dial = 300*time.Millisecond, time.Second
	c := watchBridge(t, Options{Endpoint: s.endpoint()}, timing)
	waitFor(t, c, "connected", func(state State) bool { return state.Connected })
	s.signal(syscall.SIGSTOP)
	failed := make(chan error, 1)
	go func() {
		_, err := c.Ensure(context.WithoutCancel(t.Context()), created())
		failed <- err
	}()
	waitFor(t, c, "the outage shows", func(state State) bool { return !state.Connected })
	if err := <-failed; !errors.Is(err, ErrNotConnected) {
		t.Errorf("Ensure in the outage: %v, want %v", err, ErrNotConnected)
	}
	s.signal(syscall.SIGCONT)
	waitFor(t, c, "connected again", func(state State) bool { return state.Connected && state.Bridge != nil })
}

func TestCloseDuringEnsure(t *testing.T) {
	s := newServer(t)
	c := s.watch()
	s.signal(syscall.SIGSTOP)
	failed := make(chan error, 1)
	go func() {
		_, err := c.Ensure(context.WithoutCancel(t.Context()), created())
		failed <- err
	}()
	s.eventually("Ensure is at work", func() bool { return len(c.writing) == 1 })
	c.Close()
	c.Close()
	if err := <-failed; !errors.Is(err, ErrNotConnected) {
		t.Errorf("Ensure: %v, want %v", err, ErrNotConnected)
	}
	if c.Snapshot().Connected {
		t.Error("connected after Close")
	}
}

func TestServerThatComesLater(t *testing.T) {
	s := newServer(t)
	s.stopDB()
	c := watchBridge(t, Options{Endpoint: s.endpoint()}, testTiming())
	s.startDB()
	s.vsctl("--no-wait", "add-br", testBridge)
	waitFor(t, c, "bridge is there", func(state State) bool { return state.Connected && state.Bridge != nil })
}

func TestContextEndsTheClient(t *testing.T) {
	s := newServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	c, err := connect(ctx, Options{Endpoint: s.endpoint(), Bridge: testBridge}, testTiming())
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, c, "connected", func(state State) bool { return state.Connected })
	cancel()
	waitFor(t, c, "disconnected", func(state State) bool { return !state.Connected })
	<-c.done
}

func TestRestartOfTheSwitch(t *testing.T) {
	s := newServer(t)
	s.startSwitch()
	c := s.watch()
	ensure(t, c, created())
	before := c.Snapshot().Bridge.Interfaces["p1"]
	s.stopSwitch()
	s.vsctl("--no-wait", "del-port", "p1", "--", "add-port", testBridge, "p1", "--", "set", "interface", "p1", "type=internal",
		"ofport_request=40")
	waitForInterface(t, c, "p1", "no ofport while there is no switch", func(i Interface) bool { return i.OFPort == 0 })
	s.startSwitch()
	waitForInterface(t, c, "p1", "ofport 40", func(i Interface) bool { return i.OFPort == 40 && i.OFPort != before.OFPort })
}

// TestSnapshotsAreWhole looks at the snapshot while transactions replace everything in it: half of one is never seen.
func TestSnapshotsAreWhole(t *testing.T) {
	const ports = 50
	s := newServer(t)
	replace := []string{"--no-wait", "--if-exists", "del-br", testBridge, "--", "add-br", testBridge}
	for i := range ports {
		replace = append(replace, "--", "add-port", testBridge, fmt.Sprintf("p%d", i))
	}
	s.vsctl(replace...)
	c := s.watch()
	stop, looked := make(chan struct{}), make(chan int)
	go func() {
		looks := 0
		defer func() { looked <- looks }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			c.publish(c.session)
			if state := c.Snapshot(); state.Bridge == nil || len(state.Bridge.Interfaces) != ports+1 {
				t.Errorf("half a transaction is seen: %s", describe(state))
				return
			}
			looks++
		}
	}()
	for range 40 {
		s.vsctl(replace...)
	}
	close(stop)
	t.Logf("looked %d times", <-looked)
}

// TestPeersThatAreNoDatabase wants no goroutine left (TestMain) and no snapshot.
func TestPeersThatAreNoDatabase(t *testing.T) {
	for name, reply := range map[string]string{
		"closes":          "",
		"silent":          "silent",
		"garbage":         "\x00\xffHTTP/1.1 400 Bad Request\r\n\r\n",
		"wrong type":      `{"id":1,"result":42,"error":null}`,
		"other databases": `{"id":1,"result":["OVN_Southbound"],"error":null}`,
		"empty schema":    `{"id":1,"result":["Open_vSwitch"],"error":null}{"id":2,"result":{},"error":null}`,
		"truncated":       `{"id":1,"result":["Open_vSw`,
		"nested deeply":   strings.Repeat("[", 1<<20),
		"long string":     `{"id":1,"result":["` + strings.Repeat("x", 8<<20),
		"bad UTF-8":       "{\"id\":1,\"result\":[\"\xff\xfe\"],\"error\":null}",
		"null result":     `{"id":1,"result":null,"error":null}`,
		"foreign id":      `{"id":"x","result":["Open_vSwitch"],"error":null}`,
		"odd schema":      `{"id":1,"result":["Open_vSwitch"],"error":null}{"id":2,"result":{"name":"Open_vSwitch","version":"x","tables":{"Bridge":{"columns":{"name":{"type":{"key":7}}}}}},"error":null}`,
		"update too soon": `{"id":null,"method":"update2","params":[["x"],{"Bridge":{}}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				if reply == "" {
					return
				}
				if reply != "silent" {
					_, _ = conn.Write([]byte(reply))
				}
				_, _ = io.Copy(io.Discard, conn)
			}()
			endpoint := "tcp:" + listener.Addr().String()
			o := Options{Endpoint: endpoint, Bridge: testBridge}
			if s, err := dial(t.Context(), o, 300*time.Millisecond, discard()); err == nil {
				s.Close()
				t.Error("connected")
			}
		})
	}
}

func TestTwoThousandInterfaces(t *testing.T) {
	const interfaces = 2000
	s := newServer(t)
	args := []string{"--no-wait", "add-br", testBridge}
	for i := range interfaces {
		args = append(args, "--", "add-port", testBridge, fmt.Sprintf("p%d", i))
	}
	s.vsctl(args...)
	before := heap()
	start := time.Now()
	c := s.watch()
	t.Logf("connected and listed in %v, heap grew by %d KiB", time.Since(start), (heap()-before)/1024)
	if got := len(c.Snapshot().Bridge.Interfaces); got != interfaces+1 {
		t.Fatalf("%d interfaces, want %d", got, interfaces+1)
	}
	start = time.Now()
	s.vsctl("--no-wait", "set", "interface", "p1999", "external_ids:attached-mac=02:00:00:00:00:01")
	waitForInterface(t, c, "p1999", "attached-mac", func(i Interface) bool { return i.AttachedMAC != "" })
	t.Logf("change seen %v after ovs-vsctl was started", time.Since(start))
	work := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			c.publish(c.session)
		}
	})
	t.Logf("a new snapshot takes %v and %d KiB", time.Duration(work.NsPerOp()), work.AllocedBytesPerOp()/1024)
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
