// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"ofcontroller/ofapp/trace"
)

// Table writes the plan for a person, without the single flows.
func (p Plan) Table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	if p.Restart != "" {
		fmt.Fprintf(w, "RESTART\t%s can't be changed while running: reload refuses this configuration\n", p.Restart)
	}
	fmt.Fprintf(w, "flows\t%d added, %d changed, %d removed\n", p.Added, p.Changed, p.Removed)
	for _, c := range p.Parts {
		fmt.Fprintf(w, "  %s\t+%d ~%d -%d  %s: %s\n", c.Table, c.Added, c.Changed, c.Removed, c.Category, c.Meaning)
	}
	if p.Forgotten > 0 {
		fmt.Fprintf(w, "forgotten\t%d learned addresses\n", p.Forgotten)
	}
	for _, g := range p.Groups {
		fmt.Fprintf(w, "group\t%s\n", g)
	}
	for _, a := range p.Attachments {
		fmt.Fprintf(w, "attachment\t%s\n", a)
	}
	switch p.Touched {
	case "none":
		fmt.Fprintln(w, "touched\tno traffic")
	case "all":
		fmt.Fprintln(w, "touched\tall traffic may meet other flows")
	default:
		fmt.Fprintf(w, "touched\tframes of the VLANs %s\n", trace.VLANs(p.VLANs))
	}
	for _, t := range p.Problems {
		fmt.Fprintf(w, "problem\t%s\n", t)
	}
	w.Flush()
	return strings.TrimRight(b.String(), "\n")
}

// Details lists the single flows.
func (p Plan) Details() string {
	var b strings.Builder
	for _, f := range p.Flows {
		fmt.Fprintf(&b, "%s %s\n", f.Sign, f.Flow)
	}
	return b.String()
}
