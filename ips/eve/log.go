// SPDX-License-Identifier: Apache-2.0

package eve

import (
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// logger puts alerts in the program's log, so many per second. Only the
// writer's goroutine uses it, but for the counter.
type logger struct {
	out     logrus.FieldLogger
	perSec  int
	second  int64 // of the count below
	count   int
	skipped int
	logged  atomic.Uint64
	warned  time.Time
}

func newLogger(o Options) logger {
	if o.LogPerSec == 0 {
		o.LogPerSec = DefaultLogPerSec
	}
	return logger{out: o.Log, perSec: o.LogPerSec}
}

func (l *logger) log(r *Record) {
	if l.out == nil || l.perSec < 0 {
		return
	}
	if now := time.Now().Unix(); now != l.second {
		l.second, l.count = now, 0
	}
	if l.count >= l.perSec {
		l.skipped++
		return
	}
	l.count++
	l.logged.Add(1)
	e := l.out.WithFields(logrus.Fields{
		"attachment": r.Attachment, "origin": OriginName(r.Origin), "vlan": r.VLAN,
		"action": r.action(), "sid": r.SID, "rev": r.Rev, "severity": r.Severity,
	})
	if r.Src.Addr().IsValid() && r.Dst.Addr().IsValid() {
		e = e.WithFields(logrus.Fields{"proto": protoName(r.Proto), "src": r.Src.String(), "dst": r.Dst.String()})
	}
	if l.skipped > 0 {
		e = e.WithField("alerts_not_logged", l.skipped)
		l.skipped = 0
	}
	e.Warn("alert: " + r.Signature)
}

// warn logs a trouble with the file, one per ten seconds at most: a full disk
// would otherwise fill the log too.
func (l *logger) warn(err error) {
	if l.out == nil {
		return
	}
	if now := time.Now(); now.Sub(l.warned) >= 10*time.Second {
		l.warned = now
		l.out.WithError(err).Warn("alerts are not written; inspection goes on")
	}
}
