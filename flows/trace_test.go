// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ofcontroller/flows"
	"ofcontroller/testenv"
	"ofcontroller/testenv/model"
)

const bridge = "br0"

// The ports that tracedSwitch has; configurations use some of them.
const uplinkPort = 1

var (
	trunkPorts  = []uint16{11, 12, 13, 14}
	ipsPorts    = []uint16{21, 22, 23, 24, 25, 26, 27, 28}
	foreignPort = uint16(31) // on the bridge, but none of the gateway's
)

// tracedSwitch is a real switch that is asked what it would do with a frame.
type tracedSwitch struct {
	env   *testenv.Env
	ports map[string]uint16 // by name
	file  string            // takes flows on their way to ovs-ofctl
}

func newTracedSwitch(t *testing.T) *tracedSwitch {
	t.Helper()
	s := &tracedSwitch{
		env:   testenv.New(t, testenv.WithBridge(bridge)),
		ports: map[string]uint16{bridge: model.LocalPort},
		file:  filepath.Join(t.TempDir(), "flows"),
	}
	args := []string{"set", "bridge", bridge, "fail_mode=secure"}
	for _, port := range slices.Concat([]uint16{uplinkPort, foreignPort}, trunkPorts, ipsPorts) {
		name := fmt.Sprintf("p%d", port)
		args = append(args, "--", "add-port", bridge, name,
			"--", "set", "interface", name, "type=internal", fmt.Sprintf("ofport_request=%d", port))
		s.ports[name] = port
		if !slices.Contains(ipsPorts, port) {
			args = append(args, "--", "set", "port", name, "protected=true")
		}
	}
	args = append(args, "--", "set", "port", bridge, "protected=true")
	s.env.VsctlT(t, args...)
	// A group's bucket is alive while its port's link is up.
	for name := range s.ports {
		if out, err := s.env.Command(t.Context(), "ip", "link", "set", name, "up").CombinedOutput(); err != nil {
			t.Fatalf("set %s up: %v: %s", name, err, out)
		}
	}
	for name, want := range s.ports {
		if name == bridge {
			continue
		}
		if got := strings.TrimSpace(s.env.VsctlT(t, "get", "interface", name, "ofport")); got != fmt.Sprint(want) {
			t.Fatalf("port %s: ofport is %s, asked for %d", name, got, want)
		}
	}
	return s
}

// install replaces all groups and all flows, learned ones too.
func (s *tracedSwitch) install(groups []flows.Group, all []flows.Flow) error {
	var text strings.Builder
	for _, g := range groups {
		text.WriteString(g.String())
		text.WriteByte('\n')
	}
	if err := os.WriteFile(s.file, []byte(text.String()), 0o600); err != nil {
		return err
	}
	if _, err := s.env.Ofctl("-O", "OpenFlow13", "del-groups", s.env.Mgmt(bridge)); err != nil {
		return err
	}
	if _, err := s.env.Ofctl("-O", "OpenFlow13", "add-groups", s.env.Mgmt(bridge), s.file); err != nil {
		return err
	}
	// Flows are gone by now or go with their meters; those that come need theirs.
	if _, err := s.env.Ofctl("-O", "OpenFlow13", "del-meters", s.env.Mgmt(bridge)); err != nil {
		return err
	}
	for _, m := range flows.Meters(all) {
		if _, err := s.env.Ofctl("-O", "OpenFlow13", "add-meter", s.env.Mgmt(bridge), m.String()); err != nil {
			return err
		}
	}
	text.Reset()
	for _, f := range all {
		text.WriteString(f.String())
		text.WriteByte('\n')
	}
	if err := os.WriteFile(s.file, []byte(text.String()), 0o600); err != nil {
		return err
	}
	_, err := s.env.Ofctl("-O", "OpenFlow13", "--bundle", "replace-flows", s.env.Mgmt(bridge), s.file)
	return err
}

// trace asks where a frame goes. The switch learns from it as from a real frame,
// since the trace is of a packet (ovs-vswitchd(8), ofproto/trace, "Side
// effects"), but sends nothing.
func (s *tracedSwitch) trace(port uint16, f model.Frame) ([]model.Output, string, error) {
	in := fmt.Sprintf("in_port=%d", port)
	if port == model.LocalPort {
		in = "in_port=LOCAL"
	}
	text, err := s.env.Appctl("ofproto/trace", "--names", bridge, in, hex.EncodeToString(wire(f)))
	if err != nil {
		return nil, "", err
	}
	_, actions, found := strings.Cut(text, "Datapath actions: ")
	if !found || strings.Contains(actions, "\nDatapath actions: ") {
		return nil, text, fmt.Errorf("not one line of datapath actions")
	}
	actions, _, _ = strings.Cut(actions, "\n")
	out, err := s.outputs(actions, f.Tags)
	return out, text, err
}

var (
	actionSyntax = regexp.MustCompile(`[\w.-]+(\((?:[^()]|\([^()]*\))*\))?`)
	fieldSyntax  = regexp.MustCompile(`(\w+)=(\w+)`)
)

