// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// openTap makes a tap device (Linux Documentation/networking/tuntap) with the
// flags beside IFF_TAP and IFF_NO_PI. Without others it has no offloads, so that
// the host computes its checksums itself. The device goes with the file, unless
// it is made persistent.
func openTap(ns *namespace, device string, flags uint16, settings ...func(fd int) error) (*os.File, error) {
	var fd int
	err := ns.do(func() error {
		var err error
		if fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0); err != nil {
			return err
		}
		request, err := unix.NewIfreq(device)
		if err != nil {
			return errors.Join(err, unix.Close(fd))
		}
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | flags)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
			return errors.Join(err, unix.Close(fd))
		}
		for _, set := range settings {
			if err := set(fd); err != nil {
				return errors.Join(err, unix.Close(fd))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("tap device %s: %w", device, err)
	}
	return os.NewFile(uintptr(fd), device), nil
}

// virtioHeader is the length of struct virtio_net_hdr_v1 (Virtual I/O Device
// 1.1, 5.1.6), which QEMU sets for adapters with mergeable buffers, in bytes.
const virtioHeader = 12

// virtioOffloads are what a Linux guest's virtio adapter takes: checksums left
// blank and TCP segments of up to 64 KiB (linux/if_tun.h).
const virtioOffloads = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN

// withVirtio sets what QEMU sets on the device of a virtio adapter (net/tap.c).
func withVirtio(fd int) error {
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, virtioHeader); err != nil {
		return fmt.Errorf("length of the header: %w", err)
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, virtioOffloads); err != nil {
		return fmt.Errorf("offloads: %w", err)
	}
	return nil
}

func persistent(fd int) error { return unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1) }

// tapNIC stands for QEMU with one virtio adapter: it carries frames with their
// virtio headers between the tap device at the switch and the guest's own
// network device, which is another tap, so that the guest's kernel offloads to
// it what it would to virtio.
type tapNIC struct {
	env   *Env
	name  string
	files []*os.File
	wg    sync.WaitGroup
}

func newTapNIC(e *Env, name string, guest *namespace, device string) (*tapNIC, error) {
	n := &tapNIC{env: e, name: name}
	// libvirt makes the device, QEMU opens it a second time.
	made, err := openTap(e.ns, name, unix.IFF_VNET_HDR, persistent)
	if err != nil {
		return nil, err
	}
	if err := made.Close(); err != nil {
		return nil, err
	}
	outer, err := openTap(e.ns, name, unix.IFF_VNET_HDR, withVirtio)
	if err != nil {
		return nil, errors.Join(err, e.delLink(name))
	}
	inner, err := openTap(guest, device, unix.IFF_VNET_HDR, withVirtio)
	if err != nil {
		return nil, errors.Join(err, outer.Close(), e.delLink(name))
	}
	n.files = []*os.File{outer, inner}
	n.wg.Go(func() { n.carry(outer, inner) })
	n.wg.Go(func() { n.carry(inner, outer) })
	return n, nil
}

// carry passes frames on until a device is closed. One that the other device
// does not take, because it is down, is lost as it would be in QEMU.
func (n *tapNIC) carry(from, to *os.File) {
	buf := make([]byte, virtioHeader+maxFrame+tagOffset+2*tagLen)
	for {
		length, err := from.Read(buf)
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				n.env.log("testenv: guest %s: %v", n.name, err)
			}
			return
		}
		if _, err := to.Write(buf[:length]); err != nil && !errors.Is(err, unix.EIO) && !errors.Is(err, os.ErrClosed) {
			n.env.log("testenv: guest %s: %d bytes: %v", n.name, length, err)
		}
	}
}

func (n *tapNIC) close() {
	for _, f := range n.files {
		f.Close()
	}
	n.wg.Wait()
	if err := n.env.delLink(n.name); err != nil {
		n.env.log("testenv: guest %s: %v", n.name, err)
	}
}
