// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// settleTime is how long nothing may move where frames can be out of sight: in the
// kernel datapath's queue of packets for user space, or in the hands of a
// controller's embedded engine.
const settleTime = 20 * time.Millisecond

// Sync is [Env.Quiesce] over all ports with a time limit.
func (e *Env) Sync(timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), Scaled(timeout))
	defer cancel()
	return e.Quiesce(ctx)
}

// Quiesce returns once every frame that was sent before the call has come out or
// has been dropped: what [Port.Drain] returns then is all there will be. With
// ports given, only their frames and the switch's queues have to come to rest;
// without, all ports, hosts and LOCAL devices.
//
// It does not wait for frames that an [IPS] or an embedded engine holds back on
// purpose.
//
// How: a frame in flight is in one of a few places, each of which can be seen.
//   - The kernel's input queues: /proc/net/softnet_stat.
//   - The receive queue of one of the switch's packet sockets or of a port's:
//     column Rmem of /proc/net/packet, in both namespaces.
//   - The queue of a LOCAL device: the switch reads each of its ports once per
//     turn of its main loop, so one turn moves the device's counters.
//   - The switch itself: it reads, decides and sends within one turn of that loop.
//   - With the kernel datapath, the queue of packets for user space and the
//     threads that take them from there: see upcallsDone.
//   - The hands of a port's goroutine, an IPS's script or a host's tag shim.
//   - An engine that a controller runs, in itself or as a Suricata: see working.
//
// A turn of the main loop has passed when a new connection to the control socket
// is answered. If all queues are empty before, between and after two such
// answers, and no counter of any link or port has moved, nothing was in flight.
// With the kernel's datapath, or while a controller runs, whose engine may have
// taken a frame and not yet given it back, 20 ms without any movement are asked
// for as well. Probes more often than that would keep it from ever returning
// without ports given.
func (e *Env) Quiesce(ctx context.Context, ports ...*Port) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		quiet, err := e.quiet(ctx, ports)
		if err != nil {
			return fmt.Errorf("wait for frames in flight: %w", err)
		}
		if quiet {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for frames in flight: %w", ctx.Err())
		}
	}
}

// quiet makes one round of looking and reports whether anything moved.
func (e *Env) quiet(ctx context.Context, ports []*Port) (bool, error) {
	before, err := e.movement(ports)
	if err != nil {
		return false, err
	}
	for range 2 {
		if empty, err := e.queuesEmpty(); err != nil || !empty {
			return false, err
		}
		if _, err := unixctl(ctx, e.switchSocket(), "version"); err != nil {
			return false, err
		}
		if d := e.outOfSight(); d > 0 {
			timer := time.NewTimer(d / 2)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return false, ctx.Err()
			}
		}
	}
	if empty, err := e.queuesEmpty(); err != nil || !empty {
		return false, err
	}
	after, err := e.movement(ports)
	return before == after, err
}

// outOfSight is how long nothing may move, because frames can be where no queue
// or counter shows them; 0: there is no such place. An engine takes longer on a
// slow machine.
func (e *Env) outOfSight() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.opaque || slices.ContainsFunc(e.controllers, func(c *Controller) bool { return c.engine.Load() && c.process.running() }) {
		return Scaled(settleTime)
	}
	if e.datapath == "system" || slices.ContainsFunc(e.controllers, func(c *Controller) bool { return c.process.running() }) {
		return settleTime
	}
	return 0
}

// Opaque says that frames can be in an engine that no controller of this
// environment runs, such as one which outlived its controller: waiting for
// frames in flight allows them some time then.
func (e *Env) Opaque(yes bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.opaque = yes
}

// movement adds up the frames seen so far. Every counter only grows, so an equal
// sum means that none has changed.
func (e *Env) movement(ports []*Port) (uint64, error) {
	var sum uint64
	if len(ports) > 0 {
		for _, p := range ports {
			sum += p.sent.Load() + p.received.Load()
		}
		return sum, nil
	}
	for _, p := range e.allPorts() {
		sum += p.sent.Load() + p.received.Load()
	}
	frames, err := e.ns.sum("dev", 10, devReceived, devSent)
	return sum + frames, err
}

func (e *Env) allPorts() []*Port {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]*Port(nil), e.ports...)
}

// queuesEmpty looks at the sockets first and at the goroutines that read them
// after: a goroutine says that it is busy before it takes a frame off the queue.
func (e *Env) queuesEmpty() (bool, error) {
	backlog, err := sumColumns("/proc/net/softnet_stat", 16, softnetBacklog)
	if err != nil || backlog > 0 {
		return false, err
	}
	for _, ns := range []*namespace{e.ns, e.wire} {
		if queued, err := ns.queued(); err != nil || queued > 0 {
			return false, err
		}
	}
	for _, p := range e.allPorts() {
		if p.busy.Load() {
			return false, nil
		}
	}
	for _, h := range e.allHosts() {
		if h.shim != nil && h.shim.busy.Load() > 0 {
			return false, nil
		}
	}
	if slices.ContainsFunc(e.engines(), working) {
		return false, nil
	}
	if e.datapath != "system" {
		return true, nil
	}
	return e.upcallsDone()
}

