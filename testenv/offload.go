// SPDX-License-Identifier: Apache-2.0

package testenv

import "errors"

// Offload turns the checksum and segmentation offloads of both ends of the
// host's link on, as a machine has them by default: its TCP then hands segments
// of up to 64 KiB to the switch, without checksums. Only the kernel datapath
// forwards those right.
func (h *Host) Offload() error {
	if h.local {
		return h.ns.do(func() error { return offloadsOn(h.name) })
	}
	return errors.Join(
		h.ns.do(func() error { return offloadsOn(netDevice(0)) }),
		h.env.ns.do(func() error { return offloadsOn(h.name) }),
	)
}

// Offload does the same for both ends of a veth link.
func (p *Port) Offload() error {
	return errors.Join(
		p.ns.do(func() error { return offloadsOn(p.name) }),
		p.env.ns.do(func() error { return offloadsOn(p.name) }),
	)
}
