// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	tcp  = pkt{}
	udp  = pkt{proto: protoUDP, sport: 5000, dport: 53}
	icmp = pkt{proto: protoICMP, itype: 8}
)

// TestMatch tries one rule at one frame, in both address families.
func TestMatch(t *testing.T) {
	http := tcp.with("GET /attack?x=1 HTTP/1.1\r\nHost: Example\r\n\r\n")
	for _, tt := range []struct {
		name, header, options string
		p                     pkt
		want                  bool
	}{
		{"any", "ip any any -> any any", "", udp, true},
		{"any word", "any any any -> any any", "", icmp, true},
		{"other protocol", "ip any any -> any any", "", pkt{proto: 47}, true},
		{"tcp", "tcp any any -> any any", "", tcp, true},
		{"tcp not udp", "tcp any any -> any any", "", udp, false},
		{"udp", "udp any any -> any any", "", udp, true},
		{"icmp", "icmp any any -> any any", "", icmp, true},
		{"icmp not tcp", "icmp any any -> any any", "", tcp, false},
		{"source", "ip [192.0.2.0/24,2001:db8::/48] any -> any any", "", tcp, true},
		{"not source", "ip ![192.0.2.0/24,2001:db8::/48] any -> any any", "", tcp, false},
		{"destination", "ip any any -> [198.51.100.2,2001:db8:1::2] any", "", tcp, true},
		{"one way", "ip [198.51.100.2,2001:db8:1::2] any -> any any", "", tcp, false},
		{"both ways", "ip [198.51.100.2,2001:db8:1::2] any <> any any", "", tcp, true},
		{"both ways with port", "tcp [198.51.100.2,2001:db8:1::2] 80 <> any any", "", tcp, true},
		{"both ways with source port", "tcp any any <> any 40000", "", tcp, true},
		{"port", "tcp any any -> any [80,443]", "", tcp, true},
		{"other port", "tcp any any -> any ![80,443]", "", tcp, false},
		{"source port", "udp any 5000: -> any any", "", udp, true},
		{"other source port", "udp any :4999 -> any any", "", udp, false},
		{"both ports", "tcp any 40000 -> any 80", "", tcp, true},
		{"both ports, one wrong", "tcp any 40001 -> any 80", "", tcp, false},
		{"port of ip", "ip any any -> any 53", "", udp, true},
		{"port of ip on icmp", "ip any any -> any !53", "", icmp, false},
		{"many ports", "tcp any any -> any 1:1000", "", tcp, true},

		{"content", "tcp any any -> any any", `content:"/attack";`, http, true},
		{"content of udp", "udp any any -> any any", `content:"abc";`, udp.with("xabcx"), true},
		{"content of icmp", "icmp any any -> any any", `content:"abc";`, icmp.with("xabcx"), true},
		{"content of another protocol", "ip any any -> any any", `content:"abc";`, pkt{proto: 47, payload: "abc"}, true},
		{"case", "tcp any any -> any any", `content:"/Attack";`, http, false},
		{"nocase", "tcp any any -> any any", `content:"/Attack"; nocase;`, http, true},
		{"hex", "tcp any any -> any any", `content:"|0d 0A|Host|3a|";`, http, true},
		{"two", "tcp any any -> any any", `content:"Host"; content:"GET";`, http, true},
		{"one of two", "tcp any any -> any any", `content:"Host"; content:"POST";`, http, false},
		{"negated", "tcp any any -> any any", `content:!"POST";`, http, true},
		{"negated there", "tcp any any -> any any", `content:"GET"; content:!"Host";`, http, false},
		{"offset", "tcp any any -> any any", `content:"/attack"; offset:4;`, http, true},
		{"offset too far", "tcp any any -> any any", `content:"/attack"; offset:5;`, http, false},
		{"depth", "tcp any any -> any any", `content:"/attack"; depth:11;`, http, true},
		{"depth too short", "tcp any any -> any any", `content:"/attack"; depth:10;`, http, false},
		{"offset and depth", "tcp any any -> any any", `content:"/attack"; offset:4; depth:7;`, http, true},
		{"negated in depth", "tcp any any -> any any", `content:!"/attack"; depth:10;`, http, true},
		{"distance", "tcp any any -> any any", `content:"GET"; content:"attack"; distance:2;`, http, true},
		{"distance too far", "tcp any any -> any any", `content:"GET"; content:"attack"; distance:3;`, http, false},
		{"negative distance", "tcp any any -> any any", `content:"attack"; content:"GET"; distance:-11; within:3;`, http, true},
		{"within", "tcp any any -> any any", `content:"GET"; content:"attack"; within:8;`, http, true},
		{"within too short", "tcp any any -> any any", `content:"GET"; content:"attack"; within:7;`, http, false},
		{"distance and within", "tcp any any -> any any", `content:"GET"; content:"attack"; distance:2; within:6;`, http, true},
		{"negated within", "tcp any any -> any any", `content:"GET"; content:!"attack"; within:7;`, http, true},
		{"negated within, behind", "tcp any any -> any any", `content:"GET"; content:!"Q"; within:7; content:"attack"; distance:2; within:6;`, http, true},
		{"next occurrence", "tcp any any -> any any", `content:"a"; content:"b"; within:1;`, tcp.with("acacab"), true},
		{"next occurrence behind a negation", "tcp any any -> any any", `content:"a"; content:!"c"; within:1; content:"b"; distance:0;`, tcp.with("acabb"), true},
		{"startswith", "tcp any any -> any any", `content:"GET"; startswith;`, http, true},
		{"startswith later", "tcp any any -> any any", `content:"ET"; startswith;`, http, false},
		{"endswith", "tcp any any -> any any", `content:"|0d0a0d0a|"; endswith;`, http, true},
		{"endswith earlier", "tcp any any -> any any", `content:"Example"; endswith;`, http, false},
		{"endswith and depth", "tcp any any -> any any", `content:"c"; depth:3; endswith;`, tcp.with("abc"), true},
		{"endswith beyond depth", "tcp any any -> any any", `content:"c"; depth:3; endswith;`, tcp.with("abcc"), false},
		{"fast_pattern", "tcp any any -> any any", `content:"GET"; fast_pattern; content:"attack?x=1";`, http, true},

		{"pcre", "tcp any any -> any any", `pcre:"/^get\s+\S+attack/i";`, http, true},
		{"pcre negated", "tcp any any -> any any", `pcre:!"/attack/";`, http, false},
		{"pcre relative", "tcp any any -> any any", `content:"GET"; pcre:"/^ \/attack/R";`, http, true},
		{"pcre relative, not there", "tcp any any -> any any", `content:"attack"; pcre:"/GET/R";`, http, false},
		{"content behind pcre", "tcp any any -> any any", `pcre:"/x=\d/"; content:" HTTP"; within:5;`, http, true},
		{"content behind the second match", "tcp any any -> any any", `pcre:"/a/"; content:"b"; within:1;`, tcp.with("acab"), true},
		{"pcre of bytes", "tcp any any -> any any", `pcre:"/\xff\x80./"; content:"b"; within:1;`, tcp.with("\xe9\xff\x80\xffb"), true},
		{"pcre relative behind bytes", "tcp any any -> any any", `content:"a"; pcre:"/^\xe9b/R";`, tcp.with("\xff\xffa\xe9b"), true},

		{"dsize", "tcp any any -> any any", `dsize:3;`, tcp.with("abc"), true},
		{"dsize greater", "tcp any any -> any any", `dsize:>3;`, tcp.with("abc"), false},
		{"dsize between", "udp any any -> any any", `dsize:2<>4;`, udp.with("abc"), true},
		{"flags", "tcp any any -> any any", `flags:S;`, pkt{flags: tcpSYN}, true},
		{"flags others", "tcp any any -> any any", `flags:S;`, pkt{flags: tcpSYN | tcpACK}, false},
		{"flags plus", "tcp any any -> any any", `flags:S+;`, pkt{flags: tcpSYN | tcpACK}, true},
		{"itype", "icmp any any -> any any", `itype:8;`, icmp, true},
		{"other itype", "icmp any any -> any any", `itype:>8;`, icmp, false},
		{"icode", "icmp any any -> any any", `icode:0;`, icmp, true},
		{"other icode", "icmp any any -> any any", `icode:!0;`, icmp, false},

		{"to_server", "tcp any any -> any any", "flow:to_server;", tcp, true},
		{"to_client", "tcp any any -> any any", "flow:to_client;", tcp, false},
		{"from_client", "udp any any -> any any", "flow:from_client;", udp, true},
		{"established in midstream", "tcp any any -> any any", "flow:established;", tcp, true},
		{"not established", "tcp any any -> any any", "flow:not_established;", pkt{flags: tcpSYN}, true},
		{"stateless", "tcp any any -> any any", "flow:stateless;", pkt{flags: tcpSYN}, true},
		{"first udp", "udp any any -> any any", "flow:established;", udp, false},
		{"no_frag", "tcp any any -> any any", "flow:no_frag;", tcp, true},
		{"only_frag", "tcp any any -> any any", "flow:only_frag;", tcp, false},

		{"first fragment", "tcp any any -> any 80", `flow:only_frag; content:"abc";`, pkt{fragment: -1, payload: "abc"}, true},
		{"later fragment", "ip any any -> any any", `flow:only_frag; content:"abc";`, pkt{fragment: 64, payload: "xabc"}, true},
		{"later fragment has no ports", "tcp any any -> any 80", "", pkt{fragment: 64, payload: strings.Repeat("P", 40)}, false},
		{"two inner tags", "tcp any any -> any 80", `content:"abc";`, pkt{inner: []uint32{0x88a80064, 0x81000005}, payload: "abc"}, true},
	} {
		for _, p := range []pkt{tt.p, tt.p.v6()} {
			t.Run(fmt.Sprintf("%s/%d", tt.name, len(p.src)), func(t *testing.T) {
				set := load(t, fmt.Sprintf("alert %s (%s sid:7;)", tt.header, tt.options))
				frame := p.frame()
				before := string(frame)
				v := New(set, Options{}).NewWorker().Inspect(frame, start)
				if got := len(v.Alerts) == 1; got != tt.want || v.Action != Pass || v.Modified || string(frame) != before {
					t.Errorf("%+v", v)
				}
			})
		}
	}
}

