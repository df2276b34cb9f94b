// SPDX-License-Identifier: Apache-2.0

package eve

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// DefaultQueue is the default of Options.Queue.
const DefaultQueue = 1024

// retry is the time between two attempts to open a file that cannot be opened.
const retry = time.Second

// checkFile is how often is looked whether the file is still there under its
// name.
const checkFile = time.Second

// Options of a Writer.
type Options struct {
	Path  string             // file to append to; "" writes no file
	Queue int                // records that may wait for the file; 0 is DefaultQueue
	Log   logrus.FieldLogger // troubles; nil logs nothing
}

// Stats counts records since New.
type Stats struct {
	Written uint64 // lines in the file
	Dropped uint64 // not written: the queue was full or writing failed
	Failed  uint64 // failures to open or write the file
}

// Writer appends records to a file. Use New.
type Writer struct {
	o      Options
	queue  chan Record
	reopen chan struct{}
	logger logger

	mu     sync.RWMutex // guards closed against a Write under way
	closed bool
	done   chan struct{}

	written, dropped, failed atomic.Uint64
}

// New starts a Writer. A file that cannot be opened is no error, it is tried
// again: alerts matter less than the traffic.
func New(o Options) *Writer {
	if o.Queue <= 0 {
		o.Queue = DefaultQueue
	}
	w := &Writer{
		o: o, queue: make(chan Record, o.Queue), reopen: make(chan struct{}, 1),
		logger: logger{out: o.Log}, done: make(chan struct{}),
	}
	go w.run()
	return w
}

// Write takes a record and never blocks. The record is dropped and counted when
// the file's queue is full.
func (w *Writer) Write(r Record) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		w.dropped.Add(1)
		return
	}
	select {
	case w.queue <- r:
	default:
		w.dropped.Add(1)
	}
}

// Reopen closes the file and opens its name again, as logrotate's postrotate
// wants it. It does not wait.
func (w *Writer) Reopen() {
	select {
	case w.reopen <- struct{}{}:
	default: // one is under way
	}
}

// Close writes what waits and closes the file. Records written after it are
// dropped.
func (w *Writer) Close() {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.queue)
	}
	w.mu.Unlock()
	<-w.done
}

// Stats gives the counters.
func (w *Writer) Stats() Stats {
	return Stats{Written: w.written.Load(), Dropped: w.dropped.Load(), Failed: w.failed.Load()}
}

// run owns the file.
func (w *Writer) run() {
	defer close(w.done)
	f := file{w: w}
	tick := time.NewTicker(checkFile)
	defer tick.Stop()
	for {
		select {
		case r, ok := <-w.queue:
			if !ok {
				f.close()
				return
			}
			f.write(&r)
			// What has come meanwhile shares one write to the file.
			for n := len(w.queue); n > 0; n-- {
				if r, ok = <-w.queue; !ok {
					break
				}
				f.write(&r)
			}
			f.flush()
		case <-w.reopen:
			f.close()
		case <-tick.C:
			if f.gone() {
				f.close()
			}
		}
	}
}

// file is the open file, or the want of one.
type file struct {
	w     *Writer
	f     *os.File
	buf   *bufio.Writer
	lines uint64    // in buf
	again time.Time // not opened before
}

func (f *file) write(r *Record) {
	if f.w.o.Path == "" {
		return
	}
	line, err := json.Marshal(r)
	if err != nil || !f.open() {
		f.w.dropped.Add(1)
		return
	}
	f.lines++
	line = append(line, '\n')
	if _, err := f.buf.Write(line); err != nil {
		f.fail("write to", err)
	}
}

// open opens the file if it is not open, once per retry.
func (f *file) open() bool {
	if f.f != nil {
		return true
	}
	now := time.Now()
	if now.Before(f.again) {
		return false
	}
	file, err := os.OpenFile(f.w.o.Path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		f.again = now.Add(retry)
		f.trouble("open", err)
		return false
	}
	f.f, f.buf = file, bufio.NewWriterSize(file, 64<<10)
	if torn(file) {
		_ = f.buf.WriteByte('\n') // into the empty buffer: cannot fail
	}
	return true
}

// torn tells whether the file ends within a line, which a full disk or a crash
// may have left there.
func torn(f *os.File) bool {
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() || st.Size() == 0 {
		return false
	}
	var last [1]byte
	_, err = f.ReadAt(last[:], st.Size()-1)
	return err == nil && last[0] != '\n'
}

func (f *file) flush() {
	if f.f == nil || f.lines == 0 {
		return
	}
	if err := f.buf.Flush(); err != nil {
		f.fail("write to", err)
		return
	}
	f.w.written.Add(f.lines)
	f.lines = 0
}

// fail drops the lines at hand.
func (f *file) fail(op string, err error) {
	f.w.dropped.Add(f.lines)
	f.lines = 0
	f.trouble(op, err)
	f.again = time.Now().Add(retry)
	_ = f.f.Close()
	f.f, f.buf = nil, nil
}

func (f *file) close() {
	f.flush()
	if f.f != nil {
		if err := f.f.Close(); err != nil {
			f.trouble("close", err)
		}
	}
	f.f, f.buf, f.again = nil, nil, time.Time{}
}

// gone tells whether the open file is no longer what its name stands for.
func (f *file) gone() bool {
	if f.f == nil {
		return false
	}
	byName, err := os.Stat(f.w.o.Path)
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	open, err := f.f.Stat()
	return err == nil && !os.SameFile(byName, open)
}

func (f *file) trouble(op string, err error) {
	f.w.failed.Add(1)
	f.w.logger.warn(fmt.Errorf("%s EVE file %s: %w", op, f.w.o.Path, err))
}
