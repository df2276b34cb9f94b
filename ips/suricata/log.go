// SPDX-License-Identifier: Apache-2.0

package suricata

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// Bounds of the log file. The process writes to a file, since a pipe would break
// with the controller. What has been read of it is cut off.
const (
	logPoll   = 200 * time.Millisecond
	logCut    = 1 << 20  // bytes of the file, all read, at which it is cut
	logChunk  = 64 << 10 // bytes per read; the rest of a longer line is a line of its own
	logPerSec = 50       // lines per second that go on to the controller's log
	lastWords = 4        // errors that are told when Suricata has ended
)

// logLine is one line of Suricata's.
type logLine struct {
	level, module, message string
}

// parseLog reads a line. What Suricata says before it has read its configuration
// is "LEVEL: module: message"; anything else, a panic's last words say, is an
// error in whole.
func parseLog(line []byte) logLine {
	var l struct {
		Level  string `json:"log_level"`
		Engine struct {
			Message string `json:"message"`
			Module  string `json:"module"`
		} `json:"engine"`
	}
	line = bytes.TrimSpace(line)
	if err := json.Unmarshal(line, &l); err != nil || l.Engine.Message == "" {
		level, rest, _ := bytes.Cut(line, []byte(": "))
		switch l := string(level); l {
		case "Notice", "Info", "Perf", "Config", "Debug", "Warning":
			return logLine{level: l, message: clip(string(rest))}
		}
		return logLine{level: "Error", message: clip(string(line))}
	}
	return logLine{level: l.Level, module: l.Engine.Module, message: l.Engine.Message}
}

func (l logLine) isError() bool {
	switch l.level {
	case "Error", "Critical", "Alert", "Emergency":
		return l.message != ""
	}
	return false
}

func (l logLine) logrus() logrus.Level {
	switch {
	case l.isError():
		return logrus.ErrorLevel
	case l.level == "Warning":
		return logrus.WarnLevel
	case l.level == "Notice", l.level == "Info":
		return logrus.InfoLevel
	}
	return logrus.DebugLevel
}

// follower passes the lines of the log file on.
type follower struct {
	path   string
	log    logrus.FieldLogger
	offset int64 // read so far
	rest   []byte
	budget int
	refill time.Time
	lost   int
	last   []string // errors that were read, lastWords of them at most

	mu sync.Mutex // guards all of it while run runs
}

// run follows the file until ctx ends, and once more then.
func (f *follower) run(ctx context.Context) {
	tick := time.NewTicker(logPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			f.ended()
			return
		case now := <-tick.C:
			f.mu.Lock()
			f.read(now)
			f.mu.Unlock()
		}
	}
}

// ended reads what is left and gives the last errors since it was asked before.
func (f *follower) ended() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.read(time.Now())
	last := strings.Join(f.last, "; ")
	f.last = nil
	return last
}

// read takes what is new.
func (f *follower) read(now time.Time) {
	if now.Sub(f.refill) >= time.Second {
		if f.lost > 0 {
			f.log.WithField("lines", f.lost).Warn("Suricata logs too much; lines are left out")
		}
		f.budget, f.refill, f.lost = logPerSec, now, 0
	}
	file, err := os.OpenFile(f.path, os.O_RDWR, 0)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			f.last = []string{err.Error()}
		}
		return
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return
	}
	if info.Size() < f.offset { // somebody else has cut it
		f.offset, f.rest = 0, nil
	}
	buffer := make([]byte, logChunk)
	for {
		n, err := file.ReadAt(buffer, f.offset)
		f.offset += int64(n)
		f.take(buffer[:n])
		if errors.Is(err, io.EOF) || n == 0 {
			break
		}
	}
	// The writer appends (O_APPEND), so it goes on at the new end. What it writes
	// between the last read and the cut is lost: diagnostics, once per MiB.
	if f.offset >= logCut && file.Truncate(0) == nil {
		f.offset = 0
	}
}

func (f *follower) take(b []byte) {
	f.rest = append(f.rest, b...)
	for {
		line, rest, found := bytes.Cut(f.rest, []byte{'\n'})
		if !found && len(f.rest) < logChunk {
			return
		}
		f.rest = rest
		f.pass(parseLog(line))
	}
}

func (f *follower) pass(l logLine) {
	if l.message == "" {
		return
	}
	if l.isError() {
		f.last = append(f.last, l.message)
		f.last = f.last[max(0, len(f.last)-lastWords):]
	}
	if f.budget--; f.budget < 0 {
		f.lost++
		return
	}
	entry := f.log.WithField("engine", "suricata")
	if l.module != "" {
		entry = entry.WithField("module", l.module)
	}
	entry.Log(l.logrus(), strings.TrimSpace(l.message))
}
