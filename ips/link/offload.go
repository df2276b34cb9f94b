// SPDX-License-Identifier: Apache-2.0

package link

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ethtoolValue is struct ethtool_value of linux/ethtool.h.
type ethtoolValue struct {
	cmd  uint32
	data uint32
}

// ifreqData is struct ifreq with ifr_data (netdevice(7)), padded to its size.
type ifreqData struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [24 - unsafe.Sizeof(uintptr(0))]byte
}

// offloads are what veth would do late or never for frames that leave the host
// by a packet socket: checksums left blank, segments not cut, segments joined.
var offloads = [...]struct {
	name     string
	set, get uint32
}{
	{"TX checksum", unix.ETHTOOL_STXCSUM, unix.ETHTOOL_GTXCSUM},
	{"TSO", unix.ETHTOOL_STSO, unix.ETHTOOL_GTSO},
	{"GSO", unix.ETHTOOL_SGSO, unix.ETHTOOL_GGSO},
	{"GRO", unix.ETHTOOL_SGRO, unix.ETHTOOL_GGRO},
}

// offloadsOff switches the offloads of a link off by SIOCETHTOOL.
func offloadsOff(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("make socket for ethtool: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	for _, o := range offloads {
		if on, err := ethtool(fd, name, o.get, 0); err == nil && on == 0 {
			continue
		}
		if _, err := ethtool(fd, name, o.set, 0); err != nil {
			return fmt.Errorf("switch %s offload of %s off: %w", o.name, name, err)
		}
	}
	return nil
}

// ethtool runs a command with one value and gives the value that comes back.
func ethtool(fd int, name string, cmd, data uint32) (uint32, error) {
	value := ethtoolValue{cmd: cmd, data: data}
	request := ifreqData{data: unsafe.Pointer(&value)}
	copy(request.name[:unix.IFNAMSIZ-1], name)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	runtime.KeepAlive(&value)
	if errno != 0 {
		return 0, errno
	}
	return value.data, nil
}
