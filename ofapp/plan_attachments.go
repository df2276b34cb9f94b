// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"fmt"
	"slices"
	"strings"

	"ofcontroller/config"
)

// attachmentChanges tells in words what becomes of the attachments, and of the
// connections that they have.
func attachmentChanges(old, next *config.Config) []string {
	out := []string{}
	goOn := map[string]bool{} // names before
	var added, changed []string
	for _, c := range next.Inspection.Attachments {
		if i := goesOn(old, next, c); i >= 0 {
			was := old.Inspection.Attachments[i]
			goOn[was.Name] = true
			out = append(out, keptChanges(was, c)...)
			continue
		}
		was := configured(old, c.Name)
		if was == nil {
			added = append(added, fmt.Sprintf("+ %s (%s): is used once it is up%s", c.Name, c.Kind, part(next, c, ", with ", " of the connections")))
			continue
		}
		changed = append(changed, fmt.Sprintf("~ %s: %s: ends and begins anew%s",
			c.Name, strings.Join(differing(*was, c), ", "), meanwhile(old, next, c)))
	}
	out = append(append(out, changed...), added...)
	for _, c := range old.Inspection.Attachments {
		if configured(next, c.Name) == nil && !goOn[c.Name] {
			out = append(out, fmt.Sprintf("- %s (%s): leaves once another one is up%s%s", c.Name, c.Kind, part(old, c, "; others get its connections, ", " of all"), itsPorts(c)))
		}
	}
	return out
}

// configured finds an attachment by its name, nil if there is none.
func configured(cfg *config.Config, name string) *config.Attachment {
	i := slices.IndexFunc(cfg.Inspection.Attachments, func(c config.Attachment) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &cfg.Inspection.Attachments[i]
}

// keptChanges tells what changes in an attachment that goes on.
func keptChanges(was, c config.Attachment) []string {
	var out []string
	if was.Name != c.Name {
		out = append(out, fmt.Sprintf("~ %s: is called %s now; nothing else changes", was.Name, c.Name))
	}
	if was.Weight != c.Weight {
		out = append(out, fmt.Sprintf("~ %s: weight %d instead of %d: connections move between the attachments", c.Name, c.Weight, was.Weight))
	}
	if was.Supervise != c.Supervise {
		out = append(out, fmt.Sprintf("~ %s: supervise %s instead of %s", c.Name, c.Supervise, was.Supervise))
	}
	if !slices.Equal(was.Rules, c.Rules) {
		out = append(out, fmt.Sprintf("~ %s: other rule files", c.Name))
	}
	return out
}

// differing lists the keys for which an attachment has to begin anew.
func differing(was, c config.Attachment) []string {
	var out []string
	for _, d := range []struct {
		what     string
		old, new any
	}{
		{"kind", was.Kind, c.Kind},
		{"port", was.Port, c.Port},
		{"return_port", was.ReturnPort, c.ReturnPort},
		{"legs", was.Legs, c.Legs},
		{"threads", was.Threads, c.Threads},
		{"eve", was.EVE, c.EVE},
		{"include", was.Include, c.Include},
		{"memory", was.Memory, c.Memory},
	} {
		if d.old != d.new {
			out = append(out, fmt.Sprintf("%s %s instead of %s", d.what, shown(d.new), shown(d.old)))
		}
	}
	return out
}

// shown prints a value so that an empty one can be seen.
func shown(v any) string {
	if v == "" {
		return `""`
	}
	return fmt.Sprint(v)
}

// part tells an attachment's share of the connections, "" where it has all.
func part(cfg *config.Config, c config.Attachment, before, after string) string {
	all := 0
	for _, o := range cfg.Inspection.Attachments {
		all += max(o.Weight, 1)
	}
	own := max(c.Weight, 1)
	if own == all {
		return ""
	}
	return fmt.Sprintf("%sabout %d %%%s", before, (100*own+all/2)/all, after)
}

// meanwhile tells who has the connections of an attachment that begins anew.
func meanwhile(old, next *config.Config, c config.Attachment) string {
	others := slices.ContainsFunc(next.Inspection.Attachments, func(o config.Attachment) bool {
		return o.Name != c.Name && configured(old, o.Name) != nil
	})
	was := *configured(old, c.Name)
	switch {
	case others:
		return part(old, was, "; others have its connections meanwhile, ", " of all")
	case !sharePorts(was, c):
		return "; the one before is used until it is up"
	case next.Inspection.OnFailure == config.Open:
		return "; no other one is up meanwhile: frames pass uninspected (on_failure: open)"
	}
	return "; no other one is up meanwhile: what is to be inspected is dropped (on_failure: closed)"
}

// itsPorts tells what becomes of the ports that an engine has made.
func itsPorts(c config.Attachment) string {
	ports := enginePorts(c)
	if len(ports) == 0 {
		return ""
	}
	return "; its engine ends, " + strings.Join(ports, " and ") + " leave the bridge"
}