// TestActions tries several rules at one frame.
func TestActions(t *testing.T) {
	attack := tcp.with("an attack here")
	for _, tt := range []struct {
		name, rules string
		p           pkt
		action      Action
		sids        []int
		block       bool
		bypass      bool
	}{
		{"none", ``, attack, Pass, nil, false, false},
		{"alert", `alert tcp any any -> any any (content:"attack"; sid:1;)`, attack, Pass, []int{1}, false, false},
		{"noalert", `alert tcp any any -> any any (content:"attack"; noalert; sid:1;)`, attack, Pass, nil, false, false},
		{"drop of a stream", `drop tcp any any -> any any (content:"attack"; sid:1;)`, attack, Drop, []int{1}, true, false},
		{"drop unreported", `drop tcp any any -> any any (content:"attack"; noalert; sid:1;)`, attack, Drop, nil, true, false},
		{"drop of a packet", `drop tcp any any -> any any (sid:1;)`, attack, Drop, []int{1}, false, false},
		{"drop of a datagram", `drop udp any any -> any any (content:"attack"; sid:1;)`, udp.with("attack"), Drop, []int{1}, false, false},
		{"drop before the handshake", `drop tcp any any -> any any (content:"attack"; sid:1;)`, pkt{flags: tcpSYN, payload: "attack"}, Drop, []int{1}, false, false},
		{"reject", `reject tcp any any -> any any (content:"attack"; sid:1;)`, attack, Reject, []int{1}, true, false},
		{"drop and reject", "reject tcp any any -> any any (sid:1;)\ndrop tcp any any -> any any (sid:2;)", attack, Drop, []int{2, 1}, false, false},
		{"drop and alert", "alert tcp any any -> any any (sid:1;)\ndrop tcp any any -> any any (sid:2;)", attack, Drop, []int{2, 1}, false, false},
		{"pass before drop", "drop tcp any any -> any any (sid:2;)\npass tcp any any -> any any (sid:1;)", attack, Pass, nil, false, false},
		{"pass not matching", "drop tcp any any -> any any (sid:2;)\npass tcp any any -> any 81 (sid:1;)", attack, Drop, []int{2}, false, false},
		{"bypass", `alert tcp any any -> any any (content:"attack"; bypass; sid:1;)`, attack, Pass, []int{1}, false, true},
		{"pass and bypass", `pass tcp any any -> any any (content:"attack"; bypass; sid:1;)`, attack, Pass, nil, false, true},
		{"bypass and drop", "alert tcp any any -> any any (bypass; sid:1;)\ndrop tcp any any -> any any (sid:2;)", attack, Drop, []int{2, 1}, false, false},
		{"by priority", "alert tcp any any -> any any (sid:1;)\nalert tcp any any -> any any (priority:1; sid:2;)", attack, Pass, []int{2, 1}, false, false},
	} {
		for _, p := range []pkt{tt.p, tt.p.v6()} {
			t.Run(fmt.Sprintf("%s/%d", tt.name, len(p.src)), func(t *testing.T) {
				v := New(load(t, tt.rules), Options{}).NewWorker().Inspect(p.frame(), start)
				if v.Action != tt.action || v.Block != tt.block || v.Bypass != tt.bypass {
					t.Errorf("%+v", v)
				}
				if diff := cmp.Diff(tt.sids, sids(v)); diff != "" {
					t.Error(diff)
				}
				for _, a := range v.Alerts {
					blocked := a.Rule.Action.String() == "drop" || a.Rule.Action.String() == "reject"
					if (a.Action == Blocked) != blocked {
						t.Errorf("%+v", a)
					}
				}
			})
		}
	}
}

