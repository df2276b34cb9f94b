// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ofcontroller/testenv"
	"ofcontroller/testenv/frame"
)

const attackRules = `
drop http any any -> any any (msg:"attack in a request"; flow:to_server,established; http.uri; content:"/attack/"; sid:11;)
drop http any any -> any any (msg:"attack in an answer"; flow:to_client,established; file.data; content:"malware"; sid:12;)
`

const attackConfig = `
ovsdb: ${DB}
control: ${CONTROL}
bridge: {name: br0}
uplinks: [{port: up0}]
trunks: [{port: trunk0, vlans: [0, 20, 30, 31]}]
local: {enabled: true, vlan: HOSTVLAN}
inspection: {on_failure: closed, attachments: [{name: suricata, kind: suricata, rules: [RULES]}]}
`

// attackNets are the networks of the matrix; that of index i has the addresses
// 10.0.i.0/24 and 2001:db8:i::/64.
var attackNets = []struct {
	name string
	tags []testenv.Tag
}{
	{"untagged", nil},
	{"tagged", []testenv.Tag{{TPID: frame.TypeVLAN, VID: 20}}},
	{"QinQ", []testenv.Tag{{TPID: frame.TypeVLAN, VID: 30}, {TPID: frame.TypeVLAN, VID: 7}}},
	{"QinQ of 802.1ad", []testenv.Tag{{TPID: frame.TypeSVLAN, VID: 31}, {TPID: frame.TypeVLAN, VID: 8}}},
}

// attackAddr is the address of a machine, 1 to 3, in a network.
func attackAddr(net, machine int, six bool) netip.Prefix {
	if six {
		return netip.MustParsePrefix(fmt.Sprintf("2001:db8:%d::%d/64", net, machine))
	}
	return netip.MustParsePrefix(fmt.Sprintf("10.0.%d.%d/24", net, machine))
}

// fileSize is that of a download, in bytes.
const fileSize = 8 << 20

// attackBed has a web server on the uplink's side, in the guest and on the host,
// and one Suricata between them.
type attackBed struct {
	*bed
	rules    string
	machines [4]*machine // from 1
	file     []byte
	words    sync.Map // machine's name and word: it was in a frame that the switch gave to the machine
	numbers  int      // of exchanges, for their words
}

// machine is a real network stack with a web server on port 80.
type machine struct {
	name string
	*testenv.Host
}

func newAttackBed(t *testing.T) *attackBed {
	t.Helper()
	b := &attackBed{bed: &bed{t: t, env: testenv.New(t, testenv.WithBridge("br0")), ports: map[string]*testenv.Port{}}}
	b.file = make([]byte, fileSize)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b.file) // it never fails
	for i, port := range []*testenv.Port{b.port(up, 1), b.port(t0, 11)} {
		var nets []testenv.Net
		for n, a := range attackNets {
			nets = append(nets, testenv.Net{Tags: a.tags, Addrs: []netip.Prefix{attackAddr(n, i+1, false), attackAddr(n, i+1, true)}})
		}
		station, err := b.env.AddStation(port, nets...)
		if err != nil {
			t.Fatal(err)
		}
		b.machines[i+1] = &machine{[]string{"uplink", "guest"}[i], station}
		b.watch(port, b.machines[i+1].name)
		b.ports[port.Name()] = port
	}
	b.addHost(t)
	b.rules = filepath.Join(b.env.Dir(), "test.rules")
	writeFile(t, b.rules, attackRules)
	b.ctl = b.env.Controller(t, b.config(0))
	t.Cleanup(b.endSuricata)
	b.ready(t)
	b.suricataPID()
	for _, m := range b.machines[1:] {
		b.serve(t, m)
	}
	return b
}

// addHost gives the host addresses in the two networks of which each can be its
// own at a time.
func (b *attackBed) addHost(t *testing.T) {
	t.Helper()
	local, err := b.env.LocalHost("br0", attackAddr(0, 3, false), attackAddr(0, 3, true), attackAddr(1, 3, false), attackAddr(1, 3, true))
	if err != nil {
		t.Fatal(err)
	}
	b.machines[3] = &machine{"host", local}
	port, err := b.env.OpenLink("br0")
	if err != nil {
		t.Fatal(err)
	}
	b.watch(port, "host")
}

func (b *attackBed) config(hostVLAN int) string {
	return strings.NewReplacer("HOSTVLAN", fmt.Sprint(hostVLAN), "RULES", b.rules).Replace(attackConfig)
}

// word is what requests and answers are known by, on the wire too.
var word = regexp.MustCompile(`(?:ask|answer)-\d+-`)

// watch notes the words in what the switch gives to a machine.
func (b *attackBed) watch(port *testenv.Port, machine string) {
	port.Watch(func(f []byte) {
		if len(f) > 600 || !bytes.Contains(f, []byte("-")) {
			return // a segment of a download
		}
		for _, w := range word.FindAll(f, -1) {
			b.words.Store(machine+" "+string(w), true)
		}
	})
}

