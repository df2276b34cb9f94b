// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ofcontroller/config"
	"ofcontroller/ofapp/control"
)

// Bounds of a bundle: it is made on a machine that is in trouble.
const (
	partTime   = 10 * time.Second
	bundleTime = 60 * time.Second
	partBytes  = 4 << 20
)

func newBundle() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "support-bundle",
		Short: "Gather what a bug report needs",
		Long: `Gather what a bug report needs in a tar.gz: status, ports, addresses, offloads,
alerts, events, flows and their difference with what is wanted, what Open vSwitch
itself says of the bridge, log level, versions, and the configuration. Nothing
changes.

Keys, passwords and the files that the configuration names are left out; MAC and
IP addresses, port names and alerts are in it: look before you send it. A part is
cut at 4 MiB and given up after 10 s, the whole after 60 s; one that can't be had
says why, and index.txt lists all.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runBundle(cmd) },
	}
	cmd.Flags().StringP("out", "o", "", "write to this `file`, which must not be there yet; left out: ofcontroller-support-TIME.tar.gz")
	layerFlags(cmd.Flags())
	return cmd
}

// part is a file of the bundle.
type part struct {
	name string
	get  func(context.Context) ([]byte, error)
}

func runBundle(cmd *cobra.Command) error {
	file, _ := cmd.Flags().GetString("out")
	if file == "" {
		file = "ofcontroller-support-" + time.Now().UTC().Format("20060102T150405Z") + ".tar.gz"
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), bundleTime)
	defer cancel()
	var packed bytes.Buffer
	failed, err := bundle(ctx, &packed, parts(cmd), time.Now())
	if err != nil {
		return err
	}
	if err := writeNew(file, packed.Bytes(), 0o600); err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), file)
	if failed > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "ofcontroller: %d parts could not be had; index.txt in it says why\n", failed)
	}
	return nil
}

// parts lists what goes into a bundle. A configuration that can't be read is a
// part that tells so; the defaults say then where to ask.
func parts(cmd *cobra.Command) []part {
	file, _ := cmd.Flags().GetString("config")
	cfg, err := load(cmd)
	list := []part{
		{"version.txt", func(context.Context) ([]byte, error) {
			return fmt.Appendf(nil, "ofcontroller %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH), nil
		}},
		{"config.yaml", func(context.Context) ([]byte, error) { return withoutSecrets(file) }},
		{"check.txt", func(context.Context) ([]byte, error) { return nil, err }},
	}
	if err != nil {
		cfg = &config.Config{OVSDB: "unix:/var/run/openvswitch/db.sock", Control: "/run/ofcontroller/ofcontroller.ctl"}
		cfg.Bridge.Name = "br0"
	}
	for _, q := range [][]string{
		{"status.json", "status", "-o", "json"},
		{"ports.txt", "ports"},
		{"macs.txt", "macs"},
		{"offloads.txt", "offloads"},
		{"alerts.json", "alerts", "-n", "1000", "-o", "json"},
		{"events.json", "events", "-n", "1000", "-o", "json"},
		{"flows-live.txt", "flows/live"},
		{"flows-annotated.txt", "flows/annotated"},
		{"log-level.txt", "vlog/list"},
		{"running-version.txt", "version"},
	} {
		list = append(list, part{q[0], func(ctx context.Context) ([]byte, error) {
			text, err := control.Call(ctx, cfg.Control, q[1], q[2:]...)
			return []byte(text), err
		}})
	}
	mgmt := cfg.OpenFlowEndpoint()
	for _, c := range [][]string{
		{"ovs/show.txt", "ovs-vsctl", "--timeout=5", "--db=" + cfg.OVSDB, "show"},
		{"ovs/bridge.txt", "ovs-vsctl", "--timeout=5", "--db=" + cfg.OVSDB, "list", "bridge", cfg.Bridge.Name},
		{"ovs/interfaces.txt", "ovs-vsctl", "--timeout=5", "--db=" + cfg.OVSDB, "list", "interface"},
		{"ovs/version.txt", "ovs-vswitchd", "--version"},
		{"ovs/ofctl-show.txt", "ovs-ofctl", "-O", "OpenFlow13", "show", mgmt},
		{"ovs/flows.txt", "ovs-ofctl", "-O", "OpenFlow13", "--no-names", "dump-flows", mgmt},
		{"ovs/groups.txt", "ovs-ofctl", "-O", "OpenFlow13", "dump-groups", mgmt},
		{"ovs/meters.txt", "ovs-ofctl", "-O", "OpenFlow13", "dump-meters", mgmt},
		{"ovs/megaflows.txt", "ovs-appctl", "--timeout=5", "dpctl/dump-flows"},
		{"ovs/upcall.txt", "ovs-appctl", "--timeout=5", "upcall/show"},
		{"ovs/coverage.txt", "ovs-appctl", "--timeout=5", "coverage/show"},
		{"host/kernel.txt", "uname", "-srvm"},
		{"host/links.txt", "ip", "-s", "link"},
		{"host/journal.txt", "journalctl", "--no-pager", "-n", "2000", "-u", "ofcontroller"},
	} {
		list = append(list, part{c[0], func(ctx context.Context) ([]byte, error) { return tool(ctx, c[1], c[2:]...) }})
	}
	return list
}

// tool runs a program and takes what it prints, to a bound.
func tool(ctx context.Context, name string, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.WaitDelay = time.Second
	out, complaint := &bounded{limit: partBytes + 1}, &bounded{limit: 4096}
	c.Stdout, c.Stderr = out, complaint
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(append([]string{name}, args...), " "), err, strings.TrimSpace(complaint.String()))
	}
	return optionSecret.ReplaceAll(out.Bytes(), []byte("${1}(left out)")), nil
}

// optionSecret finds secrets in what Open vSwitch prints: keys of tunnels stand
// in the options of interfaces (ovs-vswitchd.conf.db(5), Interface, options:psk).
var optionSecret = regexp.MustCompile(`(?i)(\b(?:psk|password|secret|token)=)("[^"]*"|[^,}\s]+)`)

