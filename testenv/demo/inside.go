// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"ofcontroller/flows"
)

// state shows what the gateway says of itself.
func (d *demo) state(context.Context) error {
	d.step("What the gateway knows", "Two commands ask the running ofcontroller.")
	text, err := d.ctl.CLI("status")
	if err != nil {
		return err
	}
	d.quote("$ ofcontroller status", text)
	s, err := d.gatewayState()
	if err != nil {
		return err
	}
	if len(s.Attachments) != 1 {
		return fmt.Errorf("status: %d attachments, want 1", len(s.Attachments))
	}
	at, drops, rejects := s.Attachments[0], 0, 0
	for _, a := range allAttacks() {
		if a.reset {
			rejects++
		} else {
			drops++
		}
	}
	d.check("health of the IPS, by probe frames", "up", fmt.Sprintf("%s, round trip %d µs", at.State, at.RTTus), at.State == "up" && at.RTTus > 0)
	d.check("frames dropped and rejected by rules", "each attack; none lost", fmt.Sprintf("%d and %d, lost: %d",
		at.Engine.Dropped, at.Engine.Rejected, at.Engine.Lost),
		at.Engine.Dropped >= uint64(drops) && at.Engine.Rejected >= uint64(rejects) && at.Engine.Lost == 0)

	if text, err = d.ctl.CLI("macs"); err != nil {
		return err
	}
	d.quote("$ ofcontroller macs", text)
	d.indent("Only addresses that spoke to the host are learned: nobody else's are needed to forward here.")
	for name, where := range map[string]string{guestA: "internal", serverA: "external"} {
		mac := d.hosts[name].MAC().String()
		row := lineWith(text, mac)
		d.check(fmt.Sprintf("%s is %s", name, mac), where, strings.Join(strings.Fields(row), " "), strings.Contains(row, where))
	}
	return nil
}

// lineWith finds a line with the word.
func lineWith(text, word string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			return line
		}
	}
	return "not listed"
}

var (
	tableOf   = regexp.MustCompile(`\btable=(\w+),? ?`)
	packetsOf = regexp.MustCompile(`\bn_packets=(\d+)`)
	noise     = regexp.MustCompile(`\b(cookie|duration|n_packets|n_bytes|idle_age|hard_age)=[^, ]+, ?`)
)

const legend = `A frame runs through the tables: in at "classify", out to the IPS at "dispatch", back at "return", out at
"unicast", "forward" or "output". reg0 is the frame's origin (1 uplink, 2 trunk, 3 host), reg1 the OpenFlow port it
came from, reg2 its VLAN, reg3 the port it goes to. In front of each flow: how many frames it has met.`

// longTable is the number of flows above which only those that met a frame are
// shown.
const longTable = 15

// pipeline shows the flows by table, each with its packets.
func (d *demo) pipeline(ctx context.Context) error {
	d.step("How it works: the flows on br0", legend)
	text, err := d.env.Ofctl("-O", "OpenFlow13", "--names", "dump-flows", bridge)
	if err != nil {
		return err
	}
	byTable := map[string][]string{}
	for line := range strings.Lines(text) {
		if m := tableOf.FindStringSubmatch(line); m != nil {
			byTable[m[1]] = append(byTable[m[1]], shorten(line))
		}
	}
	listed := 0
	for _, t := range flows.Tables() {
		lines := byTable[t.Name]
		listed += len(lines)
		if len(lines) > longTable {
			all := len(lines)
			lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, idle) })
			lines = append(lines, fmt.Sprintf("%7s  %d more that no frame has met so far", "", all-len(lines)))
		}
		if len(lines) > 0 {
			d.quote(fmt.Sprintf("table %d %s: %s", t.Table, d.paint(bold, t.Name), t.Meaning), strings.Join(lines, "\n"))
		}
	}
	total := strings.Count(text, "actions=")
	d.check("ovs-ofctl -O OpenFlow13 --names dump-flows br0", "every table has its name", fmt.Sprintf("%d of %d flows are in named tables", listed, total),
		listed == total && total > 0)
	d.uninspected(byTable[flows.TableDispatch.String()])
	return d.datapath(ctx)
}

// shorten keeps the packets, the match and the actions of a flow.
func shorten(line string) string {
	packets := packetsOf.FindStringSubmatch(line)
	line = strings.TrimSpace(noise.ReplaceAllString(tableOf.ReplaceAllString(line, ""), ""))
	line = strings.TrimPrefix(line, "reset_counts ")
	if packets == nil {
		return line
	}
	return fmt.Sprintf("%7s  %s", packets[1], line)
}

// idle begins a flow that no frame has met, as shorten writes it.
const idle = "      0  "

// uninspected checks that no frame came when the IPS was away: they would have
// met the failure policy, the last flow of the table dispatch.
func (d *demo) uninspected(dispatch []string) {
	row := "no flow"
	if len(dispatch) > 0 {
		row = strings.TrimSpace(dispatch[len(dispatch)-1])
	}
	d.check("failure policy: last flow of table dispatch", "0 frames, a drop", row, strings.HasPrefix(row, "0 ") && strings.HasSuffix(row, "actions=drop"))
}

// datapath shows what of the flows the switch has put together for its fast path.
// An entry goes when it has not been used for 10 s, so there is traffic first.
func (d *demo) datapath(ctx context.Context) error {
	d.page(ctx, d.hosts[serverB], d.hosts[guestB], "/again.html")
	text, err := d.env.Appctl("dpctl/dump-flows", "--names", "netdev@ovs-netdev")
	if err != nil {
		return err
	}
	all, back := 0, []string{}
	behind := regexp.MustCompile(`in_port\((` + serverA + "|" + serverB + "|" + wire + `)\)`)
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "in_port(") || behind.MatchString(line) { // a heading, or the outside switch
			continue
		}
		all++
		if strings.Contains(line, "userspace(") { // a probe, on its way to the controller
			continue
		}
		if strings.Contains(line, "in_port(ofc-builtin)") && strings.Contains(line, fmt.Sprintf("vlan(vid=%d,", vlanB)) {
			back = append(back, line)
		}
	}
	d.quote("$ ovs-appctl dpctl/dump-flows, back from the IPS in VLAN 20:", strings.Join(back, ""))
	d.check("datapath flows back from the IPS in VLAN 20", "2 at most: in and out", fmt.Sprintf("%d, of %d on br0 in all", len(back), all), len(back) <= 2)
	return nil
}
