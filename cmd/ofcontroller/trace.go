// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/spf13/cobra"

	"ofcontroller/ofapp/control"
	"ofcontroller/ofapp/trace"
)

func newTrace() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trace",
		Short: "Tell the way of a frame, and what stops it",
		Long: `Tell the way of a frame through the gateway, and the first thing that stops it:
why does this frame not arrive?

The frame comes in on --in-port. It is given by its fields, in hexadecimal, or as
a packet of a capture. The switch is asked which flows it meets on the way to the
IPS and, assuming that the IPS passes it unchanged, on the way back; what stands
outside the flows, such as links and the health of attachments, is looked at too.
Nothing is sent, no counter moves, and no address is learned.

Exit code 0 when the frame arrives, at --to if that is given; 1 when it does not.`,
		Example: `  ofcontroller trace --in-port eth1 --vlan 10 --src 00:16:3e:00:00:01 --dst 02:00:00:00:00:10
  ofcontroller trace --in-port trunk0 --vlan 10 --src 02:00:00:00:00:10 --dst 00:16:3e:00:00:01 \
    --ip-src 192.0.2.2 --ip-dst 192.0.2.1 --proto tcp --dport 443
  ofcontroller trace --in-port eth1 --to trunk0 --pcap eth1.pcap --packet 7`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runTrace(cmd) },
	}
	f := cmd.Flags()
	f.String("in-port", "", "`port` that the frame comes in on")
	f.String("to", "", "`port` that it should arrive at; left out: any")
	f.String("vlan", "", "`VLAN` of its tag; left out: untagged")
	f.String("src", "", "source `MAC`")
	f.String("dst", "", "destination `MAC`")
	f.String("ip-src", "", "source `address`, IPv4 or IPv6")
	f.String("ip-dst", "", "destination `address`, IPv4 or IPv6")
	f.String("proto", "", "`protocol` of IP: tcp, udp, sctp, icmp or a number")
	f.String("sport", "", "source `port` of tcp, udp or sctp")
	f.String("dport", "", "destination `port` of tcp, udp or sctp")
	f.String("ethertype", "", "EtherType `number` of a frame that is not IP, such as 0x0806")
	f.String("hex", "", "whole `frame` in hexadecimal, without FCS")
	f.String("pcap", "", "capture `file`, pcap or pcapng")
	f.Int("packet", 1, "`number` of the packet in the capture")
	formatFlag(cmd)
	layerFlags(f)
	return cmd
}

func runTrace(cmd *cobra.Command) error {
	format, err := outputFormat(cmd)
	if err != nil {
		return err
	}
	words, err := traceWords(cmd)
	if err != nil {
		return err
	}
	if _, err := trace.Parse(words); err != nil {
		return usageError{err}
	}
	text, err := ask(cmd, "trace", append(words, "-o", "json")...)
	if err != nil {
		return err
	}
	var r trace.Report
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return fmt.Errorf("answer of ofcontroller: %w", err)
	}
	if text, err = control.Write(format, r); err != nil {
		return err
	}
	printText(cmd, colour(cmd, text, map[string]int{"ARRIVES": green, "STOPPED": red, "note": yellow}))
	if !r.Arrives {
		return errFaults
	}
	return nil
}

// traceWords turns the flags into the words that the control socket takes.
func traceWords(cmd *cobra.Command) ([]string, error) {
	var words []string
	for _, name := range []string{"in-port", "to", "vlan", "src", "dst", "ip-src", "ip-dst", "proto", "sport", "dport", "ethertype", "hex"} {
		if v, _ := cmd.Flags().GetString(name); v != "" {
			words = append(words, name+"="+strings.Join(strings.Fields(v), ""))
		}
	}
	file, _ := cmd.Flags().GetString("pcap")
	if file == "" {
		return words, nil
	}
	if cmd.Flags().Changed("hex") {
		return nil, usageError{errors.New("--pcap and --hex: one of them would be right")}
	}
	n, _ := cmd.Flags().GetInt("packet")
	if n < 1 {
		return nil, usageError{fmt.Errorf("--packet %d: a number from 1 would be right", n)}
	}
	b, err := packet(file, n)
	if err != nil {
		return nil, fmt.Errorf("capture %s: %w", file, err)
	}
	return append(words, "hex="+hex.EncodeToString(b)), nil
}

// packet reads the n-th packet of a capture.
func packet(file string, n int) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r gopacket.PacketDataSource
	var link layers.LinkType
	if old, err := pcapgo.NewReader(f); err == nil {
		r, link = old, old.LinkType()
	} else {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		next, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
		if err != nil {
			return nil, fmt.Errorf("neither pcap nor pcapng: %w", err)
		}
		r, link = next, next.LinkType()
	}
	if link != layers.LinkTypeEthernet {
		return nil, fmt.Errorf("its link type is %s: only Ethernet frames go through the gateway", link)
	}
	for i := 1; ; i++ {
		b, _, err := r.ReadPacketData()
		switch {
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("it has %d packets, there is no number %d", i-1, n)
		case err != nil:
			return nil, fmt.Errorf("packet %d: %w", i, err)
		case i == n:
			return b, nil
		}
	}
}
