// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// opts puts options into a rule with sid 9 on line 1.
func opts(proto, options string) string {
	return fmt.Sprintf("alert %s any any -> any any (%s sid:9;)", proto, options)
}

func TestFaults(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"action", `log tcp any any -> any any (sid:9;)`, `r:1: sid 9: the action "log" is not supported, alert, drop, pass or reject`},
		{"protocol", `alert http any any -> any any (sid:9;)`, `r:1: sid 9: the protocol "http" is not supported, any, ip, tcp, udp or icmp`},
		{"direction", `alert ip any any <- any any (sid:9;)`, `the direction "<-" is unknown`},
		{"address", `alert ip 192.0.2.300 any -> any any (sid:9;)`, `the source address 192.0.2.300: "192.0.2.300" is no address`},
		{"address range", `alert ip 192.0.2.9-192.0.2.3 any -> any any (sid:9;)`, `is no address, prefix or range`},
		{"no address over", `alert ip [192.0.2.0/24,!192.0.0.0/16] any -> any any (sid:9;)`, `leaves no address over`},
		{"not any", `alert ip !any any -> any any (sid:9;)`, `!any is nothing`},
		{"brackets", `alert ip [192.0.2.1 any -> any any (sid:9;)`, `the header is not complete`},
		{"nesting", `alert ip ` + strings.Repeat("[", 40) + "any" + strings.Repeat("]", 40) + ` any -> any any (sid:9;)`, `more than 16 deep`},
		{"variable", `alert ip $NO_NET any -> any any (sid:9;)`, `the variable $NO_NET is unknown`},
		{"port", `alert tcp any 70000 -> any any (sid:9;)`, `"70000" is no port`},
		{"port range", `alert tcp any any -> any 90:80 (sid:9;)`, `"90:80" is no port`},
		{"no port over", `alert tcp any any -> any [80,!1:100] (sid:9;)`, `leaves no port over`},
		{"icmp port", `alert icmp any any -> any 80 (sid:9;)`, `the destination port 80: ICMP has no ports`},
		{"header only", `alert tcp any any`, `r:1: the header is not complete`},
		{"action only", `alert `, `the header is not complete`},
		{"no parentheses", `alert tcp any any -> any any`, `no options in parentheses`},
		{"not closed", `alert tcp any any -> any any (sid:9;`, `the options are not closed`},
		{"no semicolon", `alert tcp any any -> any any (sid:9)`, `the value of sid has no semicolon`},
		{"behind", `alert tcp any any -> any any (sid:9;) alert`, `"alert" follows the closing parenthesis`},
		{"no sid", `alert tcp any any -> any any (msg:"x";)`, `r:1: the rule has no sid, add sid:NUMBER;`},
		{"sid zero", `alert tcp any any -> any any (sid:0;)`, `is out of range`},
		{"sid text", `alert tcp any any -> any any (sid:12a;)`, `is no number`},
		{"sid twice", `alert tcp any any -> any any (sid:9; sid:9;)`, `the option sid is there twice`},
		{"UTF-8", "alert tcp any any -> any any (msg:\"\xff\"; sid:9;)", `r:1: sid 9: the rule is not UTF-8`},
		{"control", "alert tcp any any -> any any (msg:\"\x00\"; sid:9;)", `the control character`},
		{"backslash at the end", "alert tcp any any -> any any \\", `ends with a backslash`},
		{"too long", opts("tcp", `msg:"`+strings.Repeat("x", maxRuleBytes)+`";`), `longer than 8192 bytes`},
		{"too many", opts("tcp", strings.Repeat("nocase;", 300)), `the rule has 301 options`},

		{"unknown", opts("tcp", `http.uri; content:"x";`), `r:1: sid 9: the option http.uri is not supported`},
		{"unknown with value", opts("tcp", `flowbits:set,x;`), `the option flowbits is not supported`},
		{"negated msg", opts("tcp", `msg:!"x";`), `the option msg cannot be negated`},
		{"msg without quotes", opts("tcp", `msg:x;`), `the value of msg must stand in quotes`},
		{"quoted sid", `alert ip any any -> any any (sid:"9";)`, `the value of sid stands in quotes`},
		{"no value", opts("tcp", `flags;`), `the option flags needs a value`},
		{"value", opts("tcp", `noalert:1;`), `the option noalert takes no value`},
		{"quote open", opts("tcp", `msg:"x;`), `the value of msg has no closing quote`},
		{"semicolon inside", opts("tcp", `content:"a;b";`), `the value of content has no closing quote`},

		{"content empty", opts("tcp", `content:"";`), `stands for 0 bytes`},
		{"content long", opts("tcp", `content:"`+strings.Repeat("x", 1025)+`";`), `stands for 1025 bytes`},
		{"content hex", opts("tcp", `content:"|4|";`), `no pairs of hexadecimal digits`},
		{"content hex odd", opts("tcp", `content:"|41 4|";`), `no pairs of hexadecimal digits`},
		{"content bar", opts("tcp", `content:"a|41";`), `a bar that no other closes`},
		{"content bars", opts("tcp", `content:"a||";`), `nothing between its bars`},
		{"content escape", opts("tcp", `content:"a\n";`), `escapes what cannot be escaped`},
		{"content quote", opts("tcp", `content:"a"b";`), `has a quote inside`},
		{"modifier alone", opts("tcp", `nocase;`), `invalid content option "nocase" with no content match`},
		{"modifier of pcre", opts("tcp", `content:"x"; pcre:"/y/"; nocase;`), `nocase has no content before it`},
		{"modifier twice", opts("tcp", `content:"x"; depth:3; depth:4;`), `depth is there twice`},
		{"depth short", opts("tcp", `content:"xyz"; depth:2;`), `depth 2 is less than the content's 3 bytes`},
		{"within short", opts("tcp", `content:"xyz"; within:2;`), `within 2 is less than the content's 3 bytes`},
		{"depth zero", opts("tcp", `content:"x"; depth:0;`), `depth:0 is out of range`},
		{"variable depth", opts("tcp", `content:"x"; depth:len;`), `depth:len is no number`},
		{"offset and distance", opts("tcp", `content:"x"; offset:1; distance:1;`), `distance contradicts`},
		{"startswith and depth", opts("tcp", `content:"x"; startswith; depth:1;`), `depth contradicts`},
		{"endswith and within", opts("tcp", `content:"x"; within:1; endswith;`), `endswith contradicts`},
		{"fast_pattern twice", opts("tcp", `content:"x"; fast_pattern; content:"y"; fast_pattern;`), `fast_pattern is there twice`},
		{"fast_pattern negated", opts("tcp", `content:!"x"; fast_pattern;`), `fast_pattern belongs to a negated content`},
		{"fast_pattern outside", opts("tcp", `content:"xyz"; fast_pattern:2,2;`), `fast_pattern:2,2 is not understood`},
		{"replace length", opts("tcp", `content:"xyz"; replace:"ab";`), `replace has 2 bytes and its content 3`},
		{"replace negated", opts("tcp", `content:!"xyz"; replace:"abc";`), `replace belongs to a negated content`},
		{"replace alone", opts("tcp", `replace:"abc";`), `replace has no content before it`},
		{"replace icmp", opts("icmp", `content:"xyz"; replace:"abc";`), `the protocol is icmp`},
		{"replace drop", `drop tcp any any -> any any (content:"a"; replace:"b"; sid:9;)`, `the action drop contradicts`},
		{"bypass drop", `drop tcp any any -> any any (bypass; sid:9;)`, `the action drop contradicts`},
		{"dsize too small", opts("tcp", `content:"xyz"; dsize:2;`), `cannot lie in a payload of 2 bytes`},
		{"dsize zero", opts("tcp", `pcre:"/x/"; dsize:0;`), `to be empty and to match`},

		{"pcre slash", opts("tcp", `pcre:"abc";`), `pcre`},
		{"pcre prefix", opts("tcp", `pcre:"x/abc/";`), `does not begin with a slash`},
		{"pcre option", opts("tcp", `pcre:"/abc/U";`), `has the option 'U', which is not supported`},
		{"pcre look-ahead", opts("tcp", `pcre:"/a(?=b)/";`), "is refused by RE2: error parsing regexp: invalid or unsupported Perl syntax: `(?=`"},
		{"pcre back-reference", opts("tcp", `pcre:"/(a)\1/";`), "invalid escape sequence: `\\1`"},
		{"pcre octal", opts("tcp", `pcre:"/a\12/";`), `has \12, which may be a back-reference`},
		{"pcre possessive count", opts("tcp", `pcre:"/a{2}+/";`), "invalid nested repetition operator: `{2}+`"},
		{"pcre verb", opts("tcp", `pcre:"/(*ACCEPT)a/";`), "missing argument to repetition operator: `*`"},
		{"pcre horizontal space", opts("tcp", `pcre:"/\h/";`), "invalid escape sequence: `\\h`"},
		{"pcre possessive", opts("tcp", `pcre:"/a++/";`), "invalid nested repetition operator: `++`"},
		{"pcre class", opts("tcp", `pcre:"/\pL/";`), `has \p, which is not supported`},
		{"pcre wide", opts("tcp", `pcre:"/\x{100}/";`), `has \x{100}, which is no byte`},
		{"pcre large", opts("tcp", `pcre:"/(abcdefghij){1000}/";`), `needs about 13000 instructions, and 8192 are allowed`},
		{"pcre too large for RE2", opts("tcp", `pcre:"/(a{100}){100}/";`), "invalid repeat count: `{100}`"},
		{"pcre long", opts("tcp", `pcre:"/`+strings.Repeat("a", 5000)+`/";`), `is longer than 4096 bytes`},

		{"dsize", opts("tcp", `dsize:10<5;`), `dsize:10<5 is no number`},
		{"dsize empty", opts("tcp", `dsize:5<>6;`), `leaves no number over`},
		{"dsize comma", opts("tcp", `dsize:5,6;`), `is no number`},
		{"dsize large", opts("tcp", `dsize:65536;`), `is out of range`},
		{"itype", opts("icmp", `itype:256;`), `itype:256 is out of range`},
		{"itype tcp", opts("tcp", `itype:8;`), `itype and icode are ICMP's`},
		{"flags udp", opts("udp", `flags:S;`), `flags are TCP's`},
		{"flags", opts("tcp", `flags:X;`), `flags:X is not understood`},
		{"flags modes", opts("tcp", `flags:+*S;`), `is not understood`},
		{"flags mask", opts("tcp", `flags:S,S;`), `asks for flags that it ignores`},
		{"flags none", opts("tcp", `flags:+0;`), `compares with no flag at all`},
		{"flow", opts("tcp", `flow:only_stream;`), `flow:only_stream is not supported`},
		{"flow both", opts("tcp", `flow:to_server,to_client;`), `contradicts itself`},
		{"flow states", opts("tcp", `flow:established,stateless;`), `contradicts itself`},
		{"flow twice", opts("tcp", `flow:established; flow:to_server;`), `the option flow is there twice`},
		{"threshold", opts("tcp", `threshold:type limit, track by_src, count 1;`), `is not supported`},
		{"threshold backoff", opts("tcp", `threshold:type backoff, track by_flow, count 1, multiplier 2;`), `is not supported`},
		{"threshold words", opts("tcp", `threshold:type limit, track by_src, count 1 2, seconds 3;`), `"count 1 2" is not understood`},
		{"threshold twice", opts("tcp", `threshold:type limit, type both, track by_src, count 1, seconds 3;`), `there twice`},
		{"threshold track", opts("tcp", `threshold:type limit, track by_both, count 1, seconds 3;`), `is not supported`},
		{"reference", opts("tcp", `reference:cve;`), `invalid reference definition`},
		{"metadata", opts("tcp", `metadata:alone;`), `invalid metadata definition`},
		{"target", opts("tcp", `target:both;`), `invalid target value`},
		{"priority", opts("tcp", `priority:256;`), `is out of range`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set, err := Parse("r", []byte(tt.text))
			var faults Faults
			if !errors.As(err, &faults) || set != nil {
				t.Fatalf("got %v, %v", set, err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			for _, f := range faults {
				if f.Right == "" || f.File != "r" || f.Line != 1 {
					t.Errorf("incomplete: %#v", f)
				}
			}
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := Parse("f.rules", []byte(`# a comment
alert tcp any any -> any any (msg:"fine"; sid:1;)
alert tcp $X any -> $Y any (msg:"a"; foo; bar:1; sid:2;)

   # alert tcp any any -> any any (this is a comment)
alert tcp any any -> any any \
  (msg:"b"; \
  baz; sid:3;)
alert tcp any any -> any any (sid:1;)
alert tcp any any -> any any (dsize:5<5; flags:Q; sid:4;)
`))
	want := `f.rules:3: sid 2: the source address $X: the variable $X is unknown
f.rules:3: sid 2: the destination address $Y: the variable $Y is unknown
f.rules:3: sid 2: the option foo is not supported
f.rules:3: sid 2: the option bar is not supported
f.rules:6: sid 3: the option baz is not supported
f.rules:9: sid 1: the sid is taken by f.rules:2
f.rules:10: sid 4: dsize:5<5 is no number
f.rules:10: sid 4: flags:Q is not understood`
	var got []string
	for _, line := range strings.Split(fmt.Sprint(err), "\n") {
		for _, w := range strings.Split(want, "\n") {
			if strings.HasPrefix(line, w) {
				line = w
			}
		}
		got = append(got, line)
	}
	if diff := cmp.Diff(want, strings.Join(got, "\n")); diff != "" {
		t.Error(diff)
	}
}

// The text that names the options names just those that are known.
func TestSupportedOptions(t *testing.T) {
	for _, key := range strings.Split(strings.TrimPrefix(supportedOptions, "one of "), ", ") {
		if !optionKinds(key).known {
			t.Errorf("%s is not known", key)
		}
	}
	if optionKinds("flowbits").known {
		t.Error("flowbits is known")
	}
}

// A file that is no rule file at all does not fill the memory with faults.
func TestManyFaults(t *testing.T) {
	_, err := Parse("r", []byte(strings.Repeat("no rule\n", 2*maxFaults)))
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != maxFaults+2 {
		t.Fatalf("%d faults", len(faults))
	}
	if last := faults[len(faults)-1]; !strings.Contains(last.Wrong, "from here on were not looked at") {
		t.Errorf("%v", last)
	}
}
