// SPDX-License-Identifier: Apache-2.0

package link

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// MakePlain has the kernel hand frames out of a link, to whatever is behind it,
// as they would be on a wire: cut to the size that their sender's MTU allows,
// with their checksums filled in. It switches off what the link claims to do of
// that itself, and tells whether anything was on. Links of a kind that puts
// frames on a wire are left alone, since their adapter does it; so is a link
// that has the name but not the index, which is another one, of another
// namespace or machine.
func MakePlain(name string, index int) (changed bool, err error) {
	l, err := ByName(name)
	if err != nil || l == nil || l.Attrs().Index != index {
		return false, err
	}
	if kind := l.Type(); kind != "veth" && kind != "tuntap" {
		return false, nil
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false, fmt.Errorf("make socket for ethtool: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	for _, o := range offloads {
		if o.set == unix.ETHTOOL_SGRO {
			continue // of frames that come in
		}
		if on, err := ethtool(fd, name, o.get, 0); err == nil && on == 0 {
			continue
		}
		if _, err := ethtool(fd, name, o.set, 0); err != nil {
			return changed, fmt.Errorf("switch %s offload of %s off: %w", o.name, name, err)
		}
		changed = true
	}
	return changed, nil
}
