// SPDX-License-Identifier: Apache-2.0

package config

import (
	"time"

	"go.yaml.in/yaml/v3"
)

// Bounds of lists. They keep a bad file from costing memory; nobody comes near them.
const (
	maxUplinks     = 64
	maxTrunks      = 1024
	maxMACs        = 4096
	maxSecureMACs  = 256 // of a port with port_security: each is up to 48 flows
	maxAttachments = 64
	maxRules       = 1024
	maxPolicy      = 1024
)

// Bounds of inspection.attachments[].memory, in bytes.
const (
	MinMemory = 128 << 20
	MaxMemory = 1 << 40
)

// schema is every key there is, bound to c, in the order of the sample configuration.
func schema(c *Config) []field {
	return []field{
		{name: "ovsdb", def: "unix:/var/run/openvswitch/db.sock", value: endpoint(&c.OVSDB), doc: "database of Open vSwitch: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT"},
		{name: "openflow", def: `""`, value: optionalEndpoint(&c.OpenFlow), doc: "bridge's OpenFlow endpoint; \"\" is unix:<directory of the database socket>/<bridge>.mgmt"},
		{name: "tls", value: tlsKeys(&c.TLS), doc: "PEM files for every ssl: endpoint"},
		{name: "bridge", value: bridgeKeys(&c.Bridge), doc: "bridge that becomes the gateway"},
		{name: "uplinks", required: true, value: listOf(&c.Uplinks, maxUplinks, Uplink{}, uplinkKeys), doc: "ports on the physical side"},
		{name: "trunks", def: "[]", value: listOf(&c.Trunks, maxTrunks, Trunk{}, trunkKeys), doc: "ports on the virtual side"},
		{name: "local", value: localKeys(&c.Local), doc: "bridge's own port, i.e. the host's socket layer"},
		{name: "inspection", value: inspectionKeys(&c.Inspection), doc: "what is inspected, by whom, and what happens when nobody can"},
		{name: "forwarding", value: forwardingKeys(&c.Forwarding), doc: "way of the frames that the inspection gave back"},
		{name: "failover", def: "[]", value: listOf(&c.Failover, maxGroups, FailoverGroup{}, failoverKeys), doc: "VLANs that two gateways of a fleet serve, one at a time"},
		{name: "control", def: "/run/ofcontroller/ofcontroller.ctl", value: socketPath(&c.Control), doc: "unix socket on which status, macs and the other commands reach the running program"},
		{name: "metrics", def: `""`, value: listenAddress(&c.Metrics), doc: "HOST:PORT of Prometheus metrics, health and the status page; \"\" is none"},
		{name: "monitor", value: monitorKeys(&c.Monitor), doc: "who may look at the metrics listener, and how"},
		{name: "fleet", value: fleetKeys(&c.Fleet), doc: "database of a fleet; what it says of this gateway lies under this file"},
		{name: "log", value: logKeys(&c.Log), doc: "form of the log"},
	}
}

func tlsKeys(t *TLS) section {
	return section{
		{name: "certificate", def: `""`, value: optionalPath(&t.Certificate), doc: "this program's certificate"},
		{name: "private_key", def: `""`, value: optionalPath(&t.PrivateKey), doc: "private key of the certificate"},
		{name: "ca", def: `""`, value: optionalPath(&t.CA), doc: "certificates of the authorities that the peers' certificates must come from"},
	}
}

func bridgeKeys(b *Bridge) section {
	return section{
		{name: "name", def: "br0", value: bridgeName(&b.Name), doc: "name of the bridge"},
		{name: "create", def: "false", value: boolean(&b.Create), doc: "create the bridge and attach the ports named below where they are missing"},
		{name: "datapath_type", def: "system", value: oneOf(&b.DatapathType, "system", "netdev"), doc: "datapath of the bridge; used only when it is created"},
	}
}

func uplinkKeys(u *Uplink, _ *yaml.Node) []field {
	return []field{{name: "port", required: true, value: interfaceName(&u.Port), doc: "port of the physical adapter"}}
}

