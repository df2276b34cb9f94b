// SPDX-License-Identifier: Apache-2.0

package config

import "strings"

// article puts a or an before a phrase that begins with a noun.
func article(phrase string) string {
	switch {
	case strings.HasPrefix(phrase, "one of "), strings.HasPrefix(phrase, "true or "):
		return phrase
	case strings.ContainsRune("aeiou", rune(phrase[0])):
		return "an " + phrase
	}
	return "a " + phrase
}

// keyText shows a key from the file as part of a path: as it is when it looks like a key, else quoted.
func keyText(s string) string {
	if s != "" && len(s) <= 60 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-<") == "" {
		return s
	}
	return quote(s)
}

// nearest returns the word that was probably meant: one that begins so, or is at most two edits and less than half of
// itself away. "" when none is near.
func nearest(s string, words []string) string {
	const most = 2
	if len(s) > 40 {
		return ""
	}
	for _, w := range words {
		if len(s) >= 3 && strings.HasPrefix(w, strings.ToLower(s)) {
			return w
		}
	}
	best, found := most+1, ""
	for _, w := range words {
		if n := edits(strings.ToLower(s), w); n < best && 2*n < len(w) {
			best, found = n, w
		}
	}
	return found
}

// edits counts the single-byte insertions, deletions and replacements, and swaps of neighbours, that make b of a.
func edits(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
