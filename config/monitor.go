// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// Monitor says who may look at the metrics listener, and how.
type Monitor struct {
	TLS          bool   // https, with tls.certificate and tls.private_key
	User         string // of basic authentication (RFC 7617), "" for none
	PasswordFile string // path of a file whose first line is the user's password
	Pprof        bool   // profiles of this program under /debug/pprof/
}

func monitorKeys(m *Monitor) section {
	return section{
		{name: "tls", def: "false", value: boolean(&m.TLS), doc: "true: https, with tls.certificate and tls.private_key"},
		{name: "user", def: `""`, value: userName(&m.User), doc: "user of basic authentication; \"\" is none, on addresses of this host only"},
		{name: "password_file", def: `""`, value: optionalPath(&m.PasswordFile), doc: "file whose first line is the user's password"},
		{name: "pprof", def: "false", value: boolean(&m.Pprof), doc: "true: profiles of this program under /debug/pprof/, for debugging"},
	}
}

// maxUserName is generous; what the user sends is in the header, which is bounded too.
const maxUserName = 128

// userName takes what basic authentication can carry: no colon, no control character (RFC 7617, section 2).
func userName(into *string) scalar {
	return optional(textOf(into, "name", func(s string) *complaint {
		if strings.ContainsFunc(s, unprintable) || strings.Contains(s, ":") || len(s) > maxUserName {
			return complain(fmt.Sprintf("at most %d printable characters, none of them a colon", maxUserName), "%s is no user name", quote(s))
		}
		return nil
	}), into)
}

// monitor keeps the listener to this host unless who asks has to prove who he is.
func (v *validator) monitor() {
	const user, file, tls, pprof = "monitor.user", "monitor.password_file", "monitor.tls", "monitor.pprof"
	c, m := v.config, &v.config.Monitor
	if !v.sound("metrics", user, file, tls) {
		return
	}
	if c.Metrics == "" {
		set := map[string]bool{tls: m.TLS, user: m.User != "", file: m.PasswordFile != "", pprof: m.Pprof}
		for _, key := range []string{tls, user, file, pprof} {
			if set[key] {
				v.fault(key, "is set, but metrics is not: nothing listens", `metrics: "127.0.0.1:9475", or leave it out`)
			}
		}
		return
	}
	switch {
	case m.User != "" && m.PasswordFile == "":
		v.fault(file, "is not set, but "+v.where(user)+" is", "the path of a file whose first line is the password")
	case m.User == "" && m.PasswordFile != "":
		v.fault(user, "is not set, but "+v.where(file)+" is", "the name that goes with the password")
	case m.User == "" && !c.MetricsLoopback():
		v.fault("metrics", quote(c.Metrics)+" can be reached from other hosts, and nobody is asked for a password",
			"monitor: {user: NAME, password_file: PATH} beside it, or an address of this host such as \"127.0.0.1:9475\"")
	}
	if m.TLS && v.sound("tls.certificate") && c.TLS.Certificate == "" {
		v.fault(tls, "true needs a certificate, and tls.certificate is not set", "set tls.certificate, tls.private_key and tls.ca")
	}
}

// MetricsLoopback tells whether the metrics listener's address is this host's own: 127.0.0.0/8, ::1 or localhost.
func (c *Config) MetricsLoopback() bool {
	host, _, err := parseHostPort(c.Metrics)
	if err != nil {
		return false
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}
