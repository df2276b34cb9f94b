// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"

	"ofcontroller/config"
	"ofcontroller/ips/embedded"
	"ofcontroller/ips/suricata"
)

// Release gives the bridge back its own forwarding, while no ofcontroller runs
// on it: it takes away the flows, groups and meters, what was set in the
// database, and the engines with their ports and links. Ports of others and
// their VLAN columns stay. It tells what was done, also beside an error; what is
// gone already is no error.
//
// A bridge without a fail_mode is standalone: ovs-vswitchd drops its flows at
// that change and forwards by NORMAL (ovs-vswitchd.conf.db(5), Bridge,
// fail_mode).
func Release(ctx context.Context, cfg *config.Config, log logrus.FieldLogger) ([]string, error) {
	free, err := claim(cfg)
	if err != nil {
		return nil, err
	}
	defer free()
	bridge := cfg.Bridge.Name
	var ports []string
	engines, err := madeEngines(cfg, log)
	if err != nil {
		return nil, err
	}
	for _, at := range engines {
		ports = append(ports, enginePorts(at)...)
	}
	args := []string{"--timeout=10", "--db=" + cfg.OVSDB}
	for _, p := range ports {
		args = append(args, "--", "--if-exists", "del-port", bridge, p)
	}
	had, err := tool(ctx, cfg, "ovs-vsctl", "--timeout=10", "--db="+cfg.OVSDB, "list-ports", bridge)
	if err != nil {
		return nil, err
	}
	for _, p := range append(strings.Fields(had), bridge) {
		if !slices.Contains(ports, p) {
			args = append(args, "--", "--if-exists", "set", "port", p, "protected=false")
		}
	}
	if _, err := tool(ctx, cfg, "ovs-vsctl", append(args, "--", "clear", "bridge", bridge, "flow_tables",
		"--", "remove", "bridge", bridge, "other_config", disableInBand, "--", "del-fail-mode", bridge)...); err != nil {
		return nil, err
	}
	done := []string{bridge + " forwards by itself"}
	var faults []error
	for _, c := range []string{"del-groups", "del-meters"} {
		_, err := tool(ctx, cfg, "ovs-ofctl", "-O", "OpenFlow13", "--timeout=10", c, cfg.OpenFlowEndpoint())
		faults = append(faults, err)
	}
	for _, at := range engines {
		if err := removeEngine(cfg, at, log); err != nil {
			faults = append(faults, err)
			continue
		}
		done = append(done, fmt.Sprintf("%s is gone, and its ports %s", at.Name, strings.Join(enginePorts(at), ", ")))
	}
	fault := errors.Join(faults...)
	if fault == nil {
		fault = saveNote[madeEngine](engineFile(cfg), nil)
	}
	return done, fault
}

// madeEngines gives the attachments that have an engine: those that are
// configured, and those that were.
func madeEngines(cfg *config.Config, log logrus.FieldLogger) ([]config.Attachment, error) {
	left, err := leftEngines(cfg, log)
	engines := slices.DeleteFunc(slices.Clone(cfg.Inspection.Attachments), func(at config.Attachment) bool { return at.Kind == config.KindPort })
	return append(engines, left...), err
}

// disableInBand is the key that the gateway sets in other_config.
const disableInBand = "disable-in-band"

// removeEngine ends the engine of an attachment, and removes its links.
func removeEngine(cfg *config.Config, at config.Attachment, log logrus.FieldLogger) error {
	if at.Kind == config.KindEmbedded {
		return embedded.Remove(at.Name)
	}
	s, err := suricata.New(suricata.Options{Name: at.Name, Dir: filepath.Join(filepath.Dir(cfg.Control), at.Name), Log: log})
	if err != nil {
		return err
	}
	return s.Remove()
}

// tool runs a program of Open vSwitch, and gives what it prints.
func tool(ctx context.Context, cfg *config.Config, name string, args ...string) (string, error) {
	if t := cfg.TLS; t != (config.TLS{}) {
		args = append([]string{"--private-key=" + t.PrivateKey, "--certificate=" + t.Certificate, "--ca-cert=" + t.CA}, args...)
	}
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("%s of the package openvswitch-switch is needed: %w", name, err)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %s (%w)", name, strings.TrimSpace(string(out)), err)
	}
	return string(out), nil
}
