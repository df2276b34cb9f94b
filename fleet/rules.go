// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"ofcontroller/config"
)

// Bounds of rule sets. The tables as a whole have at most as many rows as the schema says.
const (
	maxRuleSet   = 64 << 20  // bytes of text, as many as a rule file may have
	maxChunk     = 128 << 10 // characters in a row, as in the schema
	chunksAtOnce = 8         // in one transaction
)

// RuleSet is a file of rules that the fleet keeps for its hosts.
type RuleSet struct {
	Digest string // SHA-256 of the text, in hexadecimal
	Size   int    // of the text, in bytes
	Text   []byte // nil where it has not been read
}

func newRuleSet(text []byte) RuleSet {
	sum := sha256.Sum256(text)
	return RuleSet{Digest: hex.EncodeToString(sum[:]), Size: len(text), Text: text}
}

// packed is the text as rows hold it: compressed with gzip (RFC 1952), in base64 (RFC 4648, section 4), and cut in pieces.
func packed(text []byte) ([]string, error) {
	var b bytes.Buffer
	in64 := base64.NewEncoder(base64.StdEncoding, &b)
	zip, err := gzip.NewWriterLevel(in64, gzip.BestCompression)
	if err == nil {
		_, err = zip.Write(text)
	}
	if err == nil {
		err = errors.Join(zip.Close(), in64.Close())
	}
	var out []string
	for piece := range slices.Chunk(b.Bytes(), maxChunk) {
		out = append(out, string(piece))
	}
	return out, err
}

// errRuleSet says that rows do not hold what their digest says.
var errRuleSet = errors.New("what the fleet's database holds of it is not its content: fleet apply of its file puts it right")

// unpack reads what packed has made and writes the text, if it is the one of the digest: what was written is to be thrown
// away when it fails. A text of more bytes than most is none.
func unpack(rows io.Reader, digest string, most int64, w io.Writer) error {
	rows = &reading{from: rows}
	zip, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, rows))
	if err != nil {
		return rows.(*reading).blame(errRuleSet)
	}
	sum := sha256.New()
	out := &writing{to: io.MultiWriter(w, sum)}
	n, err := io.Copy(out, io.LimitReader(zip, most+1))
	switch {
	case out.err != nil:
		return out.err
	case err != nil:
		return rows.(*reading).blame(errRuleSet)
	case n > most || hex.EncodeToString(sum.Sum(nil)) != digest:
		return errRuleSet
	}
	return nil
}

// reading and writing keep the error of their side, so that it is known which one has failed.
type reading struct {
	from io.Reader
	err  error
}

func (r *reading) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// blame is the error of reading, if there was one, else the other.
func (r *reading) blame(other error) error {
	if r.err != nil {
		return r.err
	}
	return other
}

type writing struct {
	to  io.Writer
	err error
}

func (w *writing) Write(p []byte) (n int, err error) {
	n, err = w.to.Write(p)
	w.err = err
	return n, err
}

// ruleSets names the rule sets that a host needs, by its layers: a list is taken as a whole from the highest that gives it.
func (d Document) ruleSets(host string) (map[string]string, error) {
	h := d.Hosts[host]
	var top []config.Entry
	all := [][]config.Entry{h.Own}
	for _, name := range slices.Backward(h.Profiles) {
		all = append(all, d.Profiles[name])
	}
	for _, entries := range all {
		if slices.ContainsFunc(entries, func(e config.Entry) bool { return strings.HasPrefix(e.Path, "inspection.attachments") }) {
			top = entries
			break
		}
	}
	var out map[string]string
	for _, e := range top {
		for _, path := range e.List {
			name, ok := config.RuleSet(path)
			if !ok || !strings.HasSuffix(e.Path, ".rules") {
				continue
			}
			set, there := d.RuleSets[name]
			if !there {
				return nil, fmt.Errorf("host %s: there is no rule set %s, which %s names", host, name, e.Path)
			}
			if out == nil {
				out = map[string]string{}
			}
			out[name] = set.Digest
		}
	}
	return out, nil
}

// digestOf is the digest of what a host is asked for.
func (d Document) digestOf(host string) (string, error) {
	layers, err := d.Layers(host)
	if err != nil {
		return "", err
	}
	sets, err := d.ruleSets(host)
	return digest(layers, sets), err
}

// ruleSetLines are what a plan compares of a rule set; nil when there is none of this name.
func ruleSetLines(d Document, name string) []line {
	s, ok := d.RuleSets[name]
	if !ok {
		return nil
	}
	return []line{{"sha256", s.Digest}, {"bytes", fmt.Sprint(s.Size)}}
}

// setNames lists rule sets for a person.
func setNames(sets map[string]string) string {
	return "[" + strings.Join(slices.Sorted(maps.Keys(sets)), ", ") + "]"
}