func trunkKeys(t *Trunk, _ *yaml.Node) []field {
	return []field{
		{name: "port", required: true, value: interfaceName(&t.Port), doc: "port of the virtual trunk adapter"},
		{name: "vlans", required: true, value: vlanSet(&t.VLANs), doc: "VLANs that the port carries; 0 is the untagged network"},
		{name: "native_vlan", def: "0", value: number(&t.NativeVLAN, 0, 4094), doc: "VLAN of the port's untagged frames, which leaves untagged; listed in vlans; 0 is none"},
		{name: "macs", def: "[]", value: macList(&t.MACs), doc: "known addresses behind the port; the rest is learned"},
		{name: "port_security", def: "false", value: boolean(&t.PortSecurity), doc: "only the port's known addresses, those in macs and external_ids:attached-mac, may send; frames from others are dropped and counted"},
	}
}

func localKeys(l *Local) section {
	return section{
		{name: "enabled", def: "true", value: boolean(&l.Enabled), doc: "the host takes part"},
		{name: "vlan", def: "0", value: number(&l.VLAN, 0, 4094), doc: "VLAN the host lives in; 0 is the untagged network; the host itself sends and gets untagged frames"},
	}
}

func inspectionKeys(in *Inspection) section {
	return section{
		{name: "on_failure", def: Closed, value: oneOf(&in.OnFailure, Closed, Open), doc: "closed: nothing passes uninspected; open: forward without inspection while no attachment is up"},
		{name: "attachments", required: true, value: listOf(&in.Attachments, maxAttachments, Attachment{}, attachmentKeys), doc: "what inspects"},
		{name: "probe", value: probeKeys(&in.Probe), doc: "how the health of an attachment is judged"},
		{name: "policy", def: "[]", value: listOf(&in.Policy, maxPolicy, PolicyLine{VLAN: AnyVLAN}, policyKeys), doc: "exceptions, first match wins; a frame that nothing matches is inspected"},
		{name: "offload", value: offloadKeys(&in.Offload), doc: "verdicts of an engine that become flows"},
	}
}

func attachmentKeys(a *Attachment, n *yaml.Node) []field {
	if n != nil {
		a.Line = n.Line
	}
	return []field{
		{name: "name", required: true, value: attachmentName(&a.Name), doc: "name in the log and in status"},
		{name: "kind", required: true, value: oneOf(&a.Kind, KindEmbedded, KindSuricata, KindPort), doc: "embedded: the engine in this program; suricata: a Suricata that this program runs; port: anything behind switch ports"},
		{name: "rules", def: "[]", value: ruleFiles(&a.Rules), doc: "rule files of kinds embedded and suricata, and rule sets of the fleet as fleet:NAME; without any, everything passes"},
		{name: "threads", def: "0", value: number(&a.Threads, 0, 256), doc: "workers of kinds embedded and suricata; 0 is one per CPU"},
		{name: "port", def: `""`, value: optionalInterfaceName(&a.Port), doc: "port of kind port to which frames go"},
		{name: "return_port", def: `""`, value: optionalInterfaceName(&a.ReturnPort), doc: "port of kind port from which frames come back; \"\" is the same port"},
		{name: "legs", def: LegsUniform, value: oneOf(&a.Legs, LegsUniform, LegsDirectional), doc: "with a return_port: uniform sends all frames to port and takes all back from return_port; directional sends frames of the uplink to port and all others to return_port, for engines that learn MACs"},
		{name: "weight", def: "1", value: number(&a.Weight, 1, 100), doc: "share of the connections, beside the other attachments' weights"},
		{name: "eve", def: `""`, value: optionalPath(&a.EVE), doc: "EVE-format JSON file of kind embedded; \"\" is none"},
		{name: "include", def: `""`, value: optionalPath(&a.Include), doc: "YAML file that kind suricata reads after its own configuration: a section in it takes the place of ours; \"\" is none"},
		{name: "supervise", def: SuperviseKeep, value: oneOf(&a.Supervise, SuperviseKeep, SuperviseStop), doc: "when this program ends, keep leaves a Suricata running for the next one to adopt; stop ends it"},
		{name: "memory", def: "1GiB", value: size(&a.Memory, MinMemory, MaxMemory), doc: "what a Suricata may have; one that is over it is started again"},
	}
}

