// SPDX-License-Identifier: Apache-2.0

// Package testenv gives tests and the demo a real Open vSwitch of their own.
//
// It owns a private ovsdb-server and ovs-vswitchd in a temporary directory, the
// network namespaces around them, the veth links that stand for uplink, guests
// and IPS, the packet sockets at their far ends, a scripted stand-in for an IPS,
// and the controller processes started in it. Everything it starts ends with
// [Env.Stop], and also when the process that started it panics, is killed or
// runs into the test time-out: children get SIGKILL with their parent, a small
// shell waits on a pipe and removes what is left, and each [Start] removes what
// a dead process left behind all the same.
//
// Layout of one environment:
//
//	namespace NS()          ovsdb-server, ovs-vswitchd, ovs-netdev, the bridges'
//	                        LOCAL devices, the switch's end of each veth
//	namespace NS()-wire     the far end of each veth, with a packet socket on it;
//	                        no addresses, so its kernel never answers a frame
//	namespace NS()-h<n>     one [Host] each, with an IP address
//
// The userspace datapath reads its ports through packet sockets, so the kernel's
// own stack sees the same frames on the switch's end of a veth. ARP is off and
// reverse path filtering is strict there, which keeps it from answering in the
// place of the LOCAL device.
//
// It never touches a switch, namespace or link that it did not make, and needs no
// program besides /bin/sh, those of the packages openvswitch-switch and util-linux
// and, to build a controller, the Go tool. It imports no other package of this
// module.
package testenv
