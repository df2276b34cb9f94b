// SPDX-License-Identifier: Apache-2.0

package link

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// seal drops at the engine's end whatever goes to or comes from the host's own
// stack. Frames of the untagged network come with VID 0, which the kernel takes
// for a mere priority tag (IEEE Std 802.1Q-2022, section 6.8): without this the
// host would answer and forward guests' packets behind the gateway's back. Packet
// sockets stand before the classifier on receive and, where they ask for it,
// pass by it on send (PACKET_QDISC_BYPASS).
func seal(l netlink.Link, way Way) error {
	index, name := l.Attrs().Index, l.Attrs().Name
	q := &netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT,
	}}
	if err := netlink.QdiscAdd(q); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add clsact to %s: %w", name, err)
	}
	parents := []uint32{netlink.HANDLE_MIN_INGRESS}
	if way == Both {
		parents = append(parents, netlink.HANDLE_MIN_EGRESS)
	}
	for _, parent := range parents {
		if err := dropAll(index, parent); err != nil {
			return fmt.Errorf("add filter to %s: %w", name, err)
		}
	}
	return nil
}

// dropAll sets a filter that drops every frame: the classic BPF program
// "return TC_ACT_SHOT" as a cls_bpf in direct-action mode (tc-bpf(8)), which
// needs neither bpf(2) nor an action module.
func dropAll(index int, parent uint32) error {
	program := binary.NativeEndian.AppendUint16(nil, unix.BPF_RET|unix.BPF_K)
	program = append(program, 0, 0) // jt, jf of struct sock_filter
	program = binary.NativeEndian.AppendUint32(program, uint32(netlink.TC_ACT_SHOT))

	var protocol [2]byte
	binary.BigEndian.PutUint16(protocol[:], unix.ETH_P_ALL)
	req := nl.NewNetlinkRequest(unix.RTM_NEWTFILTER, unix.NLM_F_CREATE|unix.NLM_F_ACK)
	req.AddData(&nl.TcMsg{
		Family: nl.FAMILY_ALL, Ifindex: int32(index), Handle: 1, Parent: parent,
		Info: netlink.MakeHandle(1, binary.NativeEndian.Uint16(protocol[:])), // priority 1
	})
	req.AddData(nl.NewRtAttr(nl.TCA_KIND, nl.ZeroTerminated("bpf")))
	options := nl.NewRtAttr(nl.TCA_OPTIONS, nil)
	options.AddRtAttr(nl.TCA_BPF_OPS_LEN, nl.Uint16Attr(1))
	options.AddRtAttr(nl.TCA_BPF_OPS, program)
	options.AddRtAttr(nl.TCA_BPF_FLAGS, nl.Uint32Attr(nl.TCA_BPF_FLAG_ACT_DIRECT))
	req.AddData(options)
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}
