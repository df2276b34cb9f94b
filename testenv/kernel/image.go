// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Image is an unpacked kernel with an initramfs that boots into the host's
// files.
type Image struct {
	Version string // such as 6.1.0-56-amd64
	Root    string // directory with boot/ and lib/modules/
	Initrd  string
}

// metaPackage depends on the package that holds the current kernel.
const metaPackage = "linux-image-amd64"

// Prepare downloads the kernel where it is missing, and makes the initramfs. The
// suite is one of apt's sources, such as bookworm-backports; "" is the one that
// apt takes by itself.
func Prepare(ctx context.Context, suite string) (Image, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return Image{}, err
	}
	pkg, err := kernelPackage(ctx, suite)
	if err != nil {
		return Image{}, err
	}
	dir := filepath.Join(cache, "ofcontroller", "kernel", pkg)
	im := Image{
		Version: strings.TrimPrefix(pkg, "linux-image-"),
		Root:    filepath.Join(dir, "root"),
		Initrd:  filepath.Join(dir, "initrd"),
	}
	if _, err := os.Stat(filepath.Join(dir, "complete")); err != nil {
		if err := im.download(ctx, dir, pkg); err != nil {
			return Image{}, err
		}
	}
	if err := im.makeInitrd(ctx); err != nil {
		return Image{}, err
	}
	return im, nil
}

// kernelPackage names the versioned package behind the meta package.
func kernelPackage(ctx context.Context, suite string) (string, error) {
	args := []string{"depends", metaPackage}
	if suite != "" {
		args = []string{"depends", "-t", suite, metaPackage + "/" + suite}
	}
	out, err := command(ctx, "", "apt-cache", args...)
	if err != nil {
		return "", fmt.Errorf("look for the kernel package: %w", err)
	}
	m := regexp.MustCompile(`Depends: (linux-image-[0-9][^\s]*)`).FindStringSubmatch(out)
	if m == nil {
		return "", fmt.Errorf("%s names no kernel package: %q", metaPackage, out)
	}
	return m[1], nil
}

func (im Image) download(ctx context.Context, dir, pkg string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if _, err := command(ctx, dir, "apt-get", "download", pkg); err != nil {
		return fmt.Errorf("download %s: %w", pkg, err)
	}
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(debs) != 1 {
		return fmt.Errorf("download %s: found %v", pkg, debs)
	}
	if _, err := command(ctx, dir, "dpkg", "-x", debs[0], im.Root); err != nil {
		return fmt.Errorf("unpack %s: %w", pkg, err)
	}
	if _, err := command(ctx, dir, "depmod", "-b", im.Root, im.Version); err != nil {
		return fmt.Errorf("index modules: %w", err)
	}
	return errors.Join(os.Remove(debs[0]), os.WriteFile(filepath.Join(dir, "complete"), nil, 0o644))
}

// bootModules are those that the initramfs needs to reach the host's files.
func bootModules() []string { return []string{"virtio_pci", "9pnet_virtio", "9p", "overlay"} }

// initScript mounts the host's root under a tmpfs and goes on in it.
const initScript = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /host /rw /new
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
while read -r module; do /bin/busybox insmod "$module"; done < /modules
/bin/busybox mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=512000,cache=loose host /host || echo "KERNEL: no host"
/bin/busybox mount -t tmpfs -o size=1500m tmpfs /rw
/bin/busybox mkdir -p /rw/up /rw/work
/bin/busybox mount -t overlay -o lowerdir=/host,upperdir=/rw/up,workdir=/rw/work overlay /new || echo "KERNEL: no overlay"
for d in proc sys dev; do /bin/busybox mount -o move /$d /new/$d; done
script=$(/bin/busybox sed -n 's/.*script=\([^ ]*\).*/\1/p' /new/proc/cmdline)
exec /bin/busybox chroot /new /bin/bash "$script"
`

// makeInitrd packs busybox, the boot modules and the init script.
func (im Image) makeInitrd(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "ofcontroller-initrd-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		return err
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return fmt.Errorf("busybox-static is not installed: %w", err)
	}
	if err := copyFile(busybox, filepath.Join(dir, "bin", "busybox")); err != nil {
		return err
	}
	modules, err := im.copyModules(ctx, dir)
	if err != nil {
		return err
	}
	list := strings.Join(modules, "\n") + "\n"
	if err := os.WriteFile(filepath.Join(dir, "modules"), []byte(list), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "init"), []byte(initScript), 0o755); err != nil {
		return err
	}
	if _, err := command(ctx, dir, "sh", "-c", `find . | cpio --quiet -o -H newc | gzip -1 > "$0"`, im.Initrd); err != nil {
		return fmt.Errorf("pack the initramfs: %w", err)
	}
	return nil
}

// copyModules copies the boot modules and what they depend on, and returns
// their names in the initramfs in the order of loading.
func (im Image) copyModules(ctx context.Context, dir string) ([]string, error) {
	var names []string
	seen := map[string]bool{}
	for _, m := range bootModules() {
		out, err := command(ctx, "", "modprobe", "--show-depends", "-d", im.Root, "-S", im.Version, m)
		if err != nil {
			return nil, fmt.Errorf("module %s: %w", m, err)
		}
		for line := range strings.Lines(out) {
			file, ok := strings.CutPrefix(strings.TrimSpace(line), "insmod ")
			if !ok || seen[file] {
				continue
			}
			seen[file] = true
			name := "/" + filepath.Base(file)
			if err := copyFile(file, filepath.Join(dir, name)); err != nil {
				return nil, err
			}
			names = append(names, name)
		}
	}
	return names, nil
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o755)
}

func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}