// arrived tells whether a word came to a machine. One that is expected may be
// with the client before the watcher has seen it.
func (b *attackBed) arrived(ctx context.Context, m *machine, w string, expected bool) bool {
	ctx, cancel := context.WithTimeout(ctx, testenv.Scaled(settle))
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if _, ok := b.words.Load(m.name + " " + w); ok || !expected {
			return ok
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// serve answers what is asked for: /file, or a line with the number in the path.
func (b *attackBed) serve(t *testing.T, m *machine) {
	t.Helper()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := "harmless"
		switch {
		case r.URL.Path == "/file":
			_, _ = w.Write(b.file) // the client looks at what it gets
			return
		case strings.HasPrefix(r.URL.Path, "/infected/"):
			text = "malware"
		}
		_, number, _ := strings.Cut(r.URL.Path, "/ask-")
		_, _ = fmt.Fprintf(w, "%s answer-%s", text, number)
	})}
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = server.Close(); serving.Wait() })
	for n := range attackNets {
		for _, six := range []bool{false, true} {
			if m.name == "host" && n > 1 {
				continue
			}
			l, err := m.Listen(t.Context(), "tcp", netip.AddrPortFrom(attackAddr(n, m.number(), six).Addr(), 80).String())
			if err != nil {
				t.Fatal(err)
			}
			serving.Go(func() { _ = server.Serve(l) })
		}
	}
}

func (m *machine) number() int { return map[string]int{"uplink": 1, "guest": 2, "host": 3}[m.name] }

// exchange is a client and a server in one of the networks.
type exchange struct {
	client, server *machine
	net            int
	six            bool
}

func (x exchange) String() string {
	family := "IPv4"
	if x.six {
		family = "IPv6"
	}
	return fmt.Sprintf("%s, %s, %s asks %s", attackNets[x.net].name, family, x.client.name, x.server.name)
}

// get asks for a path and gives the whole body of the answer.
func (x exchange) get(ctx context.Context, path string) ([]byte, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		return x.client.Dial(ctx, network, address)
	}}}
	url := "http://" + netip.AddrPortFrom(attackAddr(x.net, x.server.number(), x.six).Addr(), 80).String() + path
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return io.ReadAll(answer.Body)
}

// stubborn is how long a client waits for the answer to an attack. A stack sends
// its segment again after 0.2 s, 0.6 s and 1.4 s (RFC 6298): none of them arrives.
const stubborn = 1500 * time.Millisecond

// attacks is all faults of the one request without an attack, and the two with.
func (b *attackBed) attacks(ctx context.Context, x exchange, number int) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	for i, c := range []struct {
		path            string
		asked, answered bool
	}{
		{"/index/", true, true},
		{"/attack/", false, false},
		{"/infected/", true, false},
	} {
		id := fmt.Sprintf("%d-", 3*number+i)
		limit := testenv.Scaled(stubborn)
		if c.answered {
			limit = testenv.Scaled(settle)
		}
		asking, cancel := context.WithTimeout(ctx, limit)
		body, err := x.get(asking, c.path+"ask-"+id)
		cancel()
		switch want := "harmless answer-" + id; {
		case c.answered && (err != nil || string(body) != want):
			fault("%s: answer %q, %v, want %q", c.path, body, err, want)
		case !c.answered && err == nil:
			fault("%s: answered with %q", c.path, body)
		}
		for _, m := range b.machines[1:] {
			if want := c.asked && m == x.server; b.arrived(ctx, m, "ask-"+id, want) != want {
				fault("%s: the request is at %s: %t, want %t", c.path, m.name, !want, want)
			}
			if want := c.answered && m == x.client; b.arrived(ctx, m, "answer-"+id, want) != want {
				fault("%s: the answer is at %s: %t, want %t", c.path, m.name, !want, want)
			}
		}
	}
	return faults
}

// attackAll has all exchanges at once, since blocked ones take their time.
func (b *attackBed) attackAll(t *testing.T, exchanges []exchange) {
	b.t = t
	faults := make([][]string, len(exchanges))
	var wg sync.WaitGroup
	for i, x := range exchanges {
		b.numbers++
		number := b.numbers
		wg.Go(func() { faults[i] = b.attacks(t.Context(), x, number) })
	}
	wg.Wait()
	for i, x := range exchanges {
		t.Run(x.String(), func(t *testing.T) {
			for _, f := range faults[i] {
				t.Error(f)
			}
		})
	}
}

func (b *attackBed) download(t *testing.T, x exchange) {
	t.Run(x.String()+" for 8 MiB", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), testenv.Scaled(2*settle))
		defer cancel()
		began := time.Now()
		body, err := x.get(ctx, "/file")
		if err != nil || !bytes.Equal(body, b.file) {
			t.Fatalf("%d bytes, %v, want the %d of the file", len(body), err, len(b.file))
		}
		t.Logf("%v", time.Since(began).Round(time.Millisecond))
	})
}