// bounded keeps the beginning of what is written.
type bounded struct {
	bytes.Buffer
	limit int
}

func (b *bounded) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), b.limit-b.Len())])
	return len(p), nil
}

// secret finds keys whose values are secrets, or name the files of some.
var secret = regexp.MustCompile(`(?i)(["']?[\w.-]*(?:password|private_key|secret|token)[\w.-]*["']?\s*:\s*)("[^"]*"|'[^']*'|[^,}#\s][^,}#\n]*)`)

// withoutSecrets reads a configuration as it stands and takes secrets out.
func withoutSecrets(file string) ([]byte, error) {
	text, err := readLimited(file, control.MaxRequest)
	if err != nil {
		return nil, err
	}
	return secret.ReplaceAll([]byte(text), []byte("${1}(left out)")), nil
}

// bundle packs the parts and an index of them, and says how many failed.
func bundle(ctx context.Context, to io.Writer, list []part, now time.Time) (failed int, err error) {
	zip := gzip.NewWriter(to)
	archive := tar.NewWriter(zip)
	add := func(name string, text []byte) error {
		head := &tar.Header{Name: "ofcontroller-support/" + name, Mode: 0o600, Size: int64(len(text)), ModTime: now}
		if err := archive.WriteHeader(head); err != nil {
			return err
		}
		_, err := archive.Write(text)
		return err
	}
	index := &strings.Builder{}
	for _, p := range list {
		text, note := p.take(ctx)
		if strings.HasPrefix(note, notHad) {
			failed++
		}
		fmt.Fprintf(index, "%-24s %8d bytes  %s\n", p.name, len(text), note)
		if err := add(p.name, text); err != nil {
			return failed, err
		}
	}
	if err := add("index.txt", []byte(index.String())); err != nil {
		return failed, err
	}
	return failed, errors.Join(archive.Close(), zip.Close())
}

const notHad = "not to be had: "

// take gets the part within its bounds; the note says what is missing of it.
func (p part) take(ctx context.Context) (text []byte, note string) {
	ctx, cancel := context.WithTimeout(ctx, partTime)
	defer cancel()
	text, err := p.get(ctx)
	if len(text) > partBytes {
		note = fmt.Sprintf("cut at %d bytes", partBytes)
		text = append(text[:partBytes:partBytes], "\n("+note+")\n"...)
	}
	if err != nil {
		note = notHad + strings.ReplaceAll(err.Error(), "\n", "; ")
		text = append(text, note+"\n"...)
	}
	return text, note
}
