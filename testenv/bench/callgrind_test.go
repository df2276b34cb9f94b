// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
)

// TestSelfCost adds up the lines of one object, in each way that a dump names
// it, and leaves out what calls cost.
func TestSelfCost(t *testing.T) {
	const dump = `# callgrind format
version: 1
positions: line
events: Ir
totals: 1000

ob=(1) /usr/sbin/ovs-vswitchd
fl=(1) ???
fn=(1) 0x1000
0 40
cfn=(2) malloc
cob=(2) /lib/libc.so.6
calls=7 100
0 500
+3 2

ob=(2)
fn=(2)
0 300
cob=(1)
cfn=(3)
calls=1 0
0 9

ob=(1)
fn=(3) 0x2000
* 8
-1 50
`
	if n, err := selfCost(dump, "/ovs-vswitchd"); err != nil || n != 100 {
		t.Errorf("%d, %v, want 100", n, err)
	}
	// Named as the called one first.
	const called = "ob=(1) /lib/libc.so.6\n0 5\ncob=(3) /usr/sbin/ovs-vswitchd\ncalls=1 0\n0 70\nob=(3)\n0 11\n"
	if n, err := selfCost(called, "/ovs-vswitchd"); err != nil || n != 11 {
		t.Errorf("%d, %v, want 11", n, err)
	}
	for text, want := range map[string]string{
		"ob=(1) /lib/libc.so.6\n0 5\n":       "nothing",
		"ob=(1) /usr/sbin/ovs-vswitchd\n0 x": `"0 x"`,
	} {
		if _, err := selfCost(text, "/ovs-vswitchd"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v", text, err)
		}
	}
}
