// SPDX-License-Identifier: Apache-2.0

// Package kernel runs this module's tests on the kernel datapath: it boots
// Debian's kernel, which has the openvswitch module, in a virtual machine under
// QEMU's software emulation, and runs the test binaries of the integration
// tests there with datapath_type=system.
//
// It owns the machine: kernel package, initramfs, boot, the guest's script and
// the reading of results from the serial console. The guest sees the host's
// file system read-only through 9p with a tmpfs on top, so that programs, the
// switch and the tests are those that lie on the host. It never runs a test on
// the host, and imports no package of this module.
//
// The kernel package is downloaded with apt-get and unpacked into the user's
// cache directory; nothing is installed.
package kernel
