// SPDX-License-Identifier: Apache-2.0

package eve

import (
	"time"

	"github.com/sirupsen/logrus"
)

// logger tells of troubles with the file. Only the writer's goroutine uses it.
type logger struct {
	out    logrus.FieldLogger
	warned time.Time
}

// warn logs a trouble, one per ten seconds at most: a full disk would otherwise
// fill the log too.
func (l *logger) warn(err error) {
	if l.out == nil {
		return
	}
	if now := time.Now(); now.Sub(l.warned) >= 10*time.Second {
		l.warned = now
		l.out.WithError(err).Warn("alerts are not written; inspection goes on")
	}
}
