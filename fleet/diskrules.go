// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"ofcontroller/config"
)

// ruleDirectory is where rule sets lie in the directory of a Disk.
const ruleDirectory = "rules"

// ruleFile is the path of a rule set. Its name tells what is in it, so that a file is never changed, and one of another
// content is another file.
func (d Disk) ruleFile(name, digest string) string {
	return filepath.Join(d.Directory, ruleDirectory, name+"-"+digest+".rules")
}

// ourFile matches the files that this program writes among the rules: whole ones and those that were never finished.
var ourFile = regexp.MustCompile(`^[-_.A-Za-z0-9]+-[0-9a-f]{64}\.rules(\.[0-9]+)?$`)

// holds says why a rule set is not on disk as it should be; nil when it is.
func (d Disk) holds(name, digest string) error {
	f, err := os.Open(d.ruleFile(name, digest))
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, io.LimitReader(f, maxRuleSet+1)); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != digest {
		return fmt.Errorf("%s: its content is not what was written", f.Name())
	}
	return nil
}

// keep writes a rule set that unpacks from rows, as a whole.
func (d Disk) keep(name, digest string, rows io.Reader) error {
	return replace(d.ruleFile(name, digest), func(w io.Writer) error { return unpack(rows, digest, maxRuleSet, w) })
}

// prune removes the rule sets that no configuration on disk needs, nor one of these.
func (d Disk) prune(also ...Config) error {
	directory := filepath.Join(d.Directory, ruleDirectory)
	entries, err := os.ReadDir(directory)
	if errors.Is(err, os.ErrNotExist) || d.Directory == "" {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range []string{nextFile, goodFile} {
		if c, err := d.read(name); err == nil {
			also = append(also, c)
		}
	}
	needed := map[string]bool{}
	for _, c := range also {
		for name, digest := range c.RuleSets {
			needed[filepath.Base(d.ruleFile(name, digest))] = true
		}
	}
	var faults []error
	for _, e := range entries {
		if ourFile.MatchString(e.Name()) && !needed[e.Name()] {
			faults = append(faults, os.Remove(filepath.Join(directory, e.Name())))
		}
	}
	return errors.Join(faults...)
}

// Resolve puts the files on disk in the place of the rule sets that a configuration names. from is what the fleet asks for.
func (d Disk) Resolve(c *config.Config, from Config) error {
	for i := range c.Inspection.Attachments {
		at := &c.Inspection.Attachments[i]
		for j, path := range at.Rules {
			name, ok := config.RuleSet(path)
			if !ok {
				continue
			}
			digest, there := from.RuleSets[name]
			if !there {
				return fmt.Errorf("inspection.attachments[%d].rules: %s: the fleet gives this gateway no such rule set, it gives %s", i, path, setNames(from.RuleSets))
			}
			if err := d.holds(name, digest); err != nil {
				return fmt.Errorf("inspection.attachments[%d].rules: %s: %w", i, path, err)
			}
			at.Rules[j] = d.ruleFile(name, digest)
		}
	}
	return nil
}