func TestReplace(t *testing.T) {
	const rule = `alert ip any any -> any any (content:"none"; sid:3;)
alert tcp any any -> any any (content:"GET"; replace:"PUT"; content:"secret"; nocase; replace:"XXXXXX"; sid:1;)
alert udp any any -> any any (content:"abc"; replace:"xyz"; sid:2;)`
	for _, tt := range []struct {
		name     string
		p        pkt
		want     string
		modified bool
	}{
		{"tcp", tcp.with("GET /Secret HTTP"), "PUT /XXXXXX HTTP", true},
		{"tcp at odd places", tcp.with(" GET  sECRETs"), " PUT  XXXXXXs", true},
		{"one of two", tcp.with("GET /secre"), "GET /secre", false},
		{"udp", udp.with("1abc"), "1xyz", true},
		{"udp odd length", udp.with("abc"), "xyz", true},
		{"options", pkt{v4options: 8, payload: "GET secret", ext: []byte{0, 0, 1, 4, 0, 0, 0, 0}}, "PUT XXXXXX", true},
		{"tags", pkt{inner: []uint32{0x8100a005}, payload: "GET secret"}, "PUT XXXXXX", true},
	} {
		for _, p := range []pkt{tt.p, tt.p.v6()} {
			t.Run(fmt.Sprintf("%s/%d", tt.name, len(p.src)), func(t *testing.T) {
				frame := p.frame()
				length := len(frame)
				v := New(load(t, rule), Options{}).NewWorker().Inspect(frame, start)
				if got := string(frame[len(frame)-len(tt.want):]); got != tt.want || v.Modified != tt.modified || len(frame) != length {
					t.Errorf("%q, %+v", got, v)
				}
				checkSums(t, frame)
			})
		}
	}
	t.Run("no checksum", func(t *testing.T) {
		p := udp.with("abc")
		p.noUDPChecksum = true
		frame := p.frame()
		New(load(t, rule), Options{}).NewWorker().Inspect(frame, start)
		if frame[18+20+6] != 0 || frame[18+20+7] != 0 {
			t.Errorf("a checksum was made: % x", frame)
		}
	})
	t.Run("dropped", func(t *testing.T) {
		frame := udp.with("abc").frame()
		v := New(load(t, rule+"\ndrop udp any any -> any any (sid:9;)"), Options{}).NewWorker().Inspect(frame, start)
		if v.Action != Drop || v.Modified || !strings.HasSuffix(string(frame), "abc") {
			t.Errorf("%+v", v)
		}
	})
}

