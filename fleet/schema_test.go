// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"ofcontroller/fleet/schema"
)

// TestColumnsAreDocumented: every column has a row in the table of its table's section, and no other has one.
func TestColumnsAreDocumented(t *testing.T) {
	var s ovsdb.DatabaseSchema
	if err := json.Unmarshal(schema.Text, &s); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../docs/fleet-schema.md")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{}
	for name, table := range s.Tables {
		for column := range table.Columns {
			want = append(want, name+"."+column)
		}
	}
	got := []string{}
	sections := regexp.MustCompile(`(?m)^## (\w+)$`).FindAllSubmatchIndex(text, -1)
	for i, at := range sections {
		end := len(text)
		if i+1 < len(sections) {
			end = sections[i+1][0]
		}
		for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| [^|]+ \\| [^|]+ \\|$").FindAllSubmatch(text[at[0]:end], -1) {
			got = append(got, fmt.Sprintf("%s.%s", text[at[2]:at[3]], row[1]))
		}
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("docs/fleet-schema.md says nothing of column %s", w)
		}
	}
	for _, g := range got {
		if !slices.Contains(want, g) {
			t.Errorf("docs/fleet-schema.md speaks of column %s, which is not there", g)
		}
	}
}
