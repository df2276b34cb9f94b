// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"ofcontroller/ips/rules"
)

const words = "abcdefghijklmnopqrstuvwxyz0123456789/.-_ "

func randomText(rng *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = words[rng.IntN(len(words))]
	}
	return string(b)
}

// contentRules makes n rules with a content of 6 to 23 bytes each.
func contentRules(tb testing.TB, n int) *rules.Set {
	rng := rand.New(rand.NewPCG(1, 1))
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "alert tcp any any -> any any (flow:established; content:\"%s\"; nocase; sid:%d;)\n", randomText(rng, 6+rng.IntN(18)), i+1)
	}
	return load(tb, text.String())
}

// TestNoAllocation: a frame that no rule matches costs no memory, with contents, expressions and ports tried on it.
func TestNoAllocation(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	text := randomText(rng, 1400)
	set := load(t, `alert tcp any any -> any any (content:"`+text[:4]+`"; content:"not there"; distance:0; sid:1;)
alert tcp any any -> any any (pcre:"/not\s+there\d/i"; sid:2;)
alert tcp any any -> any 80 (content:!"`+text[:4]+`"; sid:3;)
alert udp any any -> any any (content:"not there"; sid:4;)
drop ip 203.0.113.0/24 any -> any any (sid:5;)`)
	w := New(set, Options{}).NewWorker()
	for _, p := range []pkt{tcp, tcp.v6(), udp, icmp, {payload: "\xff\xfe", sport: 9, dport: 80}, pkt{fragment: 8, payload: "x"}.v6()} {
		frame := p.with(p.payload + text).frame()
		at, seq := 18+20+7, p.seq // within the TCP sequence number
		if strings.Contains(p.src, ":") {
			at += 20
		}
		if n := testing.AllocsPerRun(200, func() {
			seq++
			frame[at] = byte(seq)
			if v := w.Inspect(frame, start); v.Action != Pass || v.Alerts != nil {
				t.Errorf("%+v", v)
			}
		}); n != 0 {
			t.Errorf("%+v: %v allocations", p.src, n)
		}
	}
}

func BenchmarkInspect(b *testing.B) {
	for _, n := range []int{0, 10, 1000, 10000} {
		set := contentRules(b, n)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		e := New(set, Options{})
		runtime.GC()
		runtime.ReadMemStats(&after)
		for _, size := range []int{64, 1400} {
			b.Run(fmt.Sprintf("rules=%d/payload=%d", n, size), func(b *testing.B) {
				w := e.NewWorker()
				frame := tcp.with(randomText(rand.New(rand.NewPCG(5, 5)), size)).frame()
				b.ReportAllocs()
				b.SetBytes(int64(len(frame)))
				for b.Loop() {
					w.Inspect(frame, start)
				}
				b.ReportMetric(float64(int64(after.HeapAlloc-before.HeapAlloc))/1e6, "MB") // less than none: garbage of before
			})
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	set := contentRules(b, 10000)
	for b.Loop() {
		New(set, Options{})
	}
}
