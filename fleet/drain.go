// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"ofcontroller/config"
	"ofcontroller/fleet/schema"
)

// Draining stands behind the state of an attachment that gets no connections, in Report and in the database.
const Draining = ", draining"

// Drains names the attachments that the fleet wants to drain on this gateway; false before it has said anything. Without a
// server it is as it was.
func (f *Follower) Drains() (names []string, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.drains), f.drains != nil
}

// hear takes in what the host's row says beside the configuration.
func (f *Follower) hear(r rows) {
	if h := r.hosts[f.o.Name]; h != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.drains = append([]string{}, h.Drains...)
	}
}

// DrainLine tells of an attachment of a host whether it is to drain, and whether it does.
type DrainLine struct {
	Attachment string `json:"attachment"`
	Asked      bool   `json:"asked"`
	State      string `json:"state"` // as the host told last; "" when it has not told of it
}

// DrainLines are the attachments of a host.
type DrainLines []DrainLine

// Table writes a line for each attachment.
func (list DrainLines) Table() string {
	return tabulate("ATTACHMENT\tASKED TO DRAIN\tSTATE", func(line func(format string, cells ...any)) {
		for _, l := range list {
			line("%s\t%t\t%s", l.Attachment, l.Asked, cmp.Or(l.State, "unknown"))
		}
	})
}

// Drains lists the attachments of a host.
func (o *Operator) Drains(ctx context.Context, host string) (DrainLines, error) {
	r, err := o.rows(ctx)
	if err != nil {
		return nil, err
	}
	h := r.hosts[host]
	if h == nil {
		return nil, noHost(host)
	}
	states := map[string]string{}
	for _, name := range h.Drains {
		states[name] = ""
	}
	if s := r.status[host]; s != nil {
		maps.Copy(states, s.Attachments)
	}
	out := DrainLines{}
	for _, name := range slices.Sorted(maps.Keys(states)) {
		out = append(out, DrainLine{Attachment: name, Asked: slices.Contains(h.Drains, name), State: states[name]})
	}
	return out, nil
}

func noHost(name string) error { return fmt.Errorf("the fleet has no host named %q", name) }

// Drain lets an attachment of a host drain, or take connections again: at once, or as soon as the host is back.
func (o *Operator) Drain(ctx context.Context, host, attachment string, drain bool) error {
	r, err := o.rows(ctx)
	if err != nil {
		return err
	}
	h, s := r.hosts[host], r.status[host]
	if h == nil {
		return noHost(host)
	}
	mutator := ovsdb.MutateOperationDelete
	if drain {
		mutator = ovsdb.MutateOperationInsert
		var told map[string]string // none: not heard of yet
		if s != nil {
			told = s.Attachments
		}
		_, known := told[attachment]
		switch {
		case !config.IsAttachmentName(attachment):
			return fmt.Errorf("%q is no name of an attachment", attachment)
		case len(told) > 0 && !known:
			return fmt.Errorf("host %s has no attachment named %q: %s would be right", host, attachment, strings.Join(slices.Sorted(maps.Keys(told)), ", "))
		}
	} else if !slices.Contains(h.Drains, attachment) {
		return fmt.Errorf("host %s: attachment %q is not asked to drain", host, attachment)
	}
	if err := o.s.fits(&schema.Host{Drains: []string{attachment}}); err != nil {
		return err
	}
	_, err = o.s.Commit(ctx, []ovsdb.Operation{{
		Op: ovsdb.OperationMutate, Table: schema.HostTable, Where: []ovsdb.Condition{is("name", host)},
		Mutations: []ovsdb.Mutation{*ovsdb.NewMutation("drains", mutator, ovsdb.OvsSet{GoSet: []any{attachment}})},
	}})
	return err
}
