// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// noted writes down what a command prints; what differs from run to run is
// replaced.
type noted struct {
	*bed
	text strings.Builder
}

var varies = regexp.MustCompile(`(?m)\b[0-9]+s$|\bage_s: [0-9]+$`)

func (n *noted) run(name string, args ...string) {
	n.t.Helper()
	out, err := n.ctl.CLI(args...)
	if err != nil {
		_, words, _ := strings.Cut(err.Error(), "exit status ")
		out += "exit status " + words + "\n"
	}
	out = strings.ReplaceAll(out, n.ports[host].MAC().String(), "HOST")
	out = strings.ReplaceAll(out, n.ctl.Config(), "CONFIG")
	fmt.Fprintf(&n.text, "== %s\n%s\n", name, varies.ReplaceAllString(out, "AGE"))
}

// TestGoldenPlan asks what configurations would do, which changes nothing. The
// plan for what is in force says that nothing is left to do.
func TestGoldenPlan(t *testing.T) {
	t.Parallel()
	n := &noted{bed: newBed(t, 1, wayConfig)}
	began := time.Now()
	before := n.dumpAges()
	plan := func(name, config string, args ...string) {
		if err := n.ctl.Rewrite(config); err != nil {
			t.Fatal(err)
		}
		n.run(name, append([]string{"plan"}, args...)...)
	}
	change := func(old, now string) string {
		if !strings.Contains(wayConfig, old) {
			t.Fatalf("%q is not in the configuration", old)
		}
		return n.yaml(strings.Replace(wayConfig, old, now, 1))
	}
	more := change("[0, 10, 20, 40]", "[0, 10, 20, 25, 40]")
	plan("the same", n.yaml(wayConfig))
	plan("one VLAN more", more, "-v")
	plan("one VLAN less", change("[0, 10, 20, 40]", "[0, 10, 40]"), "-v")
	plan("a VLAN on a second port", change("[10, 30]", "[10, 20, 30]"))
	plan("a policy for a VLAN", n.yaml(wayConfig+"inspection:\n  policy: [{vlan: 20, proto: tcp, port: 22, action: drop}]\n"), "-v")
	plan("a policy for all", n.yaml(wayConfig+"inspection:\n  policy: [{proto: tcp, port: 22, action: bypass}]\n"))
	plan("open on failure", n.yaml(wayConfig+"inspection:\n  on_failure: open\n"))
	plan("a port that is missing", change("port: trunk2", "port: trunk9"))
	plan("another attachment", strings.Replace(n.yaml(wayConfig), "port: ips0}", "port: ips0}, {name: second, kind: port, port: ips9}", 1))
	plan("another channel", "openflow: tcp:127.0.0.1:6653\n"+n.yaml(wayConfig))
	plan("faulty", change("native_vlan: 30", "native_vlan: 31"))
	plan("as JSON", more, "-o", "json")
	plan("as YAML", more, "-o", "yaml")
	n.expectUntouched(t, before, began)

	n.reload(t, strings.Replace(wayConfig, "[0, 10, 20, 40]", "[0, 10, 20, 25, 40]", 1))
	plan("in force now", more)
	golden(t, "plan.txt", n.text.String())
}
