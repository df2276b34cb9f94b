// SPDX-License-Identifier: Apache-2.0

package flows

// Table is an OpenFlow table number.
type Table uint8

// The tables of the pipeline, in the order in which a frame meets them.
const (
	TableClassify Table = 0  // which port: origin into reg0, ingress port into reg1
	TableSender   Table = 6  // ports with port security: who may send
	TableAdmit    Table = 10 // reserved multicast stops here
	TableVLAN     Table = 12 // VLAN admission per port; VLAN into reg2; native VLANs lose their tag
	TableFull     Table = 13 // learned: ports at their limit of learned addresses; all others go on to what learns
	TableIngress  Table = 14 // VLANs of several trunk ports: remember the source's port (writes TableSources)
	TableLimit    Table = 15 // what learns could not: the port is at its limit (writes TableFull)
	TableGate     Table = 16 // VLANs of failover groups: the group into reg6
	TableTerm     Table = 17 // per group: the token that counts into reg7; the lease's own flows
	TableLease    Table = 18 // group and token: this gateway has the lease; the lease's own flows, with a time-out
	TableSteer    Table = 20 // policy: inspect, bypass or drop
	TableOffload  Table = 24 // connections over IPv4 whose verdict the switch carries out itself
	TableOffload6 Table = 25 // the same over IPv6
	TableSlot     Table = 28 // several attachments: the connection's slot into reg5
	TableXOR      Table = 29 // whether a bit of one side of the connection differs from that of the other
	TableDispatch Table = 30 // carrier tag on, out to the attachment; the failure policy
	TableReturn   Table = 40 // back from the attachment: carrier tag off, origin and VLAN restored; probes to the controller
	TableSource   Table = 50 // the ingress port again into reg1
	TableSources  Table = 52 // learned: VLAN and source MAC → ingress port
	TableForward  Table = 60 // by origin and VLAN
	TableHost     Table = 62 // the host's VLAN: is it for the host's own MAC?
	TableUnicast  Table = 64 // the host's VLAN: it is not for the host
	TableLearn    Table = 66 // the actions that write TableMAC
	TableMAC      Table = 70 // learned and static: VLAN and destination MAC → port into reg3
	TableOutput   Table = 80 // the port of reg3, tagged as that port wants the VLAN
	TableEmit     Table = 90 // one of several trunk ports, unless the frame came from it
)

// TableInfo names a table for dumps and documentation.
type TableInfo struct {
	Table   Table
	Name    string // as set in the Flow_Table row, shown by ovs-ofctl --names
	Meaning string
}

// Tables lists the pipeline's tables in order.
func Tables() []TableInfo {
	return []TableInfo{
		{TableClassify, "classify", "origin of the frame by its ingress port: reg0 and reg1"},
		{TableSender, "sender", "ports with port_security: frames from other than known addresses stop here"},
		{TableAdmit, "admit", "frames to reserved multicast addresses (01:80:c2:00:00:0x) stop here"},
		{TableVLAN, "vlan", "VLAN admission by port: reg2; the tag of a VLAN that is untagged on some port is taken off"},
		{TableFull, "full", "learned: ports at their limit of learned addresses, for a second; other ports go on to the tables ingress and learn"},
		{TableIngress, "ingress", "VLANs of several trunk ports: learns the source's port into the table sources"},
		{TableLimit, "limit", "behind the actions that learn: one that the limit has kept from it notes the port in the table full"},
		{TableGate, "gate", "VLANs that two gateways serve: the failover group; read on the way in and on the way back"},
		{TableTerm, "term", "of a failover group: the token of the lease that counts"},
		{TableLease, "lease", "of a failover group and a token: this gateway forwards; times out by itself"},
		{TableSteer, "steer", "inspection policy: inspect, bypass or drop"},
		{TableOffload, "offload", "what is to be inspected: connections over IPv4 that an engine has bypassed or blocked"},
		{TableOffload6, "offload6", "the same over IPv6"},
		{TableSlot, "slot", "several attachments: the slot of the connection, from low bits of both sides"},
		{TableXOR, "xor", "for the table slot: do a bit of one side and that of the other differ"},
		{TableDispatch, "dispatch", "carrier tag on and out to the attachment; the failure policy when none is up"},
		{TableReturn, "return", "back from the attachment: origin and VLAN from the carrier tag; probes go to the controller"},
		{TableSource, "source", "ingress port of a frame that came back: reg1"},
		{TableSources, "sources", "learned: VLAN and source MAC to ingress port, for VLANs of several trunk ports"},
		{TableForward, "forward", "destination by origin and VLAN"},
		{TableHost, "host", "in the host's VLAN: is the frame for the host?"},
		{TableUnicast, "unicast", "in the host's VLAN: unicast frames that are not for the host"},
		{TableLearn, "learn", "per port: the action that learns the source MAC into the table mac"},
		{TableMAC, "mac", "learned and static: VLAN and destination MAC to port"},
		{TableOutput, "output", "out of the chosen port, tagged as that port wants the VLAN"},
		{TableEmit, "emit", "floods from a trunk port: out of the port that in_port names for this look-up, unless the frame came from it"},
	}
}

// String returns the table's name.
func (t Table) String() string {
	for _, i := range Tables() {
		if i.Table == t {
			return i.Name
		}
	}
	return "unknown"
}