// pollAMD64 is poll(2), which other architectures do not have.
const pollAMD64 = "7"

// upcallsDone tells whether no packet is on its way from the kernel datapath
// through ovs-vswitchd: the receive queues of the generic netlink sockets are
// empty, and every handler thread, which reads them and sends the packets on
// before it looks again, waits for more.
func (e *Env) upcallsDone() (bool, error) {
	queued, err := e.ns.queuedNetlink()
	if err != nil || queued > 0 {
		return false, err
	}
	if !e.vswitchd.running() {
		return true, nil
	}
	tasks := fmt.Sprintf("/proc/%d/task", e.vswitchd.cmd.Process.Pid)
	threads, err := os.ReadDir(tasks)
	if err != nil {
		return false, fmt.Errorf("threads of ovs-vswitchd: %w", err)
	}
	for _, thread := range threads {
		name, err := os.ReadFile(filepath.Join(tasks, thread.Name(), "comm"))
		if err != nil || !strings.HasPrefix(string(name), "handler") {
			continue // a thread that has ended handles nothing
		}
		// "running", or the number of the system call that it sleeps in (proc(5)).
		call, err := os.ReadFile(filepath.Join(tasks, thread.Name(), "syscall"))
		if err != nil {
			return false, fmt.Errorf("handler thread of ovs-vswitchd: %w", err)
		}
		number, _, _ := strings.Cut(string(call), " ")
		if number != pollAMD64 && number != strconv.Itoa(unix.SYS_PPOLL) {
			return false, nil
		}
	}
	return true, nil
}

// queuedNetlink is how many bytes wait in the namespace's generic netlink
// sockets.
func (n *namespace) queuedNetlink() (bytes uint64, err error) {
	file, err := n.table("netlink")
	if err != nil || file == nil {
		return 0, err
	}
	lines := bufio.NewScanner(io.NewSectionReader(file, 0, maxTable))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) <= netlinkRmem || fields[netlinkProtocol] != strconv.Itoa(unix.NETLINK_GENERIC) {
			continue
		}
		if n, err := strconv.ParseUint(fields[netlinkRmem], 10, 64); err == nil {
			bytes += n
		}
	}
	return bytes, lines.Err()
}

// awaitRead waits until the switch has read what was sent to it by veth.
func (e *Env) awaitRead(ctx context.Context) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		queued, err := e.ns.queued()
		if err != nil || queued == 0 {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d bytes not read by the switch: %w", queued, ctx.Err())
		}
	}
}

// queued is how many bytes wait in the namespace's packet sockets.
func (n *namespace) queued() (bytes uint64, err error) { return n.sum("packet", 10, packetRmem) }

// maxTable is more than any table of /proc/net has, in bytes.
const maxTable = 1 << 30

// sum adds up columns of one of the namespace's tables; one that is not there,
// as that of packet sockets in some kernels, has nothing in it.
func (n *namespace) sum(table string, base int, columns ...int) (uint64, error) {
	file, err := n.table(table)
	if err != nil || file == nil {
		return 0, err
	}
	return sumLines(io.NewSectionReader(file, 0, maxTable), base, columns...)
}

// Columns, counted from 0. softnet_stat has one line per CPU in hexadecimal
// (net/core/net-procfs.c, softnet_seq_show), packet a heading and one line per
// socket (net/packet/af_packet.c, packet_seq_show), and so has netlink
// (net/netlink/af_netlink.c, netlink_native_seq_show). dev has two headings and
// one line per link, frames received and sent (net/core/net-procfs.c,
// dev_seq_printf_stats).
const (
	devReceived = 2
	devSent     = 10

	softnetBacklog = 11
	packetRmem     = 6

	netlinkProtocol = 1
	netlinkRmem     = 4
)

// sumColumns adds up columns of a table in /proc. Words that are no number, as in
// a heading, and columns that an older kernel does not have count as nothing.
func sumColumns(path string, base int, columns ...int) (uint64, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil // no packet sockets in this kernel's list, no queues
	}
	if err != nil {
		return 0, err
	}
	defer file.Close()
	return sumLines(file, base, columns...)
}

func sumLines(table io.Reader, base int, columns ...int) (uint64, error) {
	var sum uint64
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		for _, column := range columns {
			if column >= len(fields) {
				continue
			}
			if n, err := strconv.ParseUint(fields[column], base, 64); err == nil {
				sum += n
			}
		}
	}
	return sum, lines.Err()
}
