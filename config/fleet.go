// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Fleet says which database of a fleet the gateway follows. It stands in the file alone: a gateway has to know it before it
// can ask the fleet for anything.
type Fleet struct {
	Endpoints []string // of the servers, see ParseEndpoint; none: the gateway is on its own
	Name      string   // of this gateway in the fleet
	Directory string   // where the last good configuration is kept
}

// Follows tells whether the gateway follows a fleet.
func (f Fleet) Follows() bool { return len(f.Endpoints) > 0 }

// maxEndpoints is more than any cluster has servers.
const maxEndpoints = 16

func fleetKeys(f *Fleet) section {
	return section{
		{name: "endpoints", def: "[]", value: distinctTexts(&f.Endpoints, "endpoints", maxEndpoints, endpoint), doc: "servers of the fleet's database: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT; without any the gateway is on its own"},
		{name: "name", def: `""`, value: optional(fleetName(&f.Name), &f.Name), doc: "name of this gateway in the fleet; with ssl: the common name of its certificate"},
		{name: "directory", def: "/var/lib/ofcontroller/fleet", value: absolutePath(&f.Directory), doc: "where the last good configuration is kept, for the time when no server can be reached"},
	}
}

// MaxFleetName bounds the names of hosts and profiles of a fleet, in bytes: a certificate's common name has at most 64
// (RFC 5280, appendix A.1, ub-common-name-length).
const MaxFleetName = 64

// FleetName tells whether a text can be the name of a host or a profile of a fleet: 1-64 letters, digits, -, _ and .
func FleetName(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
	return s != "" && len(s) <= MaxFleetName && strings.Trim(s, letters) == ""
}

func fleetName(into *string) scalar {
	return textOf(into, "name", func(s string) *complaint {
		if !FleetName(s) {
			return complain("1-64 letters, digits, -, _ and .", "%s is no name of a fleet's host", quote(s))
		}
		return nil
	})
}

// distinctTexts takes texts, each once, in order; one reads one of them.
func distinctTexts(into *[]string, is string, most int, one func(*string) scalar) scalars {
	return scalars{
		is: is, most: most,
		add: func(n *yaml.Node) *complaint {
			var s string
			if c := one(&s).set(n); c != nil {
				return c
			}
			if slices.Contains(*into, s) {
				return complain("name it once", "%s is named twice", quote(s))
			}
			*into = append(*into, s)
			return nil
		},
		all: func() (nodes []*yaml.Node) {
			for _, s := range *into {
				nodes = append(nodes, node(tagString, s))
			}
			return nodes
		},
	}
}

// fleet wants a name for a gateway that follows a fleet, and servers for one that has a name.
func (v *validator) fleet() {
	const endpoints, name = "fleet.endpoints", "fleet.name"
	f := &v.config.Fleet
	if !v.sound(endpoints, name) {
		return
	}
	switch {
	case f.Follows() && f.Name == "":
		v.fault(name, "is not set, but "+v.where(endpoints)+" is", "the name of this gateway in the fleet")
	case !f.Follows() && f.Name != "":
		v.fault(endpoints, "is not set, but "+v.where(name)+" is", "the servers of the fleet's database, such as [ssl:db1:6640]")
	}
}
