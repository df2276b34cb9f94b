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
		{func(a *config.Attachment) { a.Include = "/etc/more.yaml" }, `~ a: include /etc/more.yaml instead of ""`},
		{func(a *config.Attachment) { a.Supervise = "stop" }, "~ a: supervise stop instead of keep"},
		{func(a *config.Attachment) { a.Memory = 2 << 30 }, "~ a: memory 2147483648 instead of 1073741824"},
		{func(a *config.Attachment) { a.Weight = 2 }, "~ a: weight 2 instead of 1"},
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
