// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ofcontroller/flows"
	"ofcontroller/testenv/model"
)

var (
	seedFlag   = flag.Uint64("seed", 0, "seed of the property test's first configuration; 0 takes one from the clock")
	framesFlag = flag.Int("frames", enoughFrames, "frames of the property test, each with one from the IPS")
)

// enoughFrames meets every row of the model a dozen times at least.
const enoughFrames = 5000

// framesPerConfig is enough for addresses to be learned, to move and to be used.
const framesPerConfig = 60

// TestWayOfAFrame compares the flows with an independent model of the design:
// random configurations, random frames, each with what its IPS may send back, and
// the switch's own answer. The switch and the model learn side by side.
func TestWayOfAFrame(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) >> 10
	}
	t.Logf("seed %d", seed)
	s := newTracedSwitch(t)
	seen := map[string]int{}
	for done := 0; done < *framesFlag; done += framesPerConfig {
		report := s.compare(seed, min(framesPerConfig, *framesFlag-done), flows.Build, seen)
		if report != "" {
			t.Fatalf("flows and model disagree; again with -seed %d -frames %d\n%s", seed, framesPerConfig, report)
		}
		seed++
	}
	for _, why := range slices.Sorted(maps.Keys(seen)) {
		t.Logf("%6d %s", seen[why], why)
	}
	for _, why := range append(model.Reasons(), bypassed) {
		if *framesFlag >= enoughFrames && seen[why] == 0 {
			t.Errorf("no frame met %q", why)
		}
	}
}

// bypassed counts frames of connections that are bypassed by an offload.
const bypassed = "offload: bypassed connection"

// compare runs frames through one random configuration. It returns a report on
// the first difference, "" if there is none, and counts in seen what happened to
// the frames.
func (s *tracedSwitch) compare(seed uint64, frames int, build func(flows.Gateway) []flows.Flow, seen map[string]int) string {
	r := random{rand.New(rand.NewPCG(seed, 0))}
	g := model.New(r.config())
	if err := s.install(flows.Groups(gateway(g.Config)), slices.Concat(build(gateway(g.Config)), leases(g.Config), offloads(g.Config))); err != nil {
		return fmt.Sprintf("%s\n%v", describe(g.Config), err)
	}
	for range frames {
		port, f := r.arriving(g)
		sent, report := s.step(g, port, f)
		seen[sent.Why]++
		if sent.Offloaded {
			seen[bypassed]++
		}
		if report != "" {
			return report
		}
		port, f = r.returning(g, sent, f)
		back, report := s.step(g, port, f)
		seen[back.Why]++
		if report != "" {
			return report
		}
	}
	return s.compareLearned(g)
}

// step sends one frame through the model and the switch.
func (s *tracedSwitch) step(g *model.Gateway, port uint16, f model.Frame) (model.Verdict, string) {
	known, ingress := maps.Clone(g.Known), maps.Clone(g.Ingress)
	want := g.Receive(port, f)
	got, trace, err := s.trace(port, f)
	if err == nil && slices.EqualFunc(got, want.Outputs, sameFor(f)) {
		return want, ""
	}
	return want, fmt.Sprintf("%s\nframe on port %d: %v\nmodel:  %v\nswitch: %v (error: %v)\nlearned before: %v\ningress before: %v\nflows met:\n%s",
		describe(g.Config), port, f, want, model.Verdict{Outputs: got}, err, known, ingress, trace)
}

// sameFor compares an output of the switch with one of the model. Where the
// gateway takes the frame's tag off and puts on one with the same VID and PCP, the
// switch leaves the old one, and so its DEI: it uses that bit of a TCI as "there is
// a tag" (ovs-fields(7), vlan_tci), and so sees no difference.
func sameFor(f model.Frame) func(got, want model.Output) bool {
	const dei = 1 << 12
	return func(got, want model.Output) bool {
		tags := slices.Clone(want.Tags)
		if len(tags) > 0 && len(f.Tags) > 0 && len(got.Tags) > 0 && got.Tags[0] == f.Tags[0] {
			if tags[0].TCI |= dei; tags[0] != f.Tags[0] {
				tags[0] = want.Tags[0]
			}
		}
		return got.Port == want.Port && slices.Equal(got.Tags, tags)
	}
}

// compareLearned compares the tables of addresses. Addresses that are configured
// hide what is learned of them.
func (s *tracedSwitch) compareLearned(g *model.Gateway) string {
	for _, c := range []struct {
		table flows.Table
		want  map[model.Address]uint16
	}{
		{flows.TableSources, g.Ingress},
		{flows.TableMAC, g.Known},
	} {
		got, err := s.learned(c.table)
		if err != nil {
			return err.Error()
		}
		want := maps.Clone(c.want)
		if c.table == flows.TableMAC {
			configured := func(a model.Address, _ uint16) bool { return g.Configured(a) }
			maps.DeleteFunc(got, configured)
			maps.DeleteFunc(want, configured)
		}
		if !reflect.DeepEqual(got, want) {
			return fmt.Sprintf("%s\nlearned in table %v:\nmodel:  %v\nswitch: %v", describe(g.Config), c.table, want, got)
		}
	}
	return ""
}

// describe prints a configuration, a line for each part.
func describe(c model.Config) string {
	var b strings.Builder
	fmt.Fprintf(&b, "uplink %d, host %+v, open %t, east_west %t\n", c.Uplink, c.Host, c.Open, c.EastWest)
	for _, t := range c.Trunks {
		fmt.Fprintf(&b, "trunk %+v\n", t)
	}
	for _, a := range c.Attachments {
		fmt.Fprintf(&b, "attachment %+v\n", a)
	}
	for _, l := range c.Policy {
		fmt.Fprintf(&b, "policy %+v\n", l)
	}
	for _, x := range c.Groups {
		fmt.Fprintf(&b, "failover group %+v\n", x)
	}
	for _, o := range c.Offloads {
		fmt.Fprintf(&b, "offload %+v\n", o)
	}
	return b.String()
}

// TestModelMissesEachTable takes the flows of one table after another away: the
// comparison must notice, or it does not look where it should.
func TestModelMissesEachTable(t *testing.T) {
	const configs = 40
	s := newTracedSwitch(t)
	for _, table := range flows.Tables() {
		switch table.Table {
		case flows.TableSources, flows.TableTerm, flows.TableLease:
			continue // no flows that Build gives
		case flows.TableLimit:
			continue // for limits, which the model does not reach: TestPortAtItsLimit
		}
		without := func(g flows.Gateway) []flows.Flow {
			return slices.DeleteFunc(flows.Build(g), func(f flows.Flow) bool { return f.Table == table.Table })
		}
		report := ""
		for seed := uint64(1); seed <= configs && report == ""; seed++ {
			report = s.compare(seed, framesPerConfig, without, map[string]int{})
		}
		if report == "" {
			t.Errorf("nobody misses table %s in %d configurations", table.Name, configs)
		}
	}
}
