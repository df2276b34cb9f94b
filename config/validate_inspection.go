// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"
)

func (v *validator) attachments() {
	const list = "inspection.attachments"
	as := v.config.Inspection.Attachments
	if v.sound(list) && len(as) == 0 && (!v.partial || v.given(list)) {
		v.fault(list, "is empty", "name one, such as {name: builtin, kind: embedded}")
	}
	names := map[string]string{}
	for i := range as {
		path := item(list, i)
		if name := path + ".name"; as[i].Name != "" && v.sound(name) {
			if have, twice := names[as[i].Name]; twice {
				v.fault(name, quote(as[i].Name)+" is the name at "+v.where(have)+" too", "a name of its own")
			} else {
				names[as[i].Name] = name
			}
		}
		v.attachmentKind(path, &as[i])
	}
}

// attachmentKind holds an attachment to the keys of its kind.
func (v *validator) attachmentKind(path string, a *Attachment) {
	if a.Kind == "" || !v.sound(path+".kind") {
		return
	}
	of := map[string][]string{
		KindEmbedded: {"rules", "threads", "eve"},
		KindSuricata: {"rules", "threads", "include", "supervise", "memory"},
		KindPort:     {"port", "return_port", "legs"},
	}
	for _, key := range []string{"rules", "threads", "port", "return_port", "legs", "eve", "include", "supervise", "memory"} {
		if !v.given(path+"."+key) || slices.Contains(of[a.Kind], key) {
			continue
		}
		right := "leave it out"
		for _, kind := range []string{KindEmbedded, KindSuricata, KindPort} {
			if slices.Contains(of[kind], key) {
				right += ", or kind: " + kind
			}
		}
		v.fault(path+"."+key, "an attachment of kind "+a.Kind+" has no such key", right)
	}
	if rules := path + ".rules"; !v.partial && !v.config.Fleet.Follows() && v.sound(rules, "fleet.endpoints") {
		for _, f := range a.Rules {
			if _, ok := RuleSet(f); ok {
				v.fault(rules, quote(f)+" is a rule set of a fleet, and this gateway follows none", "a path that begins with /")
			}
		}
	}
	if port := path + ".port"; a.Kind == KindPort && a.Port == "" && v.sound(port) {
		v.fault(port, "is missing", "the port behind which the attachment stands")
	}
	if legs := path + ".legs"; a.Kind == KindPort && a.Legs == LegsDirectional && a.ReturnPort == "" && v.sound(legs, path+".return_port") {
		v.fault(legs, "directional needs two legs", "a return_port")
	}
}