// outputs carries datapath actions out on a stack of tags.
func (s *tracedSwitch) outputs(actions string, tags []model.Tag) ([]model.Output, error) {
	var out []model.Output
	for _, action := range actionSyntax.FindAllString(actions, -1) {
		name, fields, _ := strings.Cut(action, "(")
		switch {
		case name == "drop" || name == "userspace" || name == "meter": // a meter lets one frame pass
		case name == "pop_vlan":
			if len(tags) == 0 {
				return nil, fmt.Errorf("pop_vlan of an untagged frame: %s", actions)
			}
			tags = tags[1:]
		case name == "push_vlan":
			tag, err := pushed(fields)
			if err != nil {
				return nil, err
			}
			tags = append([]model.Tag{tag}, tags...)
		case s.ports[name] != 0 && fields == "":
			out = append(out, model.Output{Port: s.ports[name], Tags: tags})
		default:
			return nil, fmt.Errorf("datapath action %q: none that the pipeline should need", action)
		}
	}
	slices.SortStableFunc(out, func(a, b model.Output) int { return int(a.Port) - int(b.Port) })
	return out, nil
}

// pushed reads the arguments of push_vlan.
func pushed(fields string) (model.Tag, error) {
	tag := model.Tag{TPID: 0x8100}
	for _, field := range fieldSyntax.FindAllStringSubmatch(fields, -1) {
		n, err := strconv.ParseUint(field[2], 0, 16)
		if err != nil {
			return tag, err
		}
		switch field[1] {
		case "tpid":
			tag.TPID = uint16(n)
		case "vid":
			tag.TCI |= uint16(n)
		case "pcp":
			tag.TCI |= uint16(n) << 13
		}
	}
	return tag, nil
}

// wire makes the frame's bytes, with a payload as short as the switch needs to
// see the ports.
func wire(f model.Frame) []byte {
	be := binary.BigEndian
	b := slices.Concat(f.Dst[:], f.Src[:])
	for _, tag := range f.Tags {
		b = be.AppendUint16(be.AppendUint16(b, tag.TPID), tag.TCI)
	}
	b = be.AppendUint16(b, f.EtherType)
	switch {
	case f.EtherType == 0x8100 || f.EtherType == 0x88a8: // ends within this tag
		return append(b, 0, 10)
	case f.IP == nil:
		return append(b, make([]byte, 46)...)
	case f.IP.Src.Is4():
		b = append(b, 0x45, 0)
		b = be.AppendUint16(b, 20+20)
		b = append(b, 0, 1)
		b = be.AppendUint16(b, map[model.Fragment]uint16{model.FirstFragment: 1 << 13, model.LaterFragment: 3}[f.IP.Fragment])
		b = append(b, 64, f.IP.Proto, 0, 0)
		b = slices.Concat(b, f.IP.Src.AsSlice(), f.IP.Dst.AsSlice())
	case f.IP.Fragment == model.Whole:
		b = be.AppendUint32(b, 6<<28)
		b = be.AppendUint16(b, 20)
		b = append(b, f.IP.Proto, 64)
		b = slices.Concat(b, f.IP.Src.AsSlice(), f.IP.Dst.AsSlice())
	default:
		b = be.AppendUint32(b, 6<<28)
		b = be.AppendUint16(b, 28)
		b = append(b, protoFragment, 64)
		b = slices.Concat(b, f.IP.Src.AsSlice(), f.IP.Dst.AsSlice())
		next := f.IP.Proto
		if next == protoFragment {
			next = withPorts[0]
		}
		b = append(b, next, 0)
		b = be.AppendUint16(b, map[model.Fragment]uint16{model.FirstFragment: 1, model.LaterFragment: 3 << 3}[f.IP.Fragment])
		b = append(b, 0, 0, 0, 7)
	}
	src, dst := f.IP.SrcPort, f.IP.DstPort
	if f.IP.Fragment != model.Whole {
		src, dst = portPool[0], 50002 // what looks like ports in a fragment counts for nothing
	}
	b = be.AppendUint16(be.AppendUint16(b, src), dst)
	const dataOffset = 5 << 4 // of TCP: 20 bytes
	return append(b, 0, 0, 0, 0, 0, 0, 0, 0, dataOffset, 2, 0, 0, 0, 0, 0, 0)
}

var entrySyntax = regexp.MustCompile(`reg2=(\w+)/0xfff,dl_(?:src|dst)=([0-9a-f:]{17}) actions=load:(\w+)->NXM_NX_REG[13]\[0\.\.15\]`)

// learned reads one of the tables that hold addresses: VLAN and MAC to port.
func (s *tracedSwitch) learned(table flows.Table) (map[model.Address]uint16, error) {
	text, err := s.env.Ofctl("-O", "OpenFlow13", "--no-stats", "dump-flows", s.env.Mgmt(bridge), fmt.Sprintf("table=%d", table))
	if err != nil {
		return nil, err
	}
	out := map[model.Address]uint16{}
	for _, entry := range entrySyntax.FindAllStringSubmatch(text, -1) {
		vlan, err := strconv.ParseUint(entry[1], 0, 12)
		if err != nil {
			return nil, err
		}
		port, err := strconv.ParseUint(entry[3], 0, 16)
		if err != nil {
			return nil, err
		}
		mac, err := hex.DecodeString(strings.ReplaceAll(entry[2], ":", ""))
		if err != nil {
			return nil, err
		}
		out[model.Address{VLAN: uint16(vlan), MAC: model.MAC(mac)}] = uint16(port)
	}
	return out, nil
}
