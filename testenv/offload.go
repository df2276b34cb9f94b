// SPDX-License-Identifier: Apache-2.0

package testenv

import "errors"

// Offload turns the checksum and segmentation offloads of both ends of the
// host's link on, as a machine has them by default: its TCP then hands segments
// of up to 64 KiB to the switch, without checksums. The switch's end joins what
// comes in as segments, as adapters do (GRO). Only the kernel datapath forwards
// those right.
func (h *Host) Offload() error {
	if h.local {
		return h.ns.do(func() error { return setOffloads(h.name, 1, 1) })
	}
	return errors.Join(
		h.ns.do(func() error { return setOffloads(netDevice(0), 1, 0) }),
		h.env.ns.do(func() error { return setOffloads(h.name, 1, 1) }),
	)
}

// Offload turns them on at both ends of a veth link, where the kernel has them
// on by default. GRO is not among those.
func (p *Port) Offload() error {
	return errors.Join(
		p.ns.do(func() error { return setOffloads(p.name, 1, 0) }),
		p.env.ns.do(func() error { return setOffloads(p.name, 1, 0) }),
	)
}
