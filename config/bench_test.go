// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkParse reads a trunk port with 4,000 addresses, which is what a change
// of one line costs there before anything is compared.
func BenchmarkParse(b *testing.B) {
	var macs strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&macs, "\"02:00:00:00:%02x:%02x\", ", i>>8, i&0xff)
	}
	text := []byte("bridge: {name: br0}\nuplinks: [{port: eth0}]\ntrunks: [{port: t0, vlans: [\"1-25\"], macs: [" + macs.String() + "]}]\n" +
		"inspection: {attachments: [{name: a, kind: port, port: ips0}]}\n")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("c.yaml", text); err != nil {
			b.Fatal(err)
		}
	}
}
