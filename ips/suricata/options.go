// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/sirupsen/logrus"

	"ofcontroller/ips/link"
)

// Defaults of Options.
const (
	DefaultMTU       = 1500
	DefaultMemoryMax = 1 << 30
)

// Bounds of Options. The MTU is the guests', in bytes: below 68 there is no IPv4
// (RFC 791, section 3.2), and Suricata's rings want a frame to fit into 32 KiB.
const (
	MinMTU       = 68
	MaxMTU       = 32000
	MaxThreads   = 256
	MinMemoryMax = 128 << 20
)

// carrierRoom is what the links have beyond the guests' MTU: the carrier tag
// and a tag of the guest's own, 4 bytes each.
const carrierRoom = 8

// maxSocketPath is the room in sockaddr_un less the terminating zero (unix(7)).
const maxSocketPath = 107

// Options of an Attachment.
type Options struct {
	Name    string   // of the attachment, as configured
	Rules   []string // rule files, absolute
	Threads int      // workers per direction; 0 is 1
	// Dir is the absolute run directory of this attachment alone: Suricata's
	// configuration, log, sockets and state. It is made where it is missing.
	Dir string
	// Include is a YAML file of the operator's, absolute, read after ours: a
	// section in it takes the place of our section of that name. "" is none.
	Include   string
	MTU       int    // of the guests, in bytes; 0 is DefaultMTU
	MemoryMax uint64 // bytes; 0 is DefaultMemoryMax. See the package's comment
	// Stop says that Suricata is to end with Run. By default it keeps running
	// and the next Attachment with this Dir adopts it.
	Stop   bool
	Binary string // Suricata; "" is "suricata" in PATH
	Log    logrus.FieldLogger
	// OnEvent hears of every event. It is called by one goroutine and must not
	// block: while it does, Suricata drops events. The event is the callee's.
	OnEvent func(Event)
	// OnEnd hears, the moment a process ends, how it did: frames do not pass until
	// another one runs. A process that Run leaves running has not ended.
	OnEnd func(how string)
}

func withDefaults(o Options) (Options, error) {
	if o.Threads == 0 {
		o.Threads = 1
	}
	if o.MTU == 0 {
		o.MTU = DefaultMTU
	}
	if o.MemoryMax == 0 {
		o.MemoryMax = DefaultMemoryMax
	}
	if o.Binary == "" {
		o.Binary = "suricata"
	}
	if filepath.IsAbs(o.Dir) {
		o.Dir = filepath.Clean(o.Dir)
	}
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	if o.Log == nil {
		l := logrus.New()
		l.SetOutput(io.Discard)
		o.Log = l
	}
	return o, o.check()
}

func (o *Options) check() error {
	var faults []error
	if o.Threads < 1 || o.Threads > MaxThreads {
		faults = append(faults, fmt.Errorf("%d threads: want 1 to %d", o.Threads, MaxThreads))
	}
	if o.MemoryMax < MinMemoryMax {
		faults = append(faults, fmt.Errorf("memory bound of %d bytes: want %d or more", o.MemoryMax, MinMemoryMax))
	}
	faults = append(faults, checkMTU(o.MTU), checkPath("run directory", o.Dir), checkRules(o.Rules))
	if n := len(filepath.Join(o.Dir, commandSocket)); n > maxSocketPath {
		faults = append(faults, fmt.Errorf("run directory %s: a socket's path in it has %d bytes: want %d at most", o.Dir, n, maxSocketPath))
	}
	if o.Include != "" {
		faults = append(faults, checkPath("include file", o.Include))
	}
	return errors.Join(faults...)
}

func checkMTU(mtu int) error {
	if mtu < MinMTU || mtu > MaxMTU {
		return fmt.Errorf("MTU %d: want %d to %d", mtu, MinMTU, MaxMTU)
	}
	return nil
}

func checkRules(files []string) error {
	var faults []error
	for _, f := range files {
		faults = append(faults, checkPath("rule file", f))
	}
	return errors.Join(faults...)
}

// checkPath wants what can stand in suricata.yaml between double quotes.
func checkPath(what, path string) error {
	if !filepath.IsAbs(path) || strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r == 0x7f }) {
		return fmt.Errorf("%s %q: want an absolute path without quotes, backslashes and control characters", what, path)
	}
	return nil
}

// portPrefix begins the names of our links. The switch's ends of the legs end
// in -0 and -1, the engine's in -a and -b.
const portPrefix = "ofs-"

// PortNames are the links that an attachment gives to the switch, leg 0 and leg
// 1, of 15 bytes at most.
func PortNames(name string) [2]string {
	return [2]string{link.Name(portPrefix, name, "-0"), link.Name(portPrefix, name, "-1")}
}

// PeerNames are the other ends of the two pairs, which Suricata runs on.
func PeerNames(name string) [2]string {
	return [2]string{link.Name(portPrefix, name, "-a"), link.Name(portPrefix, name, "-b")}
}

func pairs(name string) [2]link.Pair {
	ports, peers := PortNames(name), PeerNames(name)
	return [2]link.Pair{{Port: ports[0], Peer: peers[0]}, {Port: ports[1], Peer: peers[1]}}
}
