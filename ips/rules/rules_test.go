// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// one parses the options of a single rule that must be right.
func one(t *testing.T, rule string) *Rule {
	t.Helper()
	set, err := Parse("r", []byte(rule))
	if err != nil {
		t.Fatalf("%s\n%v", rule, err)
	}
	if len(set.Rules) != 1 {
		t.Fatalf("%s: %d rules", rule, len(set.Rules))
	}
	return set.Rules[0]
}

func TestFields(t *testing.T) {
	r := one(t, `drop tcp any any <> any 80 (msg:"one \"two\"\; three"; flow:established,to_server; `+
		`content:"GET |20|/"; depth:10; nocase; fast_pattern; content:!"x"; distance:-1; within:5; pcre:"/a\/b/iR"; `+
		`flags:!SA,12; dsize:10<>20; threshold:type both, track by_src, count 3, seconds 60; `+
		`reference:cve,2014-0160; reference:url,example.org/x; metadata:a b, c d e; target:dest_ip; classtype:trojan-activity; `+
		`gid:7; sid:42; rev:3;)`)
	re := r.Matchers[2].PCRE.RE
	r.Matchers[2].PCRE.RE = nil
	want := &Rule{
		File: "r", Line: 1, Action: Drop, Proto: ProtoTCP, Bidirectional: true,
		Src: r.Src, Dst: r.Dst, SrcPorts: r.SrcPorts, DstPorts: r.DstPorts,
		SID: 42, Rev: 3, GID: 7, Msg: `one "two"; three`, Classtype: "trojan-activity",
		Category: "A Network Trojan was detected", Priority: 1, Target: "dest_ip",
		References: []Reference{{"cve", "2014-0160"}, {"url", "example.org/x"}},
		Metadata:   []Metadata{{"a", "b"}, {"c", "d e"}},
		Flow:       Flow{ToServer: true, Established: true},
		Dsize:      &Range{Min: 11, Max: 19},
		Flags:      &Flags{Want: 0x12, Ignore: 0xc0, Mode: FlagsNot},
		Threshold:  &Threshold{Type: ThresholdBoth, Track: TrackSrc, Count: 3, Window: time.Minute},
		Matchers: []Matcher{
			{Content: &Content{Pattern: []byte("get  /"), NoCase: true, Depth: 10}},
			{Content: &Content{Pattern: []byte("x"), Negated: true, HasDistance: true, Distance: -1, HasWithin: true, Within: 5}},
			{PCRE: &PCRE{Text: `/a\/b/iR`, Relative: true}},
		},
	}
	sets := cmp.Comparer(func(a, b AddrSet) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
	ports := cmp.Comparer(func(a, b PortSet) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
	if diff := cmp.Diff(want, r, sets, ports); diff != "" {
		t.Error(diff)
	}
	if !re.MatchString("xA/Bx") {
		t.Errorf("%v does not match", re)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.rules"), filepath.Join(dir, "b.rules")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(a, "alert ip $HOME_NET any -> $EXTERNAL_NET any (sid:1;)\r\n")
	write(b, "alert tcp any any -> any $HTTP_PORTS (sid:2;)")
	set, err := LoadWith([]string{a, b}, LoadOptions{Vars: map[string]string{"$HOME_NET": "10.0.0.0/8", "EXTERNAL_NET": "!$HOME_NET"}})
	if err != nil || len(set.Rules) != 2 {
		t.Fatalf("%v, %v", set, err)
	}
	if r := set.Rules[0]; !r.Src.Contains(netip.MustParseAddr("10.1.1.1")) || r.Dst.Contains(netip.MustParseAddr("10.1.1.1")) ||
		!r.Dst.Contains(netip.MustParseAddr("192.0.2.1")) || !r.Dst.Contains(netip.MustParseAddr("2001:db8::1")) {
		t.Errorf("%+v", r)
	}
	if r := set.Rules[1]; r.File != b || !r.DstPorts.Contains(80) || r.DstPorts.Contains(81) {
		t.Errorf("%+v", r)
	}
	_, err = Load([]string{a, filepath.Join(dir, "missing"), a})
	if s := fmt.Sprint(err); !strings.Contains(s, "missing: open ") || !strings.Contains(s, "a.rules:1: sid 1: the sid is taken") {
		t.Errorf("%v", err)
	}
	if _, err := LoadWith([]string{a}, LoadOptions{Vars: map[string]string{"HOME_NET": "$HOME_NET"}}); err == nil {
		t.Error("a variable that names itself is accepted")
	}
}

// What gonids alone would read otherwise.
func TestContents(t *testing.T) {
	for text, want := range map[string]string{
		`\;\;a\;`: ";;a;", `\"\\\:`: `"\:`, `|41 42|\||43|`: "", `a\\|7C|b|7c 41|`: `a\|b|A`, `é|E9|`: "\xc3\xa9\xe9", `|0a|+.[](){}`: "\n+.[](){}",
		`|41  42 |c`: "ABc", `|4142|`: "AB", `a b`: "a b",
	} {
		set, err := Parse("r", []byte(opts("tcp", `content:"`+text+`";`)))
		switch {
		case want == "" && err == nil:
			t.Errorf("%s is accepted", text)
		case want != "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && string(set.Rules[0].Matchers[0].Content.Pattern) != want:
			t.Errorf("%s: %q, want %q", text, set.Rules[0].Matchers[0].Content.Pattern, want)
		}
	}
}

func TestLists(t *testing.T) {
	for _, tt := range []struct {
		list    string
		in, out []string
	}{
		{"any", []string{"0.0.0.0", "255.255.255.255", "::", "ff02::1"}, nil},
		{"192.0.2.1", []string{"192.0.2.1"}, []string{"192.0.2.0", "192.0.2.2", "::ffff:192.0.2.1"}},
		{"2001:db8::/32", []string{"2001:db8::", "2001:db8:ffff::1"}, []string{"2001:db9::", "192.0.2.1"}},
		{"!192.0.2.0/24", []string{"192.0.1.255", "192.0.3.0", "2001:db8::1"}, []string{"192.0.2.0", "192.0.2.255"}},
		{"[192.0.2.0/24, !192.0.2.128/25]", []string{"192.0.2.127"}, []string{"192.0.2.128", "192.0.3.1", "::1"}},
		{"[192.0.2.0/24,[!192.0.2.4,![!198.51.100.1]]]", []string{"192.0.2.3", "192.0.2.5", "198.51.100.1"}, []string{"192.0.2.4"}},
		{"192.0.2.4-192.0.2.6", []string{"192.0.2.4", "192.0.2.6"}, []string{"192.0.2.3", "192.0.2.7"}},
		{"[0.0.0.0/1,128.0.0.0/1,::/0]", []string{"1.1.1.1", "200.1.1.1", "::1"}, nil},
		{"[any,!255.255.255.255,!::]", []string{"255.255.255.254", "::1"}, []string{"255.255.255.255", "::"}},
	} {
		set, err := parseAddrs(tt.list, nil)
		if err != nil {
			t.Errorf("%s: %v", tt.list, err)
			continue
		}
		for _, a := range tt.in {
			if !set.Contains(netip.MustParseAddr(a)) {
				t.Errorf("%s does not contain %s", tt.list, a)
			}
		}
		for _, a := range tt.out {
			if set.Contains(netip.MustParseAddr(a)) {
				t.Errorf("%s contains %s", tt.list, a)
			}
		}
	}
	if set, _ := parseAddrs("[0.0.0.0/1,128.0.0.0/1,::/0]", nil); !set.Any() {
		t.Error("every address is not any")
	}
}

func TestPorts(t *testing.T) {
	for _, tt := range []struct {
		list    string
		in, out []uint16
	}{
		{"any", []uint16{0, 65535}, nil},
		{"80", []uint16{80}, []uint16{79, 81}},
		{"1024:", []uint16{1024, 65535}, []uint16{1023}},
		{":1023", []uint16{0, 1023}, []uint16{1024}},
		{"!80", []uint16{79, 81, 0, 65535}, []uint16{80}},
		{"[80:90,!85,443,[8000,!88]]", []uint16{80, 84, 86, 90, 443, 8000}, []uint16{85, 88, 444}},
		{"![22,!23]", []uint16{23}, []uint16{22, 24}},
	} {
		set, err := parsePorts(tt.list, nil)
		if err != nil {
			t.Errorf("%s: %v", tt.list, err)
			continue
		}
		for _, p := range tt.in {
			if !set.Contains(p) {
				t.Errorf("%s does not contain %d", tt.list, p)
			}
		}
		for _, p := range tt.out {
			if set.Contains(p) {
				t.Errorf("%s contains %d", tt.list, p)
			}
		}
	}
}

func TestPCRE(t *testing.T) {
	for _, tt := range []struct {
		pcre    string
		in, out []string // bytes
	}{
		{`/a.c/`, []string{"xabcx"}, []string{"a\nc", "ABC"}},
		{`/a.c/s`, []string{"a\nc"}, nil},
		{`/abc/i`, []string{"ABC"}, []string{"AB"}},
		{`/^b/`, []string{"bc"}, []string{"a\nb"}},
		{`/^b/m`, []string{"a\nb"}, []string{"ab"}},
		{`/a$/`, []string{"a", "a\n"}, []string{"a\n\n", "ab"}},
		{`/a\z/`, []string{"a"}, []string{"a\n"}},
		{`/\xff\x00/`, []string{"\xff\x00"}, []string{"\xc3\xbf\x00"}},
		{`/[\x80-\xff]{3}/`, []string{"\x80\xc3\xff"}, []string{"\x7f\x80\x80"}},
		{`/é/`, []string{"\xc3\xa9"}, []string{"\xe9"}},
		{`/a\sb/`, []string{"a\x0bb", "a b"}, []string{"a\x1cb"}},
		{`/a[\s_]b/`, []string{"a\x0bb", "a_b"}, []string{"a\\b"}},
		{`/a\Sb/`, []string{"a\xffb", "axb"}, []string{"a\x0bb"}},
		{`/a[\S]b/`, []string{"a\xffb", "a\x00b"}, []string{"a\x0bb", "a b"}},
		{`/a\vb/`, []string{"a\nb", "a\x85b"}, []string{"a\tb"}},
		{`/a[\v_]b/`, []string{"a\x0bb", "a_b"}, []string{"avb"}},
		{`/a\0b/`, []string{"a\x00b"}, nil},
		{`/[]a]b/`, []string{"]b", "ab"}, []string{"b"}},
		{`/[^]a]b/`, []string{"xb"}, []string{"]b", "ab"}},
		{`/[[:digit:]x]y/`, []string{"1y", "xy"}, []string{":y"}},
		{`/a b # nothing/x`, []string{"ab"}, []string{"a b"}},
		{`/a\ b[ ]c/x`, []string{"a b c"}, []string{"abc"}},
		{`/a\;b\:c\"d\/e/`, []string{`a;b:c"d/e`}, []string{`a\;b`}},
		{`/\;\;[\;]\\x/`, []string{`;;;\x`}, []string{`;;\x`}},
		{`/a|b$/i`, []string{"xA", "B\n"}, []string{"bx"}},
	} {
		r := one(t, opts("tcp", fmt.Sprintf(`pcre:"%s";`, tt.pcre)))
		for _, in := range tt.in {
			if !r.Matchers[0].PCRE.RE.MatchString(latin1(in)) {
				t.Errorf("%s does not match %q (%s)", tt.pcre, in, r.Matchers[0].PCRE.RE)
			}
		}
		for _, out := range tt.out {
			if r.Matchers[0].PCRE.RE.MatchString(latin1(out)) {
				t.Errorf("%s matches %q (%s)", tt.pcre, out, r.Matchers[0].PCRE.RE)
			}
		}
	}
}

// latin1 is bytes as the engine presents them to an expression.
func latin1(s string) string {
	var out []rune
	for i := range len(s) {
		out = append(out, rune(s[i]))
	}
	return string(out)
}

func TestFlags(t *testing.T) {
	for _, tt := range []struct {
		flags   string
		in, out []uint8
	}{
		{"S", []uint8{0x02}, []uint8{0x12, 0x00, 0xc2}},
		{"S,12", []uint8{0x02, 0xc2, 0x42}, []uint8{0x12}},
		{"S,CE", []uint8{0x02, 0xc2, 0x42}, []uint8{0x12}},
		{"+SA", []uint8{0x12, 0x3f}, []uint8{0x02, 0x10}},
		{"SA+", []uint8{0x12, 0x3f}, []uint8{0x02, 0x10}},
		{"*SF", []uint8{0x01, 0x02, 0x12}, []uint8{0x10, 0}},
		{"!SF", []uint8{0x01, 0x02, 0}, []uint8{0x03, 0x13}},
		{"0", []uint8{0}, []uint8{1, 0x80}},
		{"!0", []uint8{1, 0x80}, []uint8{0}},
		{"FSRPAUEC", []uint8{0xff}, []uint8{0x7f}},
	} {
		f := one(t, opts("tcp", "flags:"+tt.flags+";")).Flags
		for _, in := range tt.in {
			if !f.Match(in) {
				t.Errorf("%s does not match %02x", tt.flags, in)
			}
		}
		for _, out := range tt.out {
			if f.Match(out) {
				t.Errorf("%s matches %02x", tt.flags, out)
			}
		}
	}
}

func TestRanges(t *testing.T) {
	for _, tt := range []struct {
		text     string
		min, max int
		negated  bool
	}{
		{"5", 5, 5, false},
		{"!5", 5, 5, true},
		{">5", 6, 255, false},
		{">=5", 5, 255, false},
		{"<5", 0, 4, false},
		{"<=5", 0, 5, false},
		{"5<>9", 6, 8, false},
		{" 5 <> 9 ", 6, 8, false},
	} {
		if got := *one(t, opts("icmp", "itype:"+tt.text+";")).IType; got != (Range{tt.min, tt.max, tt.negated}) {
			t.Errorf("%s: %+v", tt.text, got)
		}
	}
}

// Rules are parsed in several goroutines, which gonids alone does not allow; the race detector watches.
func TestConcurrent(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := range 20 {
				text := opts("tcp", fmt.Sprintf(`content:"%d-%d";`, i, j))
				if set, err := Parse("r", []byte(text)); err != nil || string(set.Rules[0].Matchers[0].Content.Pattern) != fmt.Sprintf("%d-%d", i, j) {
					t.Errorf("%s: %v", text, err)
				}
			}
		}()
	}
	wg.Wait()
}

func BenchmarkParse(b *testing.B) {
	var text strings.Builder
	for sid := range 1000 {
		fmt.Fprintf(&text, `alert tcp $HOME_NET any -> $EXTERNAL_NET $HTTP_PORTS (msg:"rule %d"; flow:established,to_server; `+
			`content:"GET"; content:"/path%d"; distance:1; nocase; pcre:"/x=\d+%d/R"; classtype:misc-attack; sid:%d;)`+"\n", sid, sid, sid, sid+1)
	}
	for b.Loop() {
		if _, err := Parse("r", []byte(text.String())); err != nil {
			b.Fatal(err)
		}
	}
}
