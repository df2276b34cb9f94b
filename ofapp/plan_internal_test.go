// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"ofcontroller/config"
)

// TestAttachmentChanges changes each key of an attachment: the plan names it.
func TestAttachmentChanges(t *testing.T) {
	with := func(a config.Attachment) *config.Config {
		return &config.Config{Inspection: config.Inspection{Attachments: []config.Attachment{a}}}
	}
	old := config.Attachment{Name: "a", Kind: "suricata", Supervise: "keep", Memory: 1 << 30, Threads: 1, Weight: 1}
	for _, c := range []struct {
		change func(*config.Attachment)
		want   string
	}{
		{func(a *config.Attachment) { a.Include = "/etc/more.yaml" }, `~ a: include /etc/more.yaml instead of "": ends and begins anew; ` +
			"no other one is up meanwhile: what is to be inspected is dropped (on_failure: closed)"},
		{func(a *config.Attachment) { a.Supervise = "stop" }, "~ a: supervise stop instead of keep"},
		{func(a *config.Attachment) { a.Weight = 2 }, "~ a: weight 2 instead of 1: connections move between the attachments"},
	} {
		next := old
		c.change(&next)
		if got := attachmentChanges(with(old), with(next)); !slices.Equal(got, []string{c.want}) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	// No key is forgotten: whatever differs is told.
	for i := range reflect.TypeFor[config.Attachment]().NumField() {
		name := reflect.TypeFor[config.Attachment]().Field(i).Name
		if name == "Name" || name == "Line" {
			continue
		}
		next := old
		switch f := reflect.ValueOf(&next).Elem().Field(i); f.Kind() {
		case reflect.String:
			f.SetString("other")
		case reflect.Int:
			f.SetInt(77)
		case reflect.Uint64:
			f.SetUint(77)
		case reflect.Slice:
			f.Set(reflect.ValueOf([]string{"other"}))
		default:
			t.Errorf("%s: a %s", name, f.Kind())
		}
		if got := attachmentChanges(with(old), with(next)); len(got) != 1 || !strings.HasPrefix(got[0], "~ a: ") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestAttachmentsComeAndGo tells what adding and removing attachments disturbs.
func TestAttachmentsComeAndGo(t *testing.T) {
	with := func(list ...config.Attachment) *config.Config {
		return &config.Config{Inspection: config.Inspection{Attachments: list}}
	}
	a := config.Attachment{Name: "a", Kind: config.KindPort, Port: "p0", Weight: 1}
	b := config.Attachment{Name: "b", Kind: config.KindSuricata, Weight: 3}
	renamed, moved, threads := a, a, b
	renamed.Name, moved.Port, threads.Threads = "z", "p9", 2
	for _, c := range []struct {
		old, next *config.Config
		want      []string
	}{
		{with(a), with(a, b), []string{"+ b (suricata): is used once it is up, with about 75 % of the connections"}},
		{with(a, b), with(a), []string{"- b (suricata): leaves once another one is up; others get its connections, about 75 % of all; " +
			"its engine ends, ofs-b-0 and ofs-b-1 leave the bridge"}},
		{with(a, b), with(b, a), []string{}},
		{with(a, b), with(b, renamed), []string{"~ a: is called z now; nothing else changes"}},
		{with(a, b), with(a, threads), []string{"~ b: threads 2 instead of 0: ends and begins anew; others have its connections meanwhile, about 75 % of all"}},
		{with(a), with(moved), []string{`~ a: port p9 instead of p0: ends and begins anew; the one before is used until it is up`}},
	} {
		if got := attachmentChanges(c.old, c.next); !slices.Equal(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
