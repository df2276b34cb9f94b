// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	_ "embed" // the templates
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"text/template"
)

// Files in the run directory.
const (
	configFile    = "suricata.yaml"
	candidateFile = "candidate.yaml" // what is tried before it takes the place of configFile
	ownRulesFile  = "ofcontroller.rules"
	canaryFile    = "canary"
	logFile       = "suricata.log"
	offsetFile    = "suricata.log.offset" // bytes of logFile that were read
	pidFile       = "suricata.pid"
	stateFile     = "state.json"
	lockFile      = "lock"
	commandSocket = "command.sock"
	eventSocket   = "eve.sock"
)

// SIDs of the rules that are always loaded: the end of the range that is left to
// local use (1000000 to 1999999, "Meta Keywords" in Suricata's user guide).
// Rules of the operator's must not use FirstSID to LastSID.
const (
	FirstSID       = 1999900
	SIDTooManyTags = FirstSID     // a frame with more tags than Suricata decodes
	SIDCanary      = FirstSID + 1 // the canary of the detection
	SIDTwin        = FirstSID + 2 // its twin, which passes
	LastSID        = 1999999
)

// Bounds of a receive ring of one thread on one leg, which is locked memory.
const (
	ringBytes = 16 << 20
	minRing   = 256
	maxRing   = 2048
)

// frameOverMTU is what the longest frame has beyond the links' MTU, which has
// room for two tags already: the Ethernet header and one tag more.
const frameOverMTU = 14 + 4

//go:embed suricata.yaml.tmpl
var configText string

//go:embed own.rules.tmpl
var ownRulesText string

// leg is one entry of af-packet.
type leg struct {
	In, Out string
	Cluster int
}

// memory is the memcaps in bytes. Together they are 0.55 of the bound; with the
// default bound they are what Suricata is shipped with.
type memory struct{ Flow, Stream, Reassembly, Defrag, Host, HTTP, FTP uint64 }

func memcaps(bound uint64) memory {
	return memory{
		Flow: bound / 8, Stream: bound / 16, Reassembly: bound / 4, Defrag: bound / 32,
		Host: bound / 64, HTTP: bound / 32, FTP: bound / 64,
	}
}

// settings is what the templates are filled with.
type settings struct {
	Name, Dir, RulePath, OwnRules string
	CommandSocket, EventSocket    string
	Rules                         []string
	Include                       string
	Legs                          [2]leg
	Threads, Ring, PacketSize     int
	Mem                           memory
	TooManyTags                   int
	CanarySID, TwinSID            int
	Canary, Twin                  string
}

// path is a file in the run directory.
func (a *Attachment) path(name string) string { return filepath.Join(a.o.Dir, name) }

// settings for rules, with frames of packetSize bytes and the links' indices.
func (a *Attachment) settings(rules []string, packetSize int, index [2]int) settings {
	s := settings{
		Name: fmt.Sprintf("%q", a.o.Name), Dir: a.o.Dir, RulePath: a.o.Dir, OwnRules: a.path(ownRulesFile),
		CommandSocket: a.path(commandSocket), EventSocket: a.path(eventSocket),
		Rules: rules, Include: a.o.Include, Threads: a.o.Threads, PacketSize: packetSize,
		Ring: max(minRing, min(maxRing, ringBytes/packetSize)), Mem: memcaps(a.o.MemoryMax),
		TooManyTags: SIDTooManyTags, CanarySID: SIDCanary, Canary: a.canary, TwinSID: SIDTwin, Twin: string(a.Twin()),
	}
	if len(rules) > 0 {
		s.RulePath = filepath.Dir(rules[0])
	}
	for i := range s.Legs {
		// Numbers below 0x8000 are left to groups whose number the kernel chooses,
		// from 0 on (PACKET_FANOUT_FLAG_UNIQUEID); an index is one link's alone.
		s.Legs[i] = leg{In: a.pairs[i].Peer, Out: a.pairs[1-i].Peer, Cluster: 0x8000 | index[i]&0x7fff}
	}
	return s
}

func render(text string, s settings) ([]byte, error) {
	t, err := template.New("").Option("missingkey=error").
		Funcs(template.FuncMap{"path": func(p string) string { return `"` + p + `"` }}).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, s); err != nil {
		return nil, fmt.Errorf("fill template: %w", err)
	}
	return b.Bytes(), nil
}

// fingerprint stands for all settings that a running Suricata cannot take over:
// everything but the rules and the size of frames.
func (a *Attachment) fingerprint(s settings) (string, error) {
	s.Rules, s.RulePath, s.PacketSize, s.Ring = nil, "", 0, 0
	text, err := render(configText, s)
	if err != nil {
		return "", err
	}
	own, err := render(ownRulesText, s)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, part := range [][]byte{text, own, []byte(a.o.Binary)} {
		fmt.Fprintf(h, "%d ", len(part))
		h.Write(part)
	}
	if a.o.Include != "" {
		b, err := os.ReadFile(a.o.Include)
		if err != nil {
			return "", fmt.Errorf("read include file: %w", err)
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// ruleHash stands for the names and contents of rule files. Files that cannot be
// read are an error of type Faults beside it; Suricata itself merely warns of
// them.
func ruleHash(files []string) (string, error) {
	h := sha256.New()
	var faults Faults
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			faults = append(faults, Fault{File: f, Wrong: cause(err)})
		}
		fmt.Fprintf(h, "%s %d %t ", f, len(b), err == nil)
		h.Write(b)
	}
	sum := hex.EncodeToString(h.Sum(nil))
	if faults != nil {
		return sum, faults
	}
	return sum, nil
}

// cause is the system's part of an error about a file.
func cause(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// loadCanary reads the secret of the canary, or makes one: it stays the same for
// as long as the run directory does, so that an adopted Suricata knows it.
func loadCanary(dir string) (text string, made bool, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", false, fmt.Errorf("make run directory: %w", err)
	}
	path := filepath.Join(dir, canaryFile)
	if b, err := os.ReadFile(path); err == nil {
		if raw, err := hex.DecodeString(string(b)); err == nil && len(raw) == canaryLen {
			return string(b), false, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", false, fmt.Errorf("read canary: %w", err)
	}
	secret := make([]byte, canaryLen)
	if _, err := rand.Read(secret); err != nil {
		return "", false, fmt.Errorf("make canary: %w", err)
	}
	text = hex.EncodeToString(secret)
	return text, true, writeFile(path, []byte(text))
}

// canaryLen is the number of random bytes in the canary's secret.
const canaryLen = 16

// writeFile puts a file in place as a whole. It writes nothing where the file
// says so already: with a full disk Suricata can still be started again.
func writeFile(path string, b []byte) error {
	if holds(path, b) {
		return nil
	}
	tmp := path + ".new"
	err := os.WriteFile(tmp, b, 0o600)
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp)
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// holds tells whether a file has just this content.
func holds(path string, b []byte) bool {
	old, err := os.ReadFile(path)
	return err == nil && bytes.Equal(old, b)
}
