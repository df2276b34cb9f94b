// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Binary is a test binary to run in the guest.
type Binary struct {
	Name string   // for reports
	Path string   // on the host
	Dir  string   // working directory, that of the package
	Args []string // test flags
}

// exitMark begins the line with which the guest reports a binary's exit code.
const exitMark = "KERNEL-EXIT"

// Line is one that a binary in the guest printed, or the guest itself.
type Line struct {
	Binary int // its index, -1: the guest's
	Text   string
}

// warmUp is the uptime before which a freshly started ovs-vswitchd was seen to
// lose every upcall for good, in seconds.
const warmUp = 25

// guestCPU has all instructions that the emulation knows, as Suricata's pattern
// matcher needs SSSE3, but for those that copy and clear memory a byte at a time
// where it has no faster way.
const guestCPU = "max,-erms,-fsrm"

// guestKernel are parameters of the kernel that make an emulated machine faster:
// programs at the same addresses each time find their code translated already, a
// page table has four levels instead of five, and no processor is guarded against
// that does not exist.
const guestKernel = "norandmaps no5lvl mitigations=off"

// Run boots the guest and runs the binaries there, one after the other. Every
// line that the guest prints goes to each; the exit codes come back in the order
// of the binaries, -1 where none came. The time is bounded by ctx.
func (im Image) Run(ctx context.Context, controller string, bins []Binary, each func(Line)) ([]int, error) {
	script, err := im.script(controller, bins)
	if err != nil {
		return nil, err
	}
	defer os.Remove(script)
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64",
		"-accel", "tcg,thread=multi", "-cpu", guestCPU, "-smp", "2", "-m", "3072", "-nographic", "-no-reboot", "-nic", "none",
		"-kernel", filepath.Join(im.Root, "boot", "vmlinuz-"+im.Version), "-initrd", im.Initrd,
		"-append", "console=ttyS0 quiet panic=-1 "+guestKernel+" script="+script,
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
	began := time.Now()
	codes := readConsole(out, len(bins), each)
	if err := cmd.Wait(); err != nil {
		return codes, fmt.Errorf("virtual machine: %w", err)
	}
	state := cmd.ProcessState
	each(Line{-1, fmt.Sprintf("the virtual machine ran for %v and used %v of processor time",
		time.Since(began).Round(time.Second), (state.UserTime() + state.SystemTime()).Round(time.Second))})
	return codes, nil
}

// readConsole passes lines on and collects exit codes. A line of a binary begins
// with its index and a bar.
func readConsole(r io.Reader, binaries int, each func(Line)) []int {
	codes := slices.Repeat([]int{-1}, binaries)
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 4<<20)
	for lines.Scan() {
		text := strings.TrimRight(lines.Text(), "\r")
		number, rest, _ := strings.Cut(text, "| ")
		index, err := strconv.Atoi(number)
		if err != nil || index < 0 || index >= binaries {
			each(Line{-1, text})
			continue
		}
		if mark, ok := strings.CutPrefix(rest, exitMark+" "); ok {
			if code, err := strconv.Atoi(mark); err == nil {
				codes[index] = code
				continue
			}
		}
		each(Line{index, rest})
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
export TESTENV_DATAPATH=%s TESTENV_CONTROLLER=%s TESTENV_TIME_SCALE=6
mount -t tmpfs tmpfs /run; mkdir -p /run/tmp; export TMPDIR=/run/tmp
mkdir -p /lib/modules; rm -rf /lib/modules/%s; ln -s %s/lib/modules/%s /lib/modules/%s
mount -t sysfs sysfs /sys 2>/dev/null
ip link set lo up
for m in openvswitch tun veth; do modprobe $m || echo "no module $m"; done
while [ "$(cut -d. -f1 /proc/uptime)" -lt %d ]; do sleep 0.2; done
`, cmp.Or(os.Getenv("TESTENV_DATAPATH"), "system"), controller, im.Version, im.Root, im.Version, im.Version, warmUp)
	if ovs := os.Getenv("TESTENV_OVS"); ovs != "" { // another Open vSwitch, see testenv/other-ovs.sh
		fmt.Fprintf(w, "export TESTENV_OVS=%s\n", ovs)
	}
	for i, b := range bins {
		fmt.Fprintf(w, "(cd %s; %s %s </dev/null 2>&1; echo \"%s $?\") | sed -u 's/^/%d| /'\n", b.Dir, b.Path, strings.Join(b.Args, " "), exitMark, i)
	}
	fmt.Fprint(w, "echo o > /proc/sysrq-trigger\nsleep 60\n")
	return f.Name(), w.Flush()
}
