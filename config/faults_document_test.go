// SPDX-License-Identifier: Apache-2.0

package config

import "strings"

// documentFaults are the cases about the text as a whole.
func documentFaults() []faultCase {
	return []faultCase{
		{"empty", "", []string{
			`gw.yaml:1: (document): is empty, a mapping with the keys of the configuration`,
		}},
		{"only a comment", "# nothing\n", []string{
			`gw.yaml:1: (document): is empty, a mapping with the keys of the configuration`,
		}},
		{"only blanks", "\n \n", []string{
			`gw.yaml:1: (document): is empty, a mapping with the keys of the configuration`,
		}},
		{"null", "---\n", []string{
			`gw.yaml:1: (document): is empty, a mapping with the keys of the configuration`,
		}},
		{"list", "- a\n", []string{
			`gw.yaml:1: (document): is a list, a mapping with the keys of the configuration`,
		}},
		{"word", "a\n", []string{
			`gw.yaml:1: (document): is the text "a", a mapping with the keys of the configuration`,
		}},
		{"number", "1\n", []string{
			`gw.yaml:1: (document): is the number 1, a mapping with the keys of the configuration`,
		}},
		{"two documents", least + "---\na: 1\n", []string{
			`gw.yaml:4: (document): a second document begins, one document in a file`,
		}},
		{"not YAML", "uplinks: [\n", []string{
			`gw.yaml:1: (document): is not YAML (did not find expected node content), YAML as in the sample configuration`,
		}},
		{"tab", least + "log:\n\tlevel: info\n", []string{
			`gw.yaml:5: (document): is not YAML (found character that cannot start any token), YAML as in the sample configuration`,
		}},
		{"unclosed quote", least + "control: \"/x\n", []string{
			`gw.yaml:4: (document): is not YAML (found unexpected end of stream), YAML as in the sample configuration`,
		}},
		{"zero byte", least + "log: \x00\n", []string{
			`gw.yaml:1: (document): is not YAML (control characters are not allowed), YAML as in the sample configuration`,
		}},
		{"not UTF-8", least + "control: /\xff\n", []string{
			`gw.yaml:4: (document): is not UTF-8, UTF-8 text`,
		}},
		{"UTF-16", "\xff\xfeu\x00p\x00", []string{
			`gw.yaml:1: (document): is not UTF-8, UTF-8 text`,
		}},
		{"too large", least + strings.Repeat("#", maxSize), []string{
			`gw.yaml:1: (document): is larger than 4194304 bytes, a smaller file`,
		}},
		{"tagged root", "!!map\n" + least, []string{
			`gw.yaml:1: (document): the tag !!map is not taken, leave it out`,
		}},
		{"percent directive", "%YAML 9.9\n---\n" + least, []string{
			`gw.yaml:1: (document): is not YAML (found incompatible YAML document), YAML as in the sample configuration`,
		}},
	}
}
