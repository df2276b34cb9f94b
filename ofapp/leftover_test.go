// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
)

// leftBed is a rosterBed of one control socket, beside which the notes are.
type leftBed struct {
	*rosterBed
	control string
}

func newLeftBed(t *testing.T, attachments ...string) *leftBed {
	t.Helper()
	r := newRosterBed(t, attachments...)
	return &leftBed{r, r.ctl.Control()}
}

func (r *leftBed) textHere(attachments []string) string {
	return strings.ReplaceAll(r.text(attachments), "${CONTROL}", r.control)
}

// restartWith has the controller end, however that may come, and start with
// other attachments.
func (r *leftBed) restartWith(t *testing.T, end func() error, attachments ...string) {
	t.Helper()
	must(t, end())
	r.ctl = r.env.Controller(r.home, r.textHere(attachments))
	r.ready(t)
}

// expectNoEngine fails if anything is there of an attachment: ports, links, run
// directory, process.
func (r *leftBed) expectNoEngine(t *testing.T, name string, pid int) {
	t.Helper()
	if ports := r.env.VsctlT(t, "list-ports", "br0"); strings.Contains(ports, name) {
		t.Errorf("ports of the bridge:\n%s", ports)
	}
	if links := r.links(t, name); len(links) > 0 {
		t.Errorf("links %v", links)
	}
	if left, err := os.ReadDir(filepath.Join(r.env.Dir(), name)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("run directory: %v %v", left, err)
	}
	if suricataRuns(pid) {
		t.Errorf("process %d runs on", pid)
	}
	if text, err := os.ReadFile(r.control + ".engines"); strings.Contains(string(text), name) {
		t.Errorf("it is still noted: %s %v", text, err)
	}
}

// links names the links beside the switch that have a text in their names.
func (r *leftBed) links(t *testing.T, text string) []string {
	t.Helper()
	var names []string
	must(t, r.env.Do(func() error {
		all, err := netlink.LinkList()
		for _, l := range all {
			if strings.Contains(l.Attrs().Name, text) {
				names = append(names, l.Attrs().Name)
			}
		}
		return err
	}))
	return names
}

// TestSuricataLeft takes a Suricata out of the configuration while the program is
// stopped or killed: the next start takes it away, and no frame is lost, not even
// of the only attachment.
func TestSuricataLeft(t *testing.T) {
	t.Parallel()
	const a, s0 = "{name: a, kind: port, port: ips0}", "{name: left0, kind: suricata, rules: [RULES]}"
	r := newLeftBed(t, a, s0)
	defer r.endSuricatas("left0")
	r.load(t)
	eventually(t, suricataStart, "a Suricata runs", func() bool { return r.pidOf("left0") != 0 })
	first := r.pidOf("left0")
	if !suricataRuns(first) {
		t.Errorf("no Suricata runs as process %d", first)
	}
	r.restartWith(t, func() error { r.ctl.Kill(); return nil }, a)
	r.expectNoEngine(t, "left0", first)
	must(t, r.ctl.Rewrite(r.textHere([]string{s0})))
	must(t, r.ctl.Signal(syscall.SIGHUP))
	eventually(t, suricataStart, "a Suricata alone", func() bool { return slices.Equal(r.attachmentStates(), []string{"left0 up"}) })
	r.ctl.WaitConverged(t, suricataStart)
	second := r.pidOf("left0")
	r.restartWith(t, r.ctl.Stop, a)
	r.expectNoEngine(t, "left0", second)
	if first == 0 || second == 0 || first == second {
		t.Errorf("Suricata was process %d, then %d", first, second)
	}
	r.judge(t, false)
	r.expectFreshRoster(t, []string{a})
}

// TestEnginesLeft takes embedded engines out of the configuration while the
// program is stopped. Where another link stands in the place of one, it stays,
// and so does its port. release knows of them, too.
func TestEnginesLeft(t *testing.T) {
	t.Parallel()
	const a, own, theirs = "{name: a, kind: port, port: ips0}", "{name: own0, kind: embedded}", "{name: own1, kind: embedded}"
	replace := func(r *leftBed) {
		must(t, r.env.Do(func() error {
			l, err := netlink.LinkByName("ofc-own1")
			if err != nil {
				return err
			}
			return netlink.LinkDel(l)
		}))
		_, err := r.env.AddLink("ofc-own1")
		must(t, err)
	}
	expectTheirs := func(r *leftBed) {
		t.Helper()
		if ports := r.env.VsctlT(t, "list-ports", "br0"); !strings.Contains(ports, "ofc-own1") || len(r.links(t, "own1")) != 1 {
			t.Errorf("another's link was touched: %v, ports\n%s", r.links(t, "own1"), ports)
		}
		if !strings.Contains(r.ctl.Logs(), "ofc-own1") {
			t.Error("nobody tells of it")
		}
	}
	t.Run("start", func(t *testing.T) {
		r := newLeftBed(t, a, own, theirs)
		r.restartWith(t, func() error { r.ctl.Kill(); replace(r); return nil }, a)
		r.expectNoEngine(t, "own0", 0)
		expectTheirs(r)
	})
	t.Run("release", func(t *testing.T) {
		r := newLeftBed(t, a, own)
		must(t, r.ctl.Stop())
		must(t, r.ctl.Rewrite(r.textHere([]string{a})))
		out, err := r.ctl.CLI("release")
		if err != nil || !strings.Contains(out, "own0 is gone, and its ports ofc-own0\n") {
			t.Errorf("%v %s", err, out)
		}
		r.expectNoEngine(t, "own0", 0)
	})
}