func probeKeys(p *Probe) section {
	return section{
		{name: "interval", def: "500ms", value: duration(&p.Interval, 10*time.Millisecond, time.Hour, time.Nanosecond), doc: "time from probe to probe"},
		{name: "timeout", def: "250ms", value: duration(&p.Timeout, time.Millisecond, time.Hour, time.Nanosecond), doc: "a probe that is not back by then is lost; at most 100 intervals"},
		{name: "down_after", def: "3", value: number(&p.DownAfter, 1, 100), doc: "probes lost in a row until the attachment is down"},
		{name: "up_after", def: "2", value: number(&p.UpAfter, 1, 100), doc: "probes back in a row until the attachment is up"},
		{name: "slow", def: "100ms", value: duration(&p.Slow, 0, time.Hour, time.Nanosecond), doc: "down_after round trips in a row that take longer make the attachment degraded; below timeout, and without this key never where timeout is not above 100ms; 0s: never"},
		{name: "hold_down", def: "60s", value: duration(&p.HoldDown, 0, 24*time.Hour, time.Nanosecond), doc: "an attachment that fails within so long of coming up needs twice as many probes back as up_after, then four times and so on, at most as many as are sent in this time; 0s: up_after always"},
	}
}

func policyKeys(l *PolicyLine, _ *yaml.Node) []field {
	return []field{
		{name: "vlan", value: policyVLAN(&l.VLAN), doc: "VLAN of the frame; left out: any"},
		{name: "ip", value: prefix(&l.IP), doc: "source or destination, an address or ADDRESS/LENGTH; left out: any"},
		{name: "proto", value: protocol(&l.Proto), doc: "tcp, udp, icmp, sctp or a number of IP's; left out: any"},
		{name: "port", value: policyPort(&l.Port), doc: "source or destination port of tcp, udp and sctp; left out: any"},
		{name: "action", required: true, value: oneOf(&l.Action, ActionInspect, ActionBypass, ActionDrop), doc: "what becomes of a frame that matches everything on the line"},
		{name: "on_failure", value: unset(oneOf(&l.OnFailure, Closed, Open), &l.OnFailure), doc: "with action: inspect, closed or open for these frames; left out: as inspection.on_failure"},
	}
}

func offloadKeys(o *Offload) section {
	return section{
		{name: "bypass", def: "true", value: boolean(&o.Bypass), doc: "an engine's \"bypass\" verdict becomes a flow that skips inspection"},
		{name: "block", def: "60s", value: duration(&o.Block, 0, 65535*time.Second, time.Second), doc: "an engine's \"drop this connection\" becomes a drop flow for so long; 0s: never"},
		{name: "limit", def: "10000", value: number(&o.Limit, 1, 1e6), doc: "connections offloaded at once; the oldest makes room for a new one"},
		{name: "on_reload", def: Keep, value: oneOf(&o.OnReload, Keep, Flush), doc: "offloads when rules are read again: keep those whose rules are still there, or flush all"},
		{name: "share", def: "false", value: boolean(&o.Share), doc: "of a gateway in a fleet: its blocks become drop flows on the fleet's other gateways that share, and theirs here"},
	}
}

func forwardingKeys(f *Forwarding) section {
	return section{
		{name: "east_west", def: "false", value: boolean(&f.EastWest), doc: "true: frames between trunks of one VLAN are switched here (inspected); false: they go to the uplink"},
		{name: "mac_aging", def: "300s", value: duration(&f.MACAging, time.Second, 65535*time.Second, time.Second), doc: "an address that was silent for so long is forgotten; whole seconds"},
		{name: "mac_limit", def: "4096", value: number(&f.MACLimit, 1, 1e6), doc: "learned addresses at once, over all ports"},
		{name: "mac_limit_per_port", def: "1024", value: number(&f.MACLimitPerPort, 1, 1e6), doc: "learned addresses at once on one port"},
		{name: "share_macs", def: "false", value: boolean(&f.ShareMACs), doc: "the fleet is told which addresses are behind the trunk ports; without a fleet without effect"},
	}
}

func logKeys(l *Log) section {
	return section{
		{name: "level", def: "info", value: oneOf(&l.Level, "debug", "info", "warning", "error"), doc: "least severe level that is logged"},
		{name: "format", def: "text", value: oneOf(&l.Format, "text", "json"), doc: "text for people, json for machines"},
	}
}
