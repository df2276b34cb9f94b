// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"slices"
	"strings"
	"testing"
)

// protected are the ports of the bridge that are protected, in the database.
func (b *bed) protected() string {
	b.t.Helper()
	rows := b.env.VsctlT(b.t, "--bare", "--no-headings", "--columns=name", "find", "port", "protected=true")
	return strings.Join(slices.Sorted(strings.FieldsSeq(rows)), " ")
}

// TestProtectedPorts protects all ports but those of the IPS, that of a guest to come too,
// keeps them so, and follows the configuration. A restart writes nothing.
func TestProtectedPorts(t *testing.T) {
	t.Parallel()
	const network = "br0 trunk0 trunk1 trunk2 up0"
	b := newBareBed(t, 2)
	b.port("new0", 14)
	b.ctl = b.env.Controller(t, b.yaml(wayConfig))
	b.ready(t)
	is := func(want string) {
		t.Helper()
		eventually(t, settle, "protected are "+want, func() bool { return b.protected() == want })
		b.ctl.WaitConverged(t, converge)
	}
	if got := b.protected(); got != "br0 new0 trunk0 trunk1 trunk2 up0" {
		t.Errorf("protected are %s", got)
	}
	b.env.VsctlT(t, "del-port", "br0", "new0")
	b.env.VsctlT(t, "set", "port", "up0", "protected=false", "--", "set", "port", "br0", "protected=false", "--", "set", "port", "ips1", "protected=true")
	is(network)

	written := func() string { return b.env.VsctlT(t, "get", "Open_vSwitch", ".", "next_cfg") }
	before := written()
	if err := b.ctl.Stop(); err != nil {
		t.Fatal(err)
	}
	b.ctl = b.env.Controller(t, b.yaml(wayConfig))
	b.ready(t)
	if after := written(); after != before {
		t.Errorf("next_cfg is %s after a restart, was %s: something was written", after, before)
	}

	// With another attachment, the ports of the first one are of no use.
	was := b.yaml(wayConfig)
	b.reloadYAML(t, strings.Replace(was, "{name: standin, kind: port, port: ips0, return_port: ips1}", "{name: builtin, kind: embedded}", 1))
	is("br0 ips0 ips1 trunk0 trunk1 trunk2 up0")
	b.reloadYAML(t, was)
	is(network)
}
