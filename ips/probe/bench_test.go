// SPDX-License-Identifier: Apache-2.0

package probe

import "testing"

// BenchmarkFrame makes a probe, BenchmarkParse takes one that came back.
func BenchmarkFrame(b *testing.B) {
	p := Probe{Format: Format{Origin: 1}, Seq: 1, Nonce: [8]byte{1}}
	b.ReportAllocs()
	for b.Loop() {
		p.Frame()
	}
}

func BenchmarkParse(b *testing.B) {
	frame := Probe{Format: Format{Origin: 1}, Seq: 1, Nonce: [8]byte{1}}.Frame()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(frame); err != nil {
			b.Fatal(err)
		}
	}
}
