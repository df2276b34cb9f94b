// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"fmt"
	"slices"
)

// ProbeRate is how many probes a second may come back on one leg, and at once;
// more are dropped before they reach the controller. It is twice what an
// attachment is sent with the shortest interval.
const ProbeRate = 200

// Meter drops the frames of its flows beyond a rate (OpenFlow 1.3.5, 5.7).
type Meter struct {
	ID    uint32
	Rate  uint32 // frames a second
	Burst uint32 // frames
}

// String prints the meter as ovs-ofctl add-meter reads it.
func (m Meter) String() string {
	return fmt.Sprintf("meter=%d,pktps,burst,stats,band=type=drop,rate=%d,burst_size=%d", m.ID, m.Rate, m.Burst)
}

// Meters gives the meters that flows refer to. They have to be on the switch
// before the flows.
func Meters(fs []Flow) []Meter {
	var out []Meter
	for _, f := range fs {
		out = AppendMeter(out, f)
	}
	return out
}

// AppendMeter adds the meter that a flow refers to, unless it is in the list.
func AppendMeter(list []Meter, f Flow) []Meter {
	m := Meter{ID: f.Meter, Rate: ProbeRate, Burst: ProbeRate}
	if m.ID == 0 || slices.Contains(list, m) {
		return list
	}
	return append(list, m)
}

// probeMeter is the meter of a leg's probes, 0 for none. Each leg has its own: an
// IPS that sends too many harms no other.
func (b *builder) probeMeter(attachment, leg int) uint32 {
	if b.NoMeters {
		return 0
	}
	return uint32(1 + 2*attachment + leg)
}
