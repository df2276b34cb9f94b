// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ofcontroller/config"
	"ofcontroller/docs"
	"ofcontroller/flows"
)

var update = flag.Bool("update", false, "write the generated parts anew")

// bits writes a range as documentation does: reg2[0..11].
func bits(r flows.Range) string {
	s := strings.ToLower(strings.TrimPrefix(r.String(), "NXM_NX_"))
	return "`" + s + "`"
}

func registers() string {
	var rows [][]string
	for _, r := range flows.Registers() {
		rows = append(rows, []string{bits(r.Range), r.Name, r.Meaning})
	}
	return docs.Table([]string{"bits", "name", "meaning"}, rows)
}

func tables() string {
	var rows [][]string
	for _, t := range flows.Tables() {
		rows = append(rows, []string{fmt.Sprint(uint8(t.Table)), t.Name, t.Meaning})
	}
	return docs.Table([]string{"number", "name", "what it does"}, rows)
}

func categories() string {
	var rows [][]string
	for _, c := range flows.Categories() {
		mask := fmt.Sprintf("`%#x/%#x`", uint64(flows.NewCookie(c.Category, 0)), flows.CategoryMask)
		rows = append(rows, []string{fmt.Sprint(uint8(c.Category)), c.Name, c.Meaning, c.Object, mask})
	}
	return docs.Table([]string{"category", "name", "flows", "object", "cookie/mask"}, rows)
}

func dropReasons() string {
	var rows [][]string
	for _, r := range flows.DropReasons() {
		cookie := fmt.Sprintf("`%#x`", uint64(flows.NewCookie(flows.CatDrop, uint32(r))))
		rows = append(rows, []string{fmt.Sprint(uint32(r)), r.String(), cookie})
	}
	return docs.Table([]string{"reason", "meaning", "cookie"}, rows)
}

func keys() string {
	var rows [][]string
	for _, k := range config.Reference() {
		def := ""
		switch {
		case k.Required:
			def = "required"
		case k.Default != "":
			def = "`" + k.Default + "`"
		}
		rows = append(rows, []string{"`" + k.Path + "`", k.Type, def, k.Doc})
	}
	return docs.Table([]string{"key", "type", "default", "meaning"}, rows)
}

func TestGenerated(t *testing.T) {
	for _, c := range []struct{ file, name, want string }{
		{"registers.md", "registers", registers()},
		{"registers.md", "tables", tables()},
		{"registers.md", "categories", categories()},
		{"registers.md", "drop reasons", dropReasons()},
		{"configuration.md", "keys", keys()},
	} {
		t.Run(c.file+" "+c.name, func(t *testing.T) {
			if err := docs.Section(c.file, c.name, c.want, *update); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSection shows that a part which is out of date is found, and written
// without a change to the text around it.
func TestSection(t *testing.T) {
	const head, tail = "# Title\n\n<!-- begin generated: x -->\n", "<!-- end generated: x -->\nThe end.\n"
	file := filepath.Join(t.TempDir(), "a.md")
	if err := os.WriteFile(file, []byte(head+"old\n"+tail), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := docs.Section(file, "x", "new", false); !errors.Is(err, docs.ErrStale) {
		t.Errorf("error %v, want ErrStale", err)
	}
	if err := docs.Section(file, "x", "new", true); err != nil {
		t.Error(err)
	}
	if err := docs.Section(file, "x", "new", false); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(file)
	if want := head + "\nnew\n\n" + tail; err != nil || string(text) != want {
		t.Errorf("%v, text %q, want %q", err, text, want)
	}
	if err := docs.Section(file, "y", "new", true); err == nil {
		t.Error("a part that is not there was written")
	}
}
