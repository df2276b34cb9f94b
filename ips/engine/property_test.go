// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"ofcontroller/ips/rules"
)

// TestNaive compares the engine with an evaluator that tries every rule of a random set at every place of a payload of
// few different letters, in two segments of a TCP connection and in one datagram.
func TestNaive(t *testing.T) {
	matched := 0
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var text strings.Builder
		for sid := range 30 {
			text.WriteString(randomRule(rng, sid+1))
		}
		set := load(t, text.String())
		w := New(set, Options{}).NewWorker()
		for range 10 {
			proto := []int{protoTCP, protoUDP}[rng.IntN(2)]
			first, second := randomPayload(rng), randomPayload(rng)
			p := pkt{proto: proto, sport: 1 + rng.IntN(60000), dport: 80 + rng.IntN(3), seq: rng.Uint32()}
			if rng.IntN(2) == 0 {
				p = p.v6()
			}
			got1 := sids(w.Inspect(p.with(first).frame(), start))
			p.seq += uint32(len(first))
			got2 := sids(w.Inspect(p.with(second).frame(), start))
			p = p.defaults()
			carried := ""
			if proto == protoTCP {
				carried = first
			}
			want1, want2 := naiveSIDs(set, p, "", first), naiveSIDs(set, p, carried, second)
			slices.Sort(got1)
			slices.Sort(got2)
			matched += len(want1) + len(want2)
			if !slices.Equal(got1, want1) || !slices.Equal(got2, want2) {
				t.Fatalf("seed %d: %q %q\ngot  %v %v\nwant %v %v\n%s", seed, first, second, got1, got2, want1, want2, text.String())
			}
		}
	}
	if matched < 10000 {
		t.Errorf("only %d matches: the rules are too rare to tell", matched)
	}
}

const letters = "abAB\xe9"

func randomPayload(rng *rand.Rand) string {
	b := make([]byte, rng.IntN(14))
	for i := range b {
		b[i] = letters[rng.IntN(len(letters))]
	}
	return string(b)
}

// randomRule makes an alert rule of up to three contents and expressions.
func randomRule(rng *rand.Rand, sid int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "alert %s any any %s any %s (", pick(rng, "tcp", "udp", "ip"), pick(rng, "->", "<>"), pick(rng, "any", "any", "80", "!80", "[80,81]"))
	n := rng.IntN(4)
	for i := range n {
		if rng.IntN(5) == 0 {
			fmt.Fprintf(&b, `pcre:%s"/%s/%s%s"; `, pick(rng, "", "", "!"), pick(rng, "a", "ab?", `\xe9`, "a.b", "b$", "^a", "a+b"),
				pick(rng, "", "i", "s"), pick(rng, "", "R"))
			continue
		}
		pattern := make([]byte, 1+rng.IntN(3))
		for j := range pattern {
			pattern[j] = letters[rng.IntN(len(letters))]
		}
		fmt.Fprintf(&b, `content:%s"|% x|"; %s`, pick(rng, "", "", "!"), pattern, pick(rng, "", "", "nocase; "))
		size := len(pattern)
		switch rng.IntN(6) {
		case 0:
			fmt.Fprintf(&b, "offset:%d; ", rng.IntN(4))
		case 1:
			fmt.Fprintf(&b, "offset:%d; depth:%d; ", rng.IntN(4), size+rng.IntN(4))
		case 2:
			if i > 0 {
				fmt.Fprintf(&b, "distance:%d; ", rng.IntN(6)-3)
			}
		case 3:
			if i > 0 {
				fmt.Fprintf(&b, "distance:%d; within:%d; ", rng.IntN(6)-3, size+rng.IntN(4))
			}
		case 4:
			fmt.Fprintf(&b, "within:%d; ", size+rng.IntN(8))
		case 5:
			b.WriteString(pick(rng, "startswith; ", "endswith; "))
		}
	}
	if rng.IntN(8) == 0 || n == 0 {
		fmt.Fprintf(&b, "dsize:>%d; ", 4+rng.IntN(4))
	}
	fmt.Fprintf(&b, "sid:%d;)\n", sid)
	return b.String()
}

func pick(rng *rand.Rand, from ...string) string { return from[rng.IntN(len(from))] }

// naiveSIDs is the rules that match, in the order of their numbers.
func naiveSIDs(set *rules.Set, p pkt, carried, payload string) []int {
	var out []int
	for _, r := range set.Rules {
		if naiveHeader(r, p, len(payload)) && (naiveMatch(r.Matchers, payload, 0, 0, 0) || naiveJoined(r, carried, payload)) {
			out = append(out, r.SID)
		}
	}
	return out
}

func naiveHeader(r *rules.Rule, p pkt, size int) bool {
	if r.Proto == rules.ProtoTCP && p.proto != protoTCP || r.Proto == rules.ProtoUDP && p.proto != protoUDP {
		return false
	}
	if !r.DstPorts.Contains(uint16(p.dport)) && (!r.Bidirectional || !r.DstPorts.Contains(uint16(p.sport))) {
		return false
	}
	return r.Dsize == nil || r.Dsize.Match(size)
}

// naiveJoined tells whether a rule without fixed places matches the stream, up to a place within the new payload.
func naiveJoined(r *rules.Rule, carried, payload string) bool {
	if carried == "" || r.Dsize != nil {
		return false
	}
	for _, m := range r.Matchers {
		if m.Content != nil && m.Content.Offset+m.Content.Depth > 0 {
			return false
		}
	}
	return naiveMatch(r.Matchers, carried+payload, 0, 0, len(carried))
}

// naiveMatch tries every place for every content.
func naiveMatch(ms []rules.Matcher, s string, prev, reach, boundary int) bool {
	if len(ms) == 0 {
		return boundary == 0 || reach > boundary
	}
	var ends []int
	var isNegated bool
	if c := ms[0].Content; c != nil {
		isNegated = c.Negated
		for at := 0; at+len(c.Pattern) <= len(s); at++ {
			if naiveContent(c, s, at, prev) {
				ends = append(ends, at+len(c.Pattern))
			}
		}
	} else {
		p := ms[0].PCRE
		isNegated = p.Negated
		from := 0
		if p.Relative {
			from = prev
		}
		wide := []rune{}
		for _, b := range []byte(s[from:]) {
			wide = append(wide, rune(b))
		}
		for _, loc := range p.RE.FindAllStringIndex(string(wide), -1) {
			ends = append(ends, from+len([]rune(string(wide)[:loc[1]])))
		}
	}
	if isNegated {
		return len(ends) == 0 && naiveMatch(ms[1:], s, prev, reach, boundary)
	}
	for _, end := range ends {
		if naiveMatch(ms[1:], s, end, max(reach, end), boundary) {
			return true
		}
	}
	return false
}

// naiveContent tells whether a content lies at a place.
func naiveContent(c *rules.Content, s string, at, prev int) bool {
	piece := []byte(s[at : at+len(c.Pattern)])
	if c.NoCase {
		for i, b := range piece {
			if b >= 'A' && b <= 'Z' {
				piece[i] = b + 32
			}
		}
	}
	end := at + len(c.Pattern)
	switch {
	case string(piece) != string(c.Pattern), at < c.Offset, c.Depth > 0 && end > c.Offset+c.Depth, c.EndsWith && end != len(s):
		return false
	case c.Relative() && at < prev+c.Distance, c.HasWithin && end > prev+c.Distance+c.Within:
		return false
	}
	return true
}
