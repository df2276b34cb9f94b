// SPDX-License-Identifier: Apache-2.0

package openflow

import "testing"

func TestErrorText(t *testing.T) {
	for want, err := range map[string]error{
		"switch refused message: BAD_MATCH code 6":                                       &ErrorMsg{Type: 4, Code: 6},
		"switch refused message: type 77 code 1":                                         &ErrorMsg{Type: 77, Code: 1},
		"switch refused message: experimenter 0x4f4e4600, BUNDLE_FAILED MSG_FAILED":      &ErrorMsg{Type: 0xffff, Code: 2313, Experimenter: onfExperimenter},
		"switch refused message: experimenter 0x2320, code 5":                            &ErrorMsg{Type: 0xffff, Code: 5, Experimenter: 0x2320},
		"bundle: mod 3: switch refused message: FLOW_MOD_FAILED code 1":                  &BundleError{Index: 3, Err: &ErrorMsg{Type: 5, Code: 1}},
		"bundle: switch refused message: experimenter 0x4f4e4600, BUNDLE_FAILED TIMEOUT": &BundleError{Index: -1, Err: &ErrorMsg{Type: 0xffff, Code: 2314, Experimenter: onfExperimenter}},
	} {
		if got := err.Error(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}
