// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"strings"
)

// Report is the way of a frame in the words of the gateway.
type Report struct {
	Arrives bool     `json:"arrives"` // it comes out of a port, or of the one asked for
	InPort  string   `json:"in_port"`
	Frame   string   `json:"frame"`
	Steps   []Step   `json:"steps"`
	Out     []Out    `json:"out"`
	Stopped string   `json:"stopped,omitempty"` // by what, when it does not arrive
	Rule    string   `json:"rule,omitempty"`    // the flow that stopped it
	Notes   []string `json:"notes"`
}

// Step is one station of the way.
type Step struct {
	Stage string `json:"stage"` // origin, VLAN, policy, inspection, verdict, MAC, forward
	Text  string `json:"text"`
	Rule  string `json:"rule,omitempty"` // the flow that decided
}

// Out is a port that the switch sends the frame to.
type Out struct {
	Port      string `json:"port"`
	Tag       string `json:"tag"`            // "untagged" or "VLAN 20"
	Delivered bool   `json:"delivered"`      // false: it is lost there
	Lost      string `json:"lost,omitempty"` // why
}

// Table writes the report for a person.
func (r Report) Table() string {
	var b strings.Builder
	row := func(head, text string) { fmt.Fprintf(&b, "%-10s  %s\n", head, text) }
	row("frame", fmt.Sprintf("in on %s: %s", r.InPort, r.Frame))
	for _, s := range r.Steps {
		row(s.Stage, s.Text)
	}
	for _, o := range r.Out {
		text := fmt.Sprintf("%s, %s", o.Port, o.Tag)
		if !o.Delivered {
			text += ": lost, " + o.Lost
		}
		row("out", text)
	}
	if r.Arrives {
		row("ARRIVES", r.ports())
	} else {
		row("STOPPED", r.Stopped)
		if r.Rule != "" {
			row("by", r.Rule)
		}
	}
	for _, n := range r.Notes {
		row("note", n)
	}
	return strings.TrimRight(b.String(), "\n")
}

// ports names the ports at which the frame arrives.
func (r Report) ports() string {
	var names []string
	for _, o := range r.Out {
		if o.Delivered {
			names = append(names, o.Port)
		}
	}
	return "at " + strings.Join(names, ", ")
}
