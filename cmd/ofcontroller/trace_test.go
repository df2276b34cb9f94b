// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/spf13/cobra"
)

// capture writes a capture of two packets.
func capture(t *testing.T, ng bool, link layers.LinkType) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "x.pcap")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	type writer interface {
		WritePacket(gopacket.CaptureInfo, []byte) error
	}
	var w writer
	flush := func() error { return nil }
	if ng {
		n, err := pcapgo.NewNgWriter(f, link)
		if err != nil {
			t.Fatal(err)
		}
		w, flush = n, n.Flush
	} else {
		o := pcapgo.NewWriter(f)
		if err := o.WriteFileHeader(65536, link); err != nil {
			t.Fatal(err)
		}
		w = o
	}
	for _, b := range []string{"first", "second"} {
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(1, 0), CaptureLength: len(b), Length: len(b)}, []byte(b)); err != nil {
			t.Fatal(err)
		}
	}
	if err := flush(); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestPacket(t *testing.T) {
	for _, ng := range []bool{false, true} {
		file := capture(t, ng, layers.LinkTypeEthernet)
		if b, err := packet(file, 2); err != nil || string(b) != "second" {
			t.Errorf("pcapng %t: %q, %v", ng, b, err)
		}
		if _, err := packet(file, 3); err == nil || !strings.Contains(err.Error(), "it has 2 packets") {
			t.Errorf("pcapng %t, number 3: %v", ng, err)
		}
		if _, err := packet(capture(t, ng, layers.LinkTypeRaw), 1); err == nil || !strings.Contains(err.Error(), "only Ethernet") {
			t.Errorf("pcapng %t, link type: %v", ng, err)
		}
	}
	if _, err := packet(write(t, "x", "no capture"), 1); err == nil || !strings.Contains(err.Error(), "neither pcap nor pcapng") {
		t.Errorf("no capture: %v", err)
	}
}

// TestColour paints words at the beginning of lines, on a terminal alone.
func TestColour(t *testing.T) {
	const text = "note a\nSTOPPED b\n"
	want := "note a\n\x1b[31mSTOPPED\x1b[0m b\n"
	if got := paint(text, map[string]int{"STOPPED": red}); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	cmd := &cobra.Command{}
	cmd.SetOut(&bytes.Buffer{})
	if got := colour(cmd, text, map[string]int{"STOPPED": red}); got != text {
		t.Errorf("not a terminal: %q", got)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd.SetOut(f)
	if got := colour(cmd, text, map[string]int{"STOPPED": red}); got != text {
		t.Errorf("a file: %q", got)
	}
}
