// SPDX-License-Identifier: Apache-2.0

package testenv_test

import (
	"net/netip"
	"testing"

	"ofcontroller/testenv"
)

// TestWire lets hosts on two bridges speak over a wire, in a VLAN that the second
// bridge tags.
func TestWire(t *testing.T) {
	e := testenv.New(t, testenv.WithBridge("br0"))
	if err := e.AddBridge("br1"); err != nil {
		t.Fatal(err)
	}
	if err := e.AddWire("br0", "w0", "br1", "w1"); err != nil {
		t.Fatal(err)
	}
	near := host(t, e, "near", "192.0.2.1/24", 10)
	far, err := e.AddHost("br1", "far", netip.MustParsePrefix("192.0.2.2/24"), 0)
	if err != nil {
		t.Fatal(err)
	}
	e.VsctlT(t, "set", "port", "far", "tag=10")
	local, err := e.LocalHost("br1", netip.MustParsePrefix("192.0.2.3/24"))
	if err != nil {
		t.Fatal(err)
	}
	e.VsctlT(t, "set", "port", "br1", "tag=10")
	for _, to := range []*testenv.Host{far, local} {
		if err := near.Ping(t.Context(), to.Addr()); err != nil {
			t.Error(err)
		}
		checkTCP(t, near, to)
	}
	for _, wrong := range [][4]string{
		{"none", "x0", "br1", "x1"},
		{"br0", "x0", "none", "x1"},
		{"br0", "x0", "br1", "a-name-that-is-too-long"},
	} {
		if err := e.AddWire(wrong[0], wrong[1], wrong[2], wrong[3]); err == nil {
			t.Errorf("%q: no error", wrong)
		}
	}
}
