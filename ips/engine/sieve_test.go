// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// foundIn runs the sieves over a text.
func foundIn(sieves []sieve, patterns [][]byte, text []byte) []int32 {
	in := folded{raw: text}
	seen := make([]uint64, (len(patterns)+63)/64)
	var found []int32
	for i := range sieves {
		found = sieves[i].scan(&in, patterns, seen, found)
	}
	slices.Sort(found)
	return found
}

// checkSieve compares the multi-pattern search with a plain one in lower case, pattern by pattern.
func checkSieve(t *testing.T, patterns [][]byte, text []byte) {
	t.Helper()
	var want []int32
	for i, p := range patterns {
		if bytes.Contains(lower(nil, text), p) {
			want = append(want, int32(i))
		}
	}
	if got := foundIn(newSieves(patterns), patterns, text); !slices.Equal(got, want) {
		t.Fatalf("patterns %q in %q: found %v, want %v", patterns, text, got, want)
	}
}

// randomPatterns is up to so many patterns of 1 to 12 bytes of the letters, each once.
func randomPatterns(rng *rand.Rand, most int, letters string) [][]byte {
	set := map[string]bool{}
	for range 1 + rng.IntN(most) {
		p := make([]byte, 1+rng.IntN(12))
		for i := range p {
			p[i] = letters[rng.IntN(len(letters))]
		}
		set[string(p)] = true
	}
	var out [][]byte
	for p := range set {
		out = append(out, []byte(p))
	}
	return out
}

// TestSieve finds all that is there and nothing else, among few letters, a zero among them since padding is of zeros, at
// every place and at both ends.
func TestSieve(t *testing.T) {
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 3))
		letters := []string{"ab", "abc\x00", "a\x00", "abcdefgh", "a@`0"}[seed%5]
		patterns := randomPatterns(rng, 40, letters)
		if long := slices.DeleteFunc(slices.Clone(patterns), func(p []byte) bool { return len(p) < 6 }); seed%2 == 0 && len(long) > 0 {
			patterns = long // which then go into one sieve
		}
		text := make([]byte, rng.IntN(70))
		for i := range text {
			text[i] = letters[rng.IntN(len(letters))]
		}
		for range 2 { // some patterns are there for sure
			p := patterns[rng.IntN(len(patterns))]
			if len(text) > len(p) {
				copy(text[rng.IntN(len(text)-len(p)+1):], p)
			}
		}
		for range rng.IntN(4) { // and some letters are capitals
			if len(text) > 0 {
				at := rng.IntN(len(text))
				copy(text[at:], bytes.ToUpper(text[at:at+1]))
			}
		}
		checkSieve(t, patterns, text)
	}
}

// TestSieveEverywhere puts patterns of each length at each place of a text.
func TestSieveEverywhere(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for length := 1; length <= 20; length++ {
		p := []byte(randomText(rng, length))
		for at := range 12 {
			for behind := range 5 {
				text := slices.Concat(bytes.Repeat([]byte{0xff}, at), p, bytes.Repeat([]byte{0xff}, behind))
				checkSieve(t, [][]byte{p}, text)
			}
		}
	}
}

// TestSieveBounds: many patterns, and patterns that share all their pieces, take no more than their share of memory, and
// a text is not compared twice with a pattern that it has.
func TestSieveBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	patterns := make([][]byte, 60_000)
	for i := range patterns {
		patterns[i] = []byte(randomText(rng, 12))
	}
	s := newSieves(patterns)
	if len(s) != 1 || len(s[0].bits)*64 > maxBits || len(s[0].grains) != 4*len(patterns) {
		t.Fatalf("%d sieves, %d bits, %d grains", len(s), len(s[0].bits)*64, len(s[0].grains))
	}
	for _, i := range []int{0, 1, 31_415, 59_999} {
		if found := foundIn(s, patterns, slices.Concat([]byte("x"), patterns[i], []byte("yz"))); !slices.Contains(found, int32(i)) {
			t.Errorf("pattern %d is not found: %v", i, found)
		}
	}
	patterns = nil
	for n := range 200 {
		patterns = append(patterns, bytes.Repeat([]byte("a"), n+1))
	}
	if found := foundIn(newSieves(patterns), patterns, bytes.Repeat([]byte("a"), 1400)); len(found) != len(patterns) {
		t.Errorf("%d found of %d", len(found), len(patterns))
	}
}

// FuzzSieve takes patterns of the first text, cut at a separator.
func FuzzSieve(f *testing.F) {
	f.Add([]byte("a|ab|abcdefg|bcdef"), []byte("xabcdefgh"))
	f.Add([]byte("abcdef|bcdefg|ab"), []byte("xABcdeFGh@`"))
	f.Add([]byte("\x00|\x00\x00|a\x00"), []byte("a\x00"))
	f.Fuzz(func(t *testing.T, list, text []byte) {
		var patterns [][]byte
		for p := range bytes.SplitSeq(list, []byte("|")) {
			if len(p) > 0 && len(patterns) < 100 {
				patterns = append(patterns, lower(nil, p))
			}
		}
		checkSieve(t, patterns, text)
	})
}

// TestLower compares with a table, at every place within a word.
func TestLower(t *testing.T) {
	for b := range 256 {
		for at := range 17 {
			text := bytes.Repeat([]byte{'@'}, 17)
			text[at] = byte(b)
			want := slices.Clone(text)
			if b >= 'A' && b <= 'Z' {
				want[at] = byte(b) + 'a' - 'A'
			}
			if got := lower([]byte("XY"), text); !bytes.Equal(got[2:], want) || string(got[:2]) != "XY" {
				t.Fatalf("%q in lower case is %q, want %q", text, got, want)
			}
		}
	}
}