func TestThreshold(t *testing.T) {
	for _, tt := range []struct {
		name, threshold string
		action          string
		want            string // per packet, one second apart: A alert, d dropped without one, . nothing
	}{
		{"limit", "type limit, track by_src, count 2, seconds 5", "alert", "AA...AA..."},
		{"threshold", "type threshold, track by_dst, count 3, seconds 60", "alert", "..A..A..A."},
		{"threshold too slow", "type threshold, track by_src, count 3, seconds 2", "alert", ".........."},
		{"both", "type both, track by_rule, count 3, seconds 5", "alert", "..A....A.."},
		{"limit drops on", "type limit, track by_src, count 1, seconds 60", "drop", "Addddddddd"},
		{"threshold drops at", "type threshold, track by_src, count 3, seconds 60", "drop", "..A..A..A."},
		{"both drops from", "type both, track by_src, count 3, seconds 60", "drop", "..Addddddd"},
	} {
		for _, p := range []pkt{udp, udp.v6()} {
			t.Run(fmt.Sprintf("%s/%d", tt.name, len(p.src)), func(t *testing.T) {
				w := New(load(t, fmt.Sprintf("%s udp any any -> any any (threshold:%s; sid:1;)", tt.action, tt.threshold)), Options{}).NewWorker()
				var got strings.Builder
				for i := range len(tt.want) {
					v := w.Inspect(p.frame(), start.Add(time.Duration(i)*time.Second))
					switch {
					case len(v.Alerts) > 0:
						got.WriteByte('A')
					case v.Action == Drop:
						got.WriteByte('d')
					default:
						got.WriteByte('.')
					}
				}
				if got.String() != tt.want {
					t.Errorf("got %s, want %s", got.String(), tt.want)
				}
			})
		}
	}
}

