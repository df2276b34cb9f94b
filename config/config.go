// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/netip"
	"path"
	"time"
)

// Values of the keys that take one of a few words.
const (
	Closed = "closed" // inspection.on_failure: nothing passes uninspected
	Open   = "open"   // inspection.on_failure: forward without inspection while no attachment is up

	KindEmbedded = "embedded" // inspection.attachments[].kind: the engine in this program
	KindSuricata = "suricata" // inspection.attachments[].kind: a Suricata that this program runs
	KindPort     = "port"     // inspection.attachments[].kind: anything behind switch ports

	Keep  = "keep"  // inspection.offload.on_reload: offloads outlive a reload, if their rules do
	Flush = "flush" // inspection.offload.on_reload: offloads end with a reload

	LegsUniform     = "uniform"     // inspection.attachments[].legs: all frames in at port, out at return_port
	LegsDirectional = "directional" // inspection.attachments[].legs: by the side that a frame comes from

	SuperviseKeep = "keep" // inspection.attachments[].supervise: Suricata runs on when this program ends
	SuperviseStop = "stop" // inspection.attachments[].supervise: Suricata ends with this program

	ActionInspect = "inspect" // inspection.policy[].action
	ActionBypass  = "bypass"  // inspection.policy[].action
	ActionDrop    = "drop"    // inspection.policy[].action
)

// AnyVLAN is PolicyLine.VLAN when the line does not look at the VLAN.
const AnyVLAN = -1

// Config is a whole valid configuration. Only Parse and Load make one; its slices belong to the caller.
type Config struct {
	OVSDB      string // endpoint of the database, see ParseEndpoint
	OpenFlow   string // endpoint of the bridge, "" for the bridge's management socket; see OpenFlowEndpoint
	TLS        TLS
	Bridge     Bridge
	Uplinks    []Uplink // at least one
	Trunks     []Trunk
	Local      Local
	Inspection Inspection
	Forwarding Forwarding
	Failover   []FailoverGroup
	Control    string // path of the control socket
	Metrics    string // HOST:PORT of the metrics listener, "" for none
	Monitor    Monitor
	Fleet      Fleet
	Log        Log
}

// TLS names the PEM files for every ssl: endpoint. All three are set or none is.
type TLS struct {
	Certificate, PrivateKey, CA string
}

// Bridge is the Open vSwitch bridge that becomes the gateway.
type Bridge struct {
	Name         string
	Create       bool   // make the bridge and attach the ports where they are missing
	DatapathType string // system or netdev; used when the bridge is created
}

// Uplink is a port on the physical side.
type Uplink struct {
	Port string
}

// Trunk is a port on the virtual side.
type Trunk struct {
	Port       string
	VLANs      []uint16 // VIDs, ascending and unique, ranges expanded; 0 is the untagged network
	NativeVLAN uint16   // VID of the port's untagged frames, one of VLANs; 0: none
	MACs       []MAC    // known addresses behind the port

	PortSecurity bool // only known addresses may send
}

// Local is the bridge's own port, the host's socket layer.
type Local struct {
	Enabled bool
	VLAN    uint16 // VID the host lives in; 0 is the untagged network
}

// Inspection says what is inspected, by whom, and what happens when nobody can.
type Inspection struct {
	OnFailure   string       // Closed or Open
	Attachments []Attachment // at least one
	Probe       Probe
	Policy      []PolicyLine // first match wins; what no line matches is inspected
	Offload     Offload
}

// Attachment is one IPS.
type Attachment struct {
	Name, Kind       string   // Name is unique; Kind is KindEmbedded, KindSuricata or KindPort
	Rules            []string // paths of rule files, and fleet:NAME
	Threads          int      // workers; 0: one per CPU
	Port, ReturnPort string   // of KindPort; ReturnPort is "" when the attachment is one-legged
	Legs             string   // of KindPort: LegsUniform or LegsDirectional
	Weight           int      // share of the connections, 1 to 100
	EVE              string   // path of the EVE-format JSON file of KindEmbedded, "" for none
	Include          string   // of KindSuricata: path of a YAML file that Suricata reads after ours, "" for none
	Supervise        string   // of KindSuricata: SuperviseKeep or SuperviseStop
	Memory           uint64   // of KindSuricata: bytes that the process may have
	Line             int      // line of the configuration file where the attachment stands, from 1
}

// Probe is how the health of an attachment is judged.
type Probe struct {
	Interval, Timeout  time.Duration // Timeout may be longer than Interval: several probes are under way then
	DownAfter, UpAfter int           // probes in a row, lost or answered, until the verdict changes
	Slow               time.Duration // a longer round trip is slow; 0: none is
	HoldDown           time.Duration // bound of the time that an attachment which fails often has to give probes back; 0: none
}

// PolicyLine matches frames and says what becomes of them. A criterion that is not set matches every frame.
type PolicyLine struct {
	VLAN   int          // VID, or AnyVLAN
	IP     netip.Prefix // source or destination, host bits zero; the zero Prefix: any
	Proto  string       // tcp, udp, icmp, sctp, or another IP protocol number 0-255 in decimal; "": any
	Port   uint16       // source or destination port, host byte order, with tcp, udp and sctp only; 0: any
	Action string       // ActionInspect, ActionBypass or ActionDrop

	OnFailure string // Closed or Open, with ActionInspect only; "": Inspection.OnFailure
}

// Offload is which verdicts of an engine become flows.
type Offload struct {
	Bypass bool
	Block  time.Duration // 0: never
	Limit  int           // connections at once

	OnReload string // Keep or Flush
	Share    bool   // blocks are those of all hosts of the fleet
}

// Forwarding is the way of the frames that were given back.
type Forwarding struct {
	EastWest                  bool          // switch between trunk ports of a VLAN here
	MACAging                  time.Duration // whole seconds, 1s to 65535s: OpenFlow counts idle_timeout in 16 bits
	MACLimit, MACLimitPerPort int           // learned addresses at once
	ShareMACs                 bool          // the fleet is told where addresses are
}

// Log is the form of the log.
type Log struct {
	Level, Format string // debug, info, warning or error; text or json
}

// OpenFlowEndpoint returns where the bridge is spoken to: the configured endpoint, or else the bridge's management socket
// next to the database's socket, unix:DIRECTORY/BRIDGE.mgmt (ovs-ofctl(8), "OpenFlow Switch Management Commands"). A
// configuration that was parsed always has one.
func (c *Config) OpenFlowEndpoint() string {
	if c.OpenFlow != "" {
		return c.OpenFlow
	}
	db, err := ParseEndpoint(c.OVSDB)
	if err != nil || db.Network != NetworkUnix {
		return ""
	}
	return Endpoint{Network: NetworkUnix, Path: path.Join(path.Dir(db.Path), c.Bridge.Name+".mgmt")}.String()
}
