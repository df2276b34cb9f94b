// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// netnsDir is where ip-netns(8) looks for named namespaces.
const netnsDir = "/run/netns"

// namespace is a named network namespace with IPv6 off on all its links.
type namespace struct {
	name string
	file *os.File
	link *netlink.Handle

	mu     sync.Mutex
	tables map[string]*os.File // of /proc/net, see table
}

// newNamespace makes a namespace that `ip netns exec NAME` can use, with its
// loopback up.
func newNamespace(name string) (*namespace, error) {
	if err := prepareNetnsDir(); err != nil {
		return nil, err
	}
	path := filepath.Join(netnsDir, name)
	anchor, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return nil, fmt.Errorf("create namespace %s: %w", name, err)
	}
	anchor.Close()

	err = onThrowawayNetns(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("unshare: %w", err)
		}
		if err := unix.Mount(threadNetns(), path, "none", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind mount on %s: %w", path, err)
		}
		return disableIPv6()
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create namespace %s: %w", name, err), removeNamespace(name))
	}
	ns, err := openNamespace(name)
	if err != nil {
		return nil, errors.Join(err, removeNamespace(name))
	}
	return ns, nil
}

func openNamespace(name string) (*namespace, error) {
	file, err := os.Open(filepath.Join(netnsDir, name))
	if err != nil {
		return nil, fmt.Errorf("open namespace %s: %w", name, err)
	}
	link, err := netlink.NewHandleAt(netns.NsHandle(file.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("netlink in namespace %s: %w", name, err)
	}
	ns := &namespace{name: name, file: file, link: link}
	if err := ns.setUp("lo", true); err != nil {
		ns.close()
		return nil, err
	}
	return ns, nil
}

// prepareNetnsDir makes the directory a shared mount point under the lock that
// ip-netns(8) takes, so that namespaces made by either are seen, and can be
// removed, by the other.
func prepareNetnsDir() error {
	if err := os.MkdirAll(netnsDir, 0o755); err != nil {
		return err
	}
	dir, err := os.Open(netnsDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", netnsDir, err)
	}
	err = unix.Mount("", netnsDir, "none", unix.MS_SHARED|unix.MS_REC, "")
	if !errors.Is(err, unix.EINVAL) {
		return err
	}
	// EINVAL says that it is not a mount point yet.
	if err := unix.Mount(netnsDir, netnsDir, "none", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind mount %s: %w", netnsDir, err)
	}
	return unix.Mount("", netnsDir, "none", unix.MS_SHARED|unix.MS_REC, "")
}

// disableIPv6 keeps router solicitations, neighbour discovery and MLD off all
// links that the calling thread's namespace will ever have.
func disableIPv6() error {
	for _, which := range []string{"all", "default"} {
		err := os.WriteFile("/proc/sys/net/ipv6/conf/"+which+"/disable_ipv6", []byte("1"), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without IPv6 is fine
			return err
		}
	}
	return nil
}

// enableIPv6 lets a link of the calling thread's namespace have IPv6 addresses,
// without any of its own making: no link-local one, no router, and no waiting for
// others that have the same (ip-sysctl).
func enableIPv6(device string) error {
	for _, setting := range []struct{ name, value string }{
		{"addr_gen_mode", "1"}, {"accept_dad", "0"}, {"accept_ra", "0"}, {"disable_ipv6", "0"},
	} {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+device+"/"+setting.name, []byte(setting.value), 0); err != nil {
			return err
		}
	}
	return nil
}

// removeNamespace takes the name away. The kernel ends the namespace and its
// links with the last process or socket in it.
func removeNamespace(name string) error {
	path := filepath.Join(netnsDir, name)
	err := unix.Unmount(path, unix.MNT_DETACH)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove namespace: %w", err)
	}
	return nil
}

// table is one of the namespace's tables in /proc/net, nil where the kernel has
// none of that name. It is opened once: the file belongs to the namespace that it
// was opened in (proc(5)), and each read from its start gives the table of that
// moment. It is for ReadAt.
func (n *namespace) table(name string) (*os.File, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if f, ok := n.tables[name]; ok {
		return f, nil
	}
	var f *os.File
	err := n.do(func() error {
		var err error
		f, err = os.Open(fmt.Sprintf("/proc/self/task/%d/net/%s", unix.Gettid(), name))
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if n.tables == nil {
		n.tables = map[string]*os.File{}
	}
	n.tables[name] = f
	return f, nil
}

func (n *namespace) close() error {
	n.mu.Lock()
	for _, f := range n.tables {
		f.Close() // nil for one that is not there, which is no file to close
	}
	n.tables = nil
	n.mu.Unlock()
	n.link.Close()
	n.file.Close()
	return removeNamespace(n.name)
}

// setUp sets a link's administrative state.
func (n *namespace) setUp(name string, up bool) error {
	link, err := n.link.LinkByName(name)
	if err != nil {
		return fmt.Errorf("link %s in %s: %w", name, n.name, err)
	}
	if up {
		err = n.link.LinkSetUp(link)
	} else {
		err = n.link.LinkSetDown(link)
	}
	if err != nil {
		return fmt.Errorf("set link %s in %s (up=%t): %w", name, n.name, up, err)
	}
	return nil
}

// do runs f on a thread inside the namespace, see [Env.Do].
func (n *namespace) do(f func() error) error {
	return onThrowawayNetns(func() error {
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter namespace %s: %w", n.name, err)
		}
		return f()
	})
}

// onThrowawayNetns runs f on a locked thread and restores the thread's network
// namespace afterwards. A thread that cannot be restored stays locked to its
// goroutine, and so ends with it.
func onThrowawayNetns(f func() error) error {
	result := make(chan error, 1)
	go func() {
		// Goexit, by t.FailNow in f, leaves this as it is.
		err := errors.New("the function ended its goroutine (t.FailNow must not be called in it)")
		defer func() { result <- err }()

		runtime.LockOSThread()
		home, openErr := os.Open(threadNetns())
		if openErr != nil {
			runtime.UnlockOSThread()
			err = openErr
			return
		}
		defer home.Close()
		defer func() {
			if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
				runtime.UnlockOSThread()
			}
		}()
		err = f()
	}()
	return <-result
}

func threadNetns() string { return fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()) }
