// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ofcontroller/ofapp/trace"
)

// TestTraceAgreesWithFrames traces each frame of the ways before it is sent: the
// ports that are told are those that it comes out of.
func TestTraceAgreesWithFrames(t *testing.T) {
	t.Parallel()
	for _, legs := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d-legged", legs), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, legs, wayConfig)
			for _, h := range slices.Concat(b.uplinkHops(), b.trunkHops(), b.refusedHops(), b.localHops(), b.formatHops()) {
				b.drain()
				text, err := b.ctl.CLI(append([]string{"trace", "-o", "json"}, hexOf(h.in, h.f)...)...)
				var r trace.Report
				if e := json.Unmarshal([]byte(text), &r); e != nil {
					t.Fatalf("%s: %v, %v", h.name, err, e)
				}
				told := []string{}
				for _, o := range r.Out {
					told = append(told, o.Port)
				}
				slices.Sort(told)
				b.send(h.in, h.f)
				came := slices.Sorted(maps.Keys(b.collect()))
				if !slices.Equal(told, came) || r.Arrives != (len(came) > 0) {
					t.Errorf("%s: arrives at %q, told is %q:\n%s", h.name, came, told, r.Table())
				}
			}
		})
	}
}

// TestMishaps counts the mishaps that the golden files explain. Each names the
// first rule that stops the frame; those that no rule stops say what is at fault
// outside the flows: a port, a link, an MTU, or another place than the one asked
// for.
func TestMishaps(t *testing.T) {
	files, err := filepath.Glob("testdata/trace*.txt")
	if err != nil {
		t.Fatal(err)
	}
	outside := regexp.MustCompile(`^(there is no port|\S+, a port of the configuration, is not on|the link of \S+ is down|lost at \S+: its (link|MTU)|` +
		`\S+ has an MTU of|it does not go to)`)
	explained, texts := 0, map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range strings.Split(string(text), "== ")[1:] {
			name, _, _ := strings.Cut(c, "\n")
			_, stopped, found := strings.Cut(c, "\nSTOPPED     ")
			if !found {
				continue
			}
			explained++
			why, rest, _ := strings.Cut(stopped, "\n")
			texts[why] = true
			if !strings.HasPrefix(rest, "by          table=") && !outside.MatchString(why) {
				t.Errorf("%s: %s: %s: no rule is named, nor what else it is", file, name, why)
			}
		}
	}
	if explained < 40 || len(texts) < 30 {
		t.Errorf("%d mishaps with %d explanations, want 40 and 30", explained, len(texts))
	}
}
