// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"ofcontroller/flows"
)

// TestParts holds parts of one key, of gateways that differ otherwise, against
// each other: they are the same, so that what was made of one may stand for the
// other. All parts together are what Build gives.
func TestParts(t *testing.T) {
	r := random{rand.New(rand.NewPCG(1, 2))}
	type seen struct {
		flows []flows.Flow
		times int
	}
	known := map[flows.Key]*seen{}
	macs := []flows.MAC{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}
	for range 300 {
		g := gateway(r.config())
		for i := range g.Trunks {
			// From few, so that parts come again.
			g.Trunks[i].MACs, g.Trunks[i].PortSecurity = some(r, macs), r.percent(30)
		}
		var all []flows.Flow
		for _, p := range flows.Parts(g) {
			list := collect(p)
			if again := collect(p); !reflect.DeepEqual(list, again) {
				t.Fatal("a part is different the second time")
			}
			all = append(all, list...)
			if p.Key == (flows.Key{}) {
				continue
			}
			if known[p.Key] == nil {
				known[p.Key] = &seen{flows: list}
			}
			known[p.Key].times++
			if !reflect.DeepEqual(known[p.Key].flows, list) {
				t.Fatalf("two parts of one key:\n%v\n%v", known[p.Key].flows, list)
			}
		}
		text := func(fs []flows.Flow) (out []string) {
			for _, f := range fs {
				out = append(out, f.String())
			}
			slices.Sort(out)
			return out
		}
		if !slices.Equal(text(all), text(flows.Build(g))) {
			t.Fatal("the parts are not what Build gives")
		}
	}
	again := 0
	for _, s := range known {
		again += s.times - 1
	}
	if again < 100 {
		t.Errorf("only %d parts came again", again)
	}
}

func collect(p flows.Part) (list []flows.Flow) {
	p.Each(func(f flows.Flow) { list = append(list, f) })
	return list
}
