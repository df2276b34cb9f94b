// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ofcontroller/config"
	"ofcontroller/ips/suricata"
)

// TestSuricataBounds holds the configuration's bounds to Suricata's package: the
// one imports not the other.
func TestSuricataBounds(t *testing.T) {
	if config.MinMemory != suricata.MinMemoryMax {
		t.Errorf("least memory is %d in the configuration, %d in the package", config.MinMemory, suricata.MinMemoryMax)
	}
}

// TestSuricataKeys runs a Suricata with an include file and a memory bound, and
// has it end with the controller.
func TestSuricataKeys(t *testing.T) {
	t.Parallel()
	include := filepath.Join(t.TempDir(), "more.yaml")
	writeFile(t, include, "%YAML 1.1\n---\ndefrag: {memcap: 7654321}\n")
	b, _, _ := engineBed(t, "", "closed", "kind: suricata, memory: 512MiB, supervise: stop, include: "+include)
	t.Cleanup(func() { b.endSuricata() })
	eventually(t, suricataStart, "Suricata answers", func() bool { return b.suricataPID() != 0 })
	b.waitState(t, "up")
	text, err := os.ReadFile(filepath.Join(b.env.Dir(), "builtin", "suricata.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	// An eighth of the bound is the flow table's.
	for _, part := range []string{include, "memcap: 67108864"} {
		if !strings.Contains(string(text), part) {
			t.Errorf("suricata.yaml without %q", part)
		}
	}
	pid := b.suricataPID()
	if err := b.ctl.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err == nil {
		t.Error("Suricata outlives the controller")
	}
}
