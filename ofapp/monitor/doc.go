// SPDX-License-Identifier: Apache-2.0

// Package monitor serves what can be looked at from outside over HTTP: metrics,
// health, profiles and the status page.
//
// It owns the listener, who is let in, the bounds against slow or hostile
// clients, and the files of the page. It never changes anything: every request
// reads. What there is to see comes from its caller.
//
// It imports nothing of this module.
package monitor
