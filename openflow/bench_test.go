// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"strconv"
	"testing"
)

func BenchmarkEncode(b *testing.B) {
	f := manyFlows(1)[0].(FlowMod)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := f.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendFlowMod(b *testing.B) {
	f := manyFlows(1)[0]
	buf := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.appendTo(buf, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppendEncodedFlow is the same for a flow that was encoded before.
func BenchmarkAppendEncodedFlow(b *testing.B) {
	f := manyFlows(1)[0].(FlowMod)
	match, instructions, err := f.Encode()
	if err != nil {
		b.Fatal(err)
	}
	var m Mod = &EncodedFlow{Table: f.Table, Priority: f.Priority, Match: match, Instructions: instructions}
	buf := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.appendTo(buf, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecodeFlows decodes the recorded dump; ns/flow is what one costs.
func BenchmarkDecodeFlows(b *testing.B) {
	seed := seeds(b)["type19-01.bin"]
	body := seed[headerLen+8 : 8+int(seed[2])<<8|int(seed[3])-8]
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		if err := decodeFlowStats(body, func(FlowStats) error { n++; return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/flow")
}

// BenchmarkBundle installs 100,000 flows in a real switch and dumps them.
func BenchmarkBundle(b *testing.B) {
	const n = 100_000
	s := startSwitch(b)
	c := s.dial(Options{})
	mods := append([]Mod{FlowMod{Command: FlowDelete, Table: TableAll}}, manyFlows(n)...)
	b.Run("install", func(b *testing.B) {
		for b.Loop() {
			if err := c.Bundle(testContext(b), mods); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "flows/s")
	})
	b.Run("dump", func(b *testing.B) {
		for b.Loop() {
			if got := len(flows(b, c)); got != n {
				b.Fatalf("%d flows", got)
			}
		}
		b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "flows/s")
	})
}

// packetInBody is an OpenFlow 1.3 packet-in without its header.
func packetInBody(frame []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, noBufferID)
	b = binary.BigEndian.AppendUint16(b, uint16(len(frame)))
	b = append(b, PacketInAction, 40)
	b = binary.BigEndian.AppendUint64(b, 0x0fc0_0900_0000_0002)
	b = append(b, 0, 1, 0, 12, 0x80, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 0) // match: in_port 2
	return append(append(b, 0, 0), frame...)
}

// BenchmarkDecodePacketIn decodes a packet-in of 64 and of 1,500 bytes.
func BenchmarkDecodePacketIn(b *testing.B) {
	for _, size := range []int{64, 1500} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			body, room := packetInBody(make([]byte, size)), make(Match, 0, 1)
			b.ReportAllocs()
			for b.Loop() {
				if in, err := decodePacketIn(body, room); err != nil || len(in.Data) != size {
					b.Fatal(len(in.Data), err)
				}
			}
		})
	}
}

// BenchmarkPacketIns reads 64 packet-ins of 64 bytes, hands them over and takes
// them; ns/packet-in is what one costs.
func BenchmarkPacketIns(b *testing.B) {
	const n = 64
	msg, err := finishMessage(append(appendHeader(nil, typePacketIn, 0), packetInBody(make([]byte, 64))...), 0)
	if err != nil {
		b.Fatal(err)
	}
	stream := bytes.NewReader(bytes.Repeat(msg, n))
	c := &Conn{in: framer{r: bufio.NewReaderSize(stream, readBuffer)}, inbox: newInbox(2 * n)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := stream.Seek(0, io.SeekStart); err != nil {
			b.Fatal(err)
		}
		for range n {
			m, err := c.in.next()
			if err != nil {
				b.Fatal(err)
			}
			c.dispatch(m)
		}
		c.inbox.tell()
		if got := len(c.Events()); got != n {
			b.Fatalf("%d events", got)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/packet-in")
}

// BenchmarkPacketOut encodes what answers it.
func BenchmarkPacketOut(b *testing.B) {
	p := PacketOut{Port: 2, Data: make([]byte, 64)}
	buf := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.append(buf, 1); err != nil {
			b.Fatal(err)
		}
	}
}
