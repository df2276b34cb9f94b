// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestToldTwice tells everything twice: the switch gets the messages of a change
// again, and the controller all that the switch says unasked. Nothing changes.
func TestToldTwice(t *testing.T) {
	t.Parallel()
	b := newBareBed(t, 2)
	b.newRelay()
	b.relay.twice = true
	b.still = true
	was := b.chaosYAML("")
	b.ctl = b.env.Controller(t, was)
	b.ready(t)
	tr := b.startTraffic(wayStreams())
	for _, change := range []string{"[20, 40, 60]", "[20, 40]", `[20, 40, "1000-1099"]`, "[20, 40]"} {
		b.reloadYAML(t, strings.Replace(was, "[20, 40]", change, 1))
		b.ctl.WaitConverged(t, converge)
		want := strings.Join(keys(b.dumpAges()), "\n")
		b.relay.mu.Lock()
		messages := b.relay.change
		b.relay.mu.Unlock()
		repairs := b.ctl.Status()["repairs"]
		b.sayAgain(t, messages)
		if got := strings.Join(keys(b.dumpAges()), "\n"); got != want {
			t.Errorf("VLANs %s: flows after %d messages again:\n%s\nbefore:\n%s", change, len(messages), got, want)
		}
		if text, err := b.ctl.CLI("flows", "--live"); err != nil || text != "" || b.ctl.Status()["repairs"] != repairs {
			t.Errorf("VLANs %s: %v %s", change, err, text)
		}
	}
	must(t, b.ports[t2].SetLink(false)) // port-status, twice
	must(t, b.ports[t2].SetLink(true))
	b.ctl.WaitConverged(t, converge)
	probes, _ := b.ctl.Status()["attachments"].([]any)[0].(map[string]any)["probes"].(map[string]any)
	if n, _ := probes["duplicate"].(float64); n == 0 {
		t.Error("no probe came back twice")
	}
	if s := b.attachmentState(); s != "up" {
		t.Errorf("the attachment is %s", s)
	}
	tr.flows(t)
	tr.halt()
	if y := tr.tally(); !y.clean() {
		t.Error(y)
	}
	b.expectFresh(t)
}

// sayAgain sends messages to the switch on a connection of their own, and waits
// until it has carried them out.
func (b *bed) sayAgain(t *testing.T, messages [][]byte) {
	t.Helper()
	if len(messages) < 4 {
		t.Fatalf("%d messages: no whole change", len(messages))
	}
	c, err := net.Dial("unix", b.relay.to)
	must(t, err)
	defer c.Close()
	must(t, c.SetDeadline(time.Now().Add(converge)))
	all := []byte("\x04\x00\x00\x08\x00\x00\x00\x01") // hello
	for _, m := range messages {
		all = append(all, m...)
	}
	all = append(all, "\x04\x14\x00\x08OVER"...) // barrier
	_, err = c.Write(all)
	must(t, err)
	over := false
	forward(c, io.Discard, func(m []byte) bool {
		over = string(m[4:8]) == "OVER"
		if controlOf(m) == -1 && m[1] == 1 {
			t.Errorf("the switch refuses it: % x", m)
		}
		return !over
	}, func([]byte) bool { return true })
	if !over {
		t.Error("the switch does not answer")
	}
}