// A counter is kept per address and rule, survives a reload and is forgotten when there are too many.
func TestThresholdCounters(t *testing.T) {
	const rule = "alert udp any any -> any any (threshold:type limit, track by_src, count 1, seconds 3600; sid:1;)"
	e := New(load(t, rule), Options{MaxThresholds: 3})
	w := e.NewWorker()
	alerts := func(src string) int {
		p := udp
		p.src, p.dst = src, "198.51.100.2"
		return len(w.Inspect(p.frame(), start).Alerts)
	}
	steps := []struct {
		src  string
		want int
	}{
		{"192.0.2.1", 1},
		{"192.0.2.1", 0},
		{"192.0.2.2", 1},
		{"192.0.2.3", 1},
		{"192.0.2.1", 0},
		{"192.0.2.4", 1}, // .2 is forgotten
		{"192.0.2.1", 0},
		{"192.0.2.2", 1},
	}
	for i, s := range steps {
		if i == 2 {
			e.Replace(load(t, rule))
		}
		if got := alerts(s.src); got != s.want {
			t.Errorf("step %d, %s: %d alerts, want %d", i, s.src, got, s.want)
		}
	}
	if s := e.Stats(); s.Thresholds != 3 || s.ThresholdsEvicted != 2 {
		t.Errorf("%+v", s)
	}
}
