// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Binary is a test binary to run in the guest.
type Binary struct {
	Package string   // for reports
	Path    string   // on the host
	Dir     string   // working directory, that of the package
	Args    []string // test flags
}

// exitMark begins the line with which the guest reports a binary's exit code.
const exitMark = "KERNEL-EXIT"

// warmUp is the uptime before which a freshly started ovs-vswitchd was seen to
// lose every upcall for good, in seconds.
const warmUp = 25

// Run boots the guest and runs the binaries there one after the other. Every
// line that the guest prints goes to each; the exit codes come back in the
// order of the binaries. The time is bounded by ctx.
func (im Image) Run(ctx context.Context, controller string, bins []Binary, each func(line string)) ([]int, error) {
	script, err := im.script(controller, bins)
	if err != nil {
		return nil, err
	}
	defer os.Remove(script)
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64",
		// All instructions that the emulation knows: Suricata's pattern matcher needs SSSE3.
		"-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "3072", "-nographic", "-no-reboot", "-nic", "none",
		"-kernel", filepath.Join(im.Root, "boot", "vmlinuz-"+im.Version), "-initrd", im.Initrd,
		"-append", "console=ttyS0 quiet panic=-1 script="+script,
		"-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the virtual machine (is qemu-system-x86 installed?): %w", err)
	}
	codes := readConsole(out, each)
	if err := cmd.Wait(); err != nil {
		return codes, fmt.Errorf("virtual machine: %w", err)
	}
	if len(codes) != len(bins) {
		return codes, fmt.Errorf("the virtual machine reported on %d of %d test binaries", len(codes), len(bins))
	}
	return codes, nil
}

// readConsole passes lines on and collects exit codes.
func readConsole(r io.Reader, each func(line string)) []int {
	var codes []int
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 4<<20)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		if rest, ok := strings.CutPrefix(line, exitMark+" "); ok {
			if code, err := strconv.Atoi(rest); err == nil {
				codes = append(codes, code)
				continue
			}
		}
		each(line)
	}
	return codes
}

// script writes what the guest runs.
func (im Image) script(controller string, bins []Binary) (string, error) {
	f, err := os.CreateTemp("", "ofcontroller-guest-*.sh")
	if err != nil {
		return "", err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	fmt.Fprintf(w, `export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
export TESTENV_DATAPATH=system TESTENV_CONTROLLER=%s TESTENV_TIME_SCALE=6
mount -t tmpfs tmpfs /run; mkdir -p /run/tmp; export TMPDIR=/run/tmp
mkdir -p /lib/modules; rm -rf /lib/modules/%s; ln -s %s/lib/modules/%s /lib/modules/%s
mount -t sysfs sysfs /sys 2>/dev/null
ip link set lo up
for m in openvswitch tun veth; do modprobe $m || echo "no module $m"; done
while [ "$(cut -d. -f1 /proc/uptime)" -lt %d ]; do sleep 0.2; done
`, controller, im.Version, im.Root, im.Version, im.Version, warmUp)
	if ovs := os.Getenv("TESTENV_OVS"); ovs != "" { // another Open vSwitch, see testenv/other-ovs.sh
		fmt.Fprintf(w, "export TESTENV_OVS=%s\n", ovs)
	}
	for _, b := range bins {
		fmt.Fprintf(w, "cd %s\n%s %s </dev/null 2>&1\necho \"%s $?\"\n", b.Dir, b.Path, strings.Join(b.Args, " "), exitMark)
	}
	fmt.Fprint(w, "echo o > /proc/sysrq-trigger\nsleep 60\n")
	return f.Name(), w.Flush()
}
