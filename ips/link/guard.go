// SPDX-License-Identifier: Apache-2.0

package link

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Guard is a process that takes an engine's end of a pair down when the engine
// is gone, however it went: a veth pair keeps its link when the reader is
// killed, and the switch would go on handing frames to nobody.
type Guard struct {
	cmd  *exec.Cmd
	life io.WriteCloser // its end tells the guard
}

// StartGuard starts argv with the peer's name behind it, which must call Watch
// with its standard input and output, and waits until it watches: by then a
// guard from before has done its work. It starts in the network namespace of
// the calling thread.
func (p Pair) StartGuard(argv []string) (*Guard, error) {
	cmd := exec.Command(argv[0], append(argv[1:len(argv):len(argv)], p.Peer)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // signals to this process's group are not for it
	life, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("guard of %s: %w", p.Peer, err)
	}
	answers, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("guard of %s: %w", p.Peer, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("guard of %s: %w", p.Peer, err)
	}
	g := &Guard{cmd, life}
	if _, err := bufio.NewReader(answers).ReadString('\n'); err != nil {
		g.Close()
		return nil, fmt.Errorf("guard of %s ended early: %w", p.Peer, err)
	}
	return g, nil
}

// Close lets the guard take the link down and waits for its end.
func (g *Guard) Close() {
	_ = g.life.Close()
	_ = g.cmd.Wait()
}

// guardWait bounds the wait for the end of a guard from before.
const guardWait = 5 * time.Second

// Watch is the guard's whole work: it says a line on out when it watches, reads
// life until it ends, and takes the link down. Signals that end a group of
// processes do not end it.
func Watch(peer string, life io.Reader, out io.Writer) error {
	signal.Ignore(unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGPIPE)
	only, err := one("@ofcontroller-guard-" + peer)
	if err != nil {
		return fmt.Errorf("guard of %s: %w", peer, err)
	}
	defer only.Close()
	if _, err := fmt.Fprintln(out, "watching"); err != nil {
		return fmt.Errorf("guard of %s: %w", peer, err)
	}
	_, _ = io.Copy(io.Discard, life)
	return setDown(peer)
}

// one holds an abstract name of unix(7), of which a network namespace has one.
func one(name string) (net.Listener, error) {
	for limit := time.Now().Add(guardWait); ; {
		l, err := net.Listen("unix", name)
		if err == nil || !errors.Is(err, unix.EADDRINUSE) || time.Now().After(limit) {
			return l, err
		}
		time.Sleep(time.Millisecond)
	}
}

// OwnGuard is the command line of a guard that is this program with a word: the
// very file that runs, also when an upgrade has put another one in its place
// (proc(5), /proc/pid/exe).
func OwnGuard(word string) []string { return []string{"/proc/self/exe", word} }
