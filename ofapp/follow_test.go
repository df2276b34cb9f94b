// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// follower is an `ofcontroller alerts -f` or `events -f` at work.
type follower struct {
	cmd            *exec.Cmd
	stdout, stderr lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// follow starts to follow a journal of the bed's controller.
func (b *bed) follow(t *testing.T, method string, args ...string) *follower {
	t.Helper()
	f := &follower{cmd: b.ctl.Command(t.Context(), append([]string{method, "-f", "-n", "4000"}, args...)...)}
	f.cmd.Stdout, f.cmd.Stderr = &f.stdout, &f.stderr
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if f.cmd.ProcessState == nil {
			_ = f.cmd.Process.Kill()
			_ = f.cmd.Wait()
		}
	})
	return f
}

// lines are the whole lines that it has printed so far.
func (f *follower) lines() []string {
	all := strings.Split(f.stdout.String(), "\n")
	return all[:len(all)-1]
}

// end ends it as a user does: exit code 0.
func (f *follower) end(t *testing.T) {
	t.Helper()
	if err := f.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := f.cmd.Wait(); err != nil {
		t.Errorf("ended with %v: %s", err, f.stderr.String())
	}
}

// alertSeen is what a test looks at of an alert.
type alertSeen struct {
	attachment, origin, port string
	vlan, sid                int
	action                   string
	srcPort                  int
}

func (f *follower) alerts(t *testing.T) []alertSeen {
	t.Helper()
	var out []alertSeen
	for i, l := range f.lines() {
		var e struct {
			Type    string `json:"event_type"`
			VLAN    []int  `json:"vlan"`
			SrcPort int    `json:"src_port"`
			Alert   struct {
				Action string `json:"action"`
				SID    int    `json:"signature_id"`
			} `json:"alert"`
			Own struct {
				Seq                               int
				Attachment, Origin, Port, Offload string
			} `json:"ofcontroller"`
		}
		if err := json.Unmarshal([]byte(l), &e); err != nil || e.Type != "alert" || e.Own.Seq != i+1 {
			t.Fatalf("line %d is not an alert: %v: %s", i, err, l)
		}
		a := alertSeen{e.Own.Attachment, e.Own.Origin, e.Own.Port, 0, e.Alert.SID, e.Alert.Action, e.SrcPort}
		if len(e.VLAN) > 0 {
			a.vlan = e.VLAN[0]
		}
		out = append(out, a)
	}
	return out
}

// want waits for just these alerts.
func (f *follower) want(t *testing.T, want ...alertSeen) {
	t.Helper()
	eventually(t, settle, "the alerts are there", func() bool { return len(f.lines()) >= len(want) })
	if got := f.alerts(t); !slices.Equal(got, want) {
		t.Errorf("alerts:\n got %+v\nwant %+v\n%s", got, want, f.stdout.String())
	}
}
