// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"encoding/hex"
	"fmt"
	"strings"

	"ofcontroller/testenv"
)

// traced is one question to `ofcontroller trace`.
type traced struct {
	name string
	args []string
}

// fieldsOf are arguments for a frame by its fields.
func fieldsOf(in string, src, dst fmt.Stringer, more ...string) []string {
	return append([]string{"--in-port", in, "--src", src.String(), "--dst", dst.String()}, more...)
}

// hexOf are arguments for a whole frame.
func hexOf(in string, f []byte, more ...string) []string {
	return append([]string{"--in-port", in, "--hex", hex.EncodeToString(f)}, more...)
}

// tracer asks and writes down the answers.
type tracer struct {
	*bed
	text strings.Builder
	n    int
}

// ask notes the question, the exit code and the explanation. The host's address
// is another one in every run.
func (tr *tracer) ask(cases ...traced) {
	tr.t.Helper()
	for _, c := range cases {
		tr.n++
		out, err := tr.ctl.CLI(append([]string{"trace"}, c.args...)...)
		code := 0
		if err != nil {
			code = 1
			if !strings.Contains(out, "STOPPED") {
				tr.t.Errorf("%s: %v", c.name, err)
			}
		}
		if p := tr.ports[host]; p != nil {
			out = strings.ReplaceAll(out, p.MAC().String(), "HOST")
		}
		fmt.Fprintf(&tr.text, "== %s (exit code %d)\n%s\n", c.name, code, out)
	}
}

// await waits until the controller has converged again and status has the text.
func (tr *tracer) await(part string) {
	tr.t.Helper()
	eventually(tr.t, converge, part, func() bool {
		out, err := tr.ctl.CLI("status")
		return err == nil && strings.Contains(out, part) && strings.Contains(strings.Join(strings.Fields(out), " "), "converged yes")
	})
}

// link sets the far end of a port up or down, and waits until status shows it.
func (tr *tracer) link(p *testenv.Port, up bool) {
	tr.t.Helper()
	if err := p.SetLink(up); err != nil {
		tr.t.Fatal(err)
	}
	state := map[bool]string{true: "link up", false: "link down"}[up]
	eventually(tr.t, converge, p.Name()+": "+state, func() bool {
		out, _ := tr.ctl.CLI("status")
		for line := range strings.Lines(out) {
			if strings.Contains(line, " "+p.Name()+":") && strings.Contains(line, state) {
				return true
			}
		}
		return false
	})
}

// counters are the flows with what they counted, without those that probes hit.
func (tr *tracer) counters() string {
	text := tr.env.OfctlT(tr.t, "-O", "OpenFlow13", "dump-flows", tr.env.Mgmt("br0"))
	var keep []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, "controller(") || strings.Contains(line, "OFPST") || strings.Contains(line, "CONTROLLER:") ||
			strings.Contains(line, "goto_table:40") || strings.Contains(line, "actions=goto_table:return") {
			continue
		}
		fs := strings.Split(strings.TrimSpace(line), ", ")
		keep = append(keep, strings.Join(append(fs[:1:1], fs[2:]...), ", ")) // without the duration
	}
	return strings.Join(keep, "\n")
}