// TestAttacks has web clients and servers on the uplink's side, in a guest and on
// the host ask each other, each for something harmless, for an attack in the
// request and for one in the answer, over IPv4 and IPv6, untagged, tagged and
// with inner tags.
//
// The host is in one VLAN at a time, and its frames have no tag of their own: it
// is on the untagged network first and in a tagged one then. With an inner tag it
// can't be reached by design: such frames are of another VLAN than the host's, or
// dropped before the IPS (docs/architecture.md, TestWay).
//
// Inner tags have a gateway of their own: Suricata loses connections where frames
// with and without share one (docs/suricata.md, inner tags).
func TestAttacks(t *testing.T) {
	t.Parallel()
	b := newAttackBed(t)
	end := b.hideTags()
	all := slices.Concat(b.pairs(0, true), b.pairs(1, false), b.pairs(2, false), b.pairs(3, false))
	r := random(t)
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	b.attackAll(t, all)
	end()
	b.downloads(t, all)
	b.hostInto(t, 20)
	b.attackAll(t, b.pairs(1, true))
	b.downloads(t, b.pairs(1, true))
}

// hideTags has the guest send frames with three VLAN tags in a tunnel of each
// kind that Suricata looks into, until the function that it returns is called:
// none may make it forget whose frames are whose.
func (b *attackBed) hideTags() (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for n := uint16(0); ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			f := hidden(n)[int(n)%len(hidden(n))]
			if n/8%2 == 1 {
				f = frame.VLAN(f, 20)
			}
			_ = b.ports[t0].Send(f) // one that is lost does no harm
		}
	})
	return func() {
		cancel()
		done.Wait()
	}
}

// hidden is tags within each kind of tunnel, the innermost one with the number.
func hidden(n uint16) [][]byte {
	inner := frame.Tagged(udp(guest0, peer, 40), frame.Tag{VID: 1 + n%4000}, frame.Tag{VID: 2 + n%4000}, frame.Tag{VID: 3 + n%4000})
	a := frame.Addrs{SrcMAC: guest0, DstMAC: peer, Src: netip.MustParseAddr("10.0.0.2"), Dst: netip.MustParseAddr("10.0.0.1")}
	gre := func(proto uint16, head ...byte) []byte {
		return frame.IP(a, 47, slices.Concat([]byte{0, 0, byte(proto >> 8), byte(proto)}, head, inner))
	}
	udpTo := func(port uint16, head ...byte) []byte {
		a := a
		a.SrcPort, a.DstPort = 40000, port
		return frame.UDP(a, slices.Concat(head, inner))
	}
	return [][]byte{
		gre(0x6558),                     // Ethernet
		gre(0x88be, make([]byte, 8)...), // ERSPAN
		udpTo(4789, 8, 0, 0, 0, 0, 0, 1, 0),
		udpTo(6081, 0, 0, 0x65, 0x58, 0, 0, 1, 0),
		frame.Ethernet(peer, guest0, 0x8847, slices.Concat([]byte{0, 1, 1, 64, 0, 0, 0, 0}, inner)),
		frame.Ethernet(peer, guest0, 0x9100, slices.Concat([]byte{0, 1}, inner[12:])),
		frame.Ethernet(peer, guest0, 0x88e7, slices.Concat([]byte{0, 0, 0, 1}, inner)),
		frame.Ethernet(peer, guest0, 0x8903, slices.Concat([]byte{0, 1}, inner)), // FabricPath
		frame.Ethernet(peer, guest0, 0x8926, slices.Concat([]byte{0, 0, 0, 1}, inner[12:])),
	}
}

// pairs is all clients and servers in a network, with the host or without it.
func (b *attackBed) pairs(net int, host bool) (all []exchange) {
	for _, pair := range [][2]int{{1, 2}, {1, 3}, {2, 3}} {
		if pair[1] == 3 && !host {
			continue
		}
		for _, six := range []bool{false, true} {
			x, y := b.machines[pair[0]], b.machines[pair[1]]
			all = append(all, exchange{x, y, net, six}, exchange{y, x, net, six})
		}
	}
	return all
}

// downloads has every other exchange transfer the file, which takes in each
// network, each family and each machine.
func (b *attackBed) downloads(t *testing.T, all []exchange) {
	for i, x := range all {
		if i%2 == i/4%2 {
			b.download(t, x)
		}
	}
}

// hostInto moves the host to another VLAN.
func (b *attackBed) hostInto(t *testing.T, vlan int) {
	t.Helper()
	b.t = t
	if err := b.ctl.Rewrite(b.config(vlan)); err != nil {
		t.Fatal(err)
	}
	if err := b.ctl.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, suricataStart, "the configuration was read", func() bool { return strings.Contains(b.ctl.Logs(), "configuration read again") })
	b.ctl.WaitConverged(t, converge)
}
