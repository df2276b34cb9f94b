// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/gonids"
)

// interval reads dsize, itype or icode: "N", ">N", ">=N", "<N", "<=N" and "M<>N", which leaves M and N themselves out as
// in Suricata. gonids reads it too, but takes "10<5" for zero and drops what follows a comma.
func (b *builder) interval(o *option, limit int) *Range {
	m, ok := b.nextMatcher().(*gonids.LenMatch)
	right := "N, >N, >=N, <N, <=N or M<>N with numbers from 0 to " + fmt.Sprint(limit)
	if !ok || m.Kind.String() != o.key {
		b.fault(right, "%s:%s is read in two ways", o.key, o.value)
		return nil
	}
	r := &Range{Max: limit, Negated: o.negated}
	lo, hi, between := strings.Cut(o.value, "<>")
	var n int
	var err error
	switch {
	case between:
		var from, to int
		if from, err = parseInt(strings.TrimSpace(lo), 0, limit); err == nil {
			to, err = parseInt(strings.TrimSpace(hi), 0, limit)
		}
		r.Min, r.Max = from+1, to-1
	case strings.HasPrefix(o.value, ">="):
		n, err = parseInt(strings.TrimSpace(o.value[2:]), 0, limit)
		r.Min = n
	case strings.HasPrefix(o.value, "<="):
		n, err = parseInt(strings.TrimSpace(o.value[2:]), 0, limit)
		r.Max = n
	case strings.HasPrefix(o.value, ">"):
		n, err = parseInt(strings.TrimSpace(o.value[1:]), 0, limit)
		r.Min = n + 1
	case strings.HasPrefix(o.value, "<"):
		n, err = parseInt(strings.TrimSpace(o.value[1:]), 0, limit)
		r.Max = n - 1
	default:
		n, err = parseInt(o.value, 0, limit)
		r.Min, r.Max = n, n
	}
	switch {
	case err != nil:
		b.fault(right, "%s:%s %v", o.key, o.value, err)
		return nil
	case r.Min > r.Max:
		b.fault(right, "%s:%s leaves no number over", o.key, o.value)
		return nil
	}
	return r
}

// nextMatcher is the next match that gonids found, nil behind the last.
func (b *builder) nextMatcher() any {
	if b.matcher >= len(b.parsed.Matchers) {
		return nil
	}
	b.matcher++
	return b.parsed.Matchers[b.matcher-1]
}

// flow reads the flow option.
func (b *builder) flow(o *option) {
	f := &b.rule.Flow
	words := strings.Split(b.parsed.Tags["flow"], ",")
	stateless := false
	for _, word := range words {
		switch word = strings.ToLower(strings.TrimSpace(word)); word {
		case "to_server", "from_client":
			f.ToServer = true
		case "to_client", "from_server":
			f.ToClient = true
		case "established":
			f.Established = true
		case "not_established":
			f.NotEstablished = true
		case "stateless":
			stateless = true
		case "only_frag":
			f.OnlyFrag = true
		case "no_frag":
			f.NoFrag = true
		default:
			b.fault("to_server, to_client, from_client, from_server, established, not_established, stateless, only_frag or no_frag",
				"flow:%s is not supported", word)
			return
		}
	}
	states := 0
	for _, set := range []bool{f.Established, f.NotEstablished, stateless} {
		if set {
			states++
		}
	}
	if f.ToServer && f.ToClient || states > 1 || f.OnlyFrag && f.NoFrag {
		b.fault("one of them", "flow:%s contradicts itself", o.value)
	}
}

// flags reads the flags option: [modifier]FLAGS[modifier][,IGNORED].
func (b *builder) flags(o *option) {
	const right = "[*+!]FLAGS[,IGNORED], each of F S R P A U E C, or 0 for none (1 and 2 mean C and E)"
	want, ignore, hasIgnore := strings.Cut(strings.TrimPrefix(b.parsed.Tags["flags"], "!"), ",")
	f := &Flags{Mode: FlagsExact}
	want = strings.TrimSpace(want)
	modes := 0
	for i, mark := range []string{"+", "*", "!"} {
		if cut := strings.ReplaceAll(want, mark, ""); cut != want {
			modes += len(want) - len(cut)
			want, f.Mode = cut, []FlagsMode{FlagsPlus, FlagsAny, FlagsNot}[i]
		}
	}
	if o.negated {
		modes++
		f.Mode = FlagsNot
	}
	var ok1, ok2 bool
	f.Want, ok1 = flagBits(want)
	f.Ignore, ok2 = flagBits(strings.TrimSpace(ignore))
	switch {
	case !ok1 || hasIgnore && (!ok2 || f.Ignore == 0) || modes > 1:
		b.fault(right, "flags:%s is not understood", o.value)
	case f.Want&f.Ignore != 0:
		b.fault(right, "flags:%s asks for flags that it ignores", o.value)
	case f.Want == 0 && f.Mode != FlagsExact && f.Mode != FlagsNot:
		b.fault(right, "flags:%s compares with no flag at all", o.value)
	}
	b.rule.Flags = f
}

// flagBits reads the letters of TCP flags (RFC 9293, section 3.1).
func flagBits(letters string) (uint8, bool) {
	if letters == "0" {
		return 0, true
	}
	var bits uint8
	for _, c := range letters {
		i := strings.IndexRune("FSRPAUEC", c)
		switch {
		case c == '1':
			i = 7
		case c == '2':
			i = 6
		case i < 0:
			return 0, false
		}
		bits |= 1 << i
	}
	return bits, letters != ""
}

// threshold reads the threshold option. gonids drops a third word, lets a part come twice and seconds be missing.
func (b *builder) threshold(o *option) {
	const right = "type limit|threshold|both, track by_src|by_dst|by_rule, count N, seconds N"
	seen := map[string]bool{}
	for _, part := range strings.Split(o.value, ",") {
		words := strings.Fields(part)
		if len(words) != 2 || seen[strings.ToLower(words[0])] {
			b.fault(right, "threshold: %q is not understood or there twice", strings.TrimSpace(part))
			return
		}
		seen[strings.ToLower(words[0])] = true
	}
	t, p := &Threshold{}, b.parsed.Threshold
	switch p.Type {
	case "limit":
		t.Type = ThresholdLimit
	case "threshold":
		t.Type = ThresholdEvery
	case "both":
		t.Type = ThresholdBoth
	}
	switch p.Track {
	case "by_src":
		t.Track = TrackSrc
	case "by_dst":
		t.Track = TrackDst
	case "by_rule":
		t.Track = TrackRule
	}
	t.Count, t.Window = p.Count, time.Duration(p.Seconds)*time.Second
	if t.Type == 0 || t.Track == 0 || len(seen) != 4 || p.Seconds <= 0 || p.Seconds > 31<<20 || p.Count > 1<<30 {
		b.fault(right, "threshold:%s is not supported", o.value)
		return
	}
	b.rule.Threshold = t
}
