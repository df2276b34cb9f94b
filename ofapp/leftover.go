// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"fmt"
	"slices"

	"github.com/sirupsen/logrus"

	"ofcontroller/config"
	"ofcontroller/ips/embedded"
	"ofcontroller/ips/suricata"
)

// An engine's ports, and a Suricata that is to keep running, stay when the program
// ends. Which engines there are is kept in a file, so that the next start finds
// those whose attachment has left the configuration meanwhile: they leave as with
// a reload: a Suricata is used until another attachment is up, the embedded engine,
// which has ended with the program, is not.

// madeEngine is an engine that the program has made something for.
type madeEngine struct {
	Name string `json:"name"` // of its attachment
	Kind string `json:"kind"`
}

// engineFile names the file.
func engineFile(cfg *config.Config) string { return cfg.Control + ".engines" }

// leftEngines gives attachments that had an engine when the program ran last, and
// are configured no more. One whose links are something else by now is not ours
// any more, and stays.
func leftEngines(cfg *config.Config, log logrus.FieldLogger) ([]config.Attachment, error) {
	list, err := loadNote[madeEngine](engineFile(cfg))
	var left []config.Attachment
	for _, e := range list {
		same := func(c config.Attachment) bool { return c.Name == e.Name && c.Kind == e.Kind }
		if slices.ContainsFunc(cfg.Inspection.Attachments, same) || slices.ContainsFunc(left, same) {
			continue
		}
		if err := e.check(); err != nil {
			log.WithError(err).WithField("attachment", e.Name).Warn("what was made for an attachment that is no longer configured stays")
			continue
		}
		left = append(left, config.Attachment{Name: e.Name, Kind: e.Kind, Weight: 1})
	}
	return left, err
}

// check tells why what the engine has left can't be taken away.
func (e madeEngine) check() error {
	switch {
	case !config.IsAttachmentName(e.Name): // it becomes part of a path
	case e.Kind == config.KindEmbedded:
		return embedded.CheckLinks(e.Name)
	case e.Kind == config.KindSuricata:
		return suricata.CheckLinks(e.Name)
	}
	return fmt.Errorf("no engine %q has an attachment %q", e.Kind, e.Name)
}

// findLeft has the engines that a program before this has left take their leave.
func (a *App) findLeft() {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	cfg := a.config()
	list, err := leftEngines(cfg, a.log)
	if err != nil {
		a.log.WithError(err).Warn("which engines were left by attachments that are no longer configured is not known; none is taken away")
	}
	for _, c := range list {
		at, err := a.newAttachment(cfg, c)
		if err != nil {
			a.log.WithError(err).Warn("what was made for an attachment that is no longer configured stays")
			continue
		}
		at.found = true
		at.begun.Store(true)
		at.urgent.Store(c.Kind == config.KindEmbedded) // nobody reads there
		close(at.leave)
		a.mu.Lock()
		a.leaving = append(slices.Clone(a.leaving), at)
		a.mu.Unlock()
		a.tellAttachment(at, attachmentLeaves)
	}
	a.keepEngines()
}

// keepEngines writes the file for the attachments there are, those that leave
// among them.
func (a *App) keepEngines() {
	a.engines.Lock()
	defer a.engines.Unlock()
	a.mu.Lock()
	all := slices.Concat(a.attachments, a.leaving)
	a.mu.Unlock()
	var list []madeEngine
	for _, at := range all {
		e := madeEngine{at.cfg.Name, at.cfg.Kind}
		if at.engine != nil && !slices.Contains(list, e) {
			list = append(list, e)
		}
	}
	if err := saveNote(engineFile(a.config()), list); err != nil {
		a.log.WithError(err).Warn("which engines there are is not kept: one that leaves the configuration while the program is stopped will stay")
	}
}
