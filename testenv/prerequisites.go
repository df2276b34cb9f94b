// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// otherOVS names a directory with another Open vSwitch than the machine's, as
// other-ovs.sh makes it: bin/ with the programs, and vswitch.ovsschema.
const otherOVS = "TESTENV_OVS"

// schemaFile is the database's schema.
func schemaFile() string {
	if dir := os.Getenv(otherOVS); dir != "" {
		return filepath.Join(dir, "vswitch.ovsschema")
	}
	return "/usr/share/openvswitch/vswitch.ovsschema" // of the packages of Debian, Ubuntu and Fedora
}

// toolPaths holds the programs that an environment runs.
type toolPaths struct {
	ovsdbServer, vswitchd, vsctl, ofctl, nsenter string
}

// PrerequisiteError says what a machine lacks to run a switch.
type PrerequisiteError struct {
	Missing []string // one sentence each, with what would help
}

func (e *PrerequisiteError) Error() string {
	return "no switch can be had here: " + strings.Join(e.Missing, "; ")
}

// prerequisites finds the programs, or says all that is missing in one go.
func prerequisites() (toolPaths, error) {
	var tools toolPaths
	var missing []string
	if os.Geteuid() != 0 {
		missing = append(missing, "network namespaces need root (run as root or through sudo)")
	}
	for _, want := range []struct {
		name, pkg string
		path      *string
	}{
		{"ovsdb-server", "openvswitch-switch", &tools.ovsdbServer},
		{"ovs-vswitchd", "openvswitch-switch", &tools.vswitchd},
		{"ovs-vsctl", "openvswitch-switch", &tools.vsctl},
		{"ovs-ofctl", "openvswitch-common", &tools.ofctl},
		{"nsenter", "util-linux", &tools.nsenter},
	} {
		path, err := lookTool(want.name)
		if err != nil {
			missing = append(missing, fmt.Sprintf("%s not found (package %s)", want.name, want.pkg))
		}
		*want.path = path
	}
	for _, want := range []struct{ path, help string }{
		{schemaFile(), "package openvswitch-common"},
		{"/dev/net/tun", "kernel module tun"},
	} {
		if _, err := os.Stat(want.path); err != nil {
			missing = append(missing, fmt.Sprintf("%s not found (%s)", want.path, want.help))
		}
	}
	if len(missing) > 0 {
		return toolPaths{}, &PrerequisiteError{Missing: missing}
	}
	return tools, nil
}
