// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"ofcontroller/testenv/kernel"
)

const armBare = "bare veth pair (taken off the others)"

// Units: the same quantity, a plot each.
const (
	byLength = "instructions per frame"
	byVLANs  = "instructions per frame, by VLANs"
	byPorts  = "instructions per frame, by trunk ports"
)

func kernelDatapath() subject {
	return subject{
		name: "kernel", title: "The kernel datapath", limit: 10 * time.Minute,
		method: "The same ways on the kernel datapath, which users have by default, in an emulated machine of one processor whose clock counts instructions (QEMU, `-icount shift=0`): " +
			"shown are those of a frame from its sending until it is received, in the sending program and in the kernel, less those of a bare veth pair between two such packet sockets. " +
			"They do not depend on what else the host does; cache misses are not in them.",
		plots: []plotSpec{
			{title: "Instructions by frame length", unit: byLength, x: "frame length, bytes"},
			{title: "Instructions by VLANs", unit: byVLANs, x: "VLANs", logX: true},
			{title: "Instructions by trunk ports", unit: byPorts, x: "trunk ports", logX: true},
		},
		run: runKernel,
	}
}

// valueMark begins a line of the guest that has a value in JSON.
const valueMark = "BENCH-VALUE "

// runKernel boots the guest, has it measure, and draws the conclusions.
func runKernel(ctx context.Context, b *bench) error {
	im, err := kernel.Prepare(ctx, "")
	if err != nil {
		return err
	}
	im.Counted = true
	dir, err := os.MkdirTemp(filepath.Dir(im.Initrd), "bench-") // seen by the guest, as /run is not
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	controller := filepath.Join(dir, "ofcontroller")
	build := exec.CommandContext(ctx, "go", "build", "-o", controller, "ofcontroller/cmd/ofcontroller")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the controller: %w: %s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var said strings.Builder
	var faults error
	codes, err := im.Run(ctx, controller, []kernel.Binary{{Name: "bench", Path: self, Dir: "/", Args: []string{childGuest}}}, func(l kernel.Line) {
		text, ok := strings.CutPrefix(l.Text, valueMark)
		if !ok {
			fmt.Fprintln(&said, l.Text)
			return
		}
		v := &value{}
		faults = errors.Join(faults, json.Unmarshal([]byte(text), v))
		b.Values = append(b.Values, v)
	})
	if err := errors.Join(err, faults); err != nil {
		return err
	}
	if codes[0] != 0 {
		return fmt.Errorf("in the guest: exit code %d: %s", codes[0], tail(said.String()))
	}
	return b.kernelClaims()
}

func (b *bench) kernelClaims() error {
	var errs []error
	for _, l := range guestLoads() {
		errs = append(errs,
			b.ratio(l.name, byLength, armGateway, armLoop, atMost(1.053)),
			b.ratio(l.name, byLength, armGateway, armTagged, atMost(1.053)), // 1 ÷ 0.95
			b.ratio(l.name, byLength, armGateway, armNormal, reported()),
		)
	}
	for _, n := range vlanCounts() {
		for _, suffix := range []string{oneInUse, allInUse} {
			errs = append(errs, b.growth(byVLANs, armOFController+suffix, newVLANCount(n).what, newVLANCount(vlanCounts()[0]).what))
		}
	}
	for _, n := range guestTrunks() {
		errs = append(errs, b.growth(byPorts, armOFController, trunkCase(n), trunkCase(guestTrunks()[0])))
	}
	return errors.Join(errs...)
}
