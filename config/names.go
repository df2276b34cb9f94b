// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// maxInterfaceName is IFNAMSIZ without the closing zero (netdevice(7)), in bytes.
const maxInterfaceName = 15

func interfaceName(into *string) scalar {
	return textOf(into, "interface name", checkInterfaceName)
}

func optionalInterfaceName(into *string) scalar { return optional(interfaceName(into), into) }

// checkInterfaceName follows the kernel's dev_valid_name; in addition a name must be printable, for it appears in logs,
// and free of %, which the kernel replaces by a number when it makes the interface.
func checkInterfaceName(s string) *complaint {
	const right = "1-15 bytes without /, :, % and blanks"
	switch {
	case s == "":
		return complain(right, `"" is no interface name`)
	case len(s) > maxInterfaceName:
		return complain("at most 15 bytes", "%s has %d bytes", quote(s), len(s))
	case s == "." || s == "..":
		return complain("a name that is no directory", "%s is no interface name", quote(s))
	case strings.ContainsAny(s, "/:%") || strings.ContainsFunc(s, unicode.IsSpace) || strings.ContainsFunc(s, unprintable):
		return complain(right, "%s is no interface name", quote(s))
	}
	return nil
}

// bridgeName is an interface name that Open vSwitch takes for a bridge: it becomes part of a path, so no backslash either.
func bridgeName(into *string) scalar {
	return textOf(into, "bridge name", func(s string) *complaint {
		if strings.Contains(s, `\`) {
			return complain("a name without a backslash", "%s is no bridge name", quote(s))
		}
		return checkInterfaceName(s)
	})
}

func attachmentName(into *string) scalar {
	return textOf(into, "name", func(s string) *complaint {
		if !IsAttachmentName(s) {
			return complain("1-32 letters, digits, -, _ and ., not . or .. alone", "%s is no attachment name", quote(s))
		}
		return nil
	})
}

// IsAttachmentName tells whether an attachment can have that name. It is the
// name of a directory, too.
func IsAttachmentName(s string) bool {
	ok := s != "" && len(s) <= 32 && s != "." && s != ".."
	for _, r := range s {
		ok = ok && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r))
	}
	return ok
}

func absolutePath(into *string) scalar {
	return textOf(into, "absolute path", func(s string) *complaint {
		if err := checkPath(s); err != nil {
			return complain("a path that begins with /", "%s: %s", quote(s), err)
		}
		return nil
	})
}

func optionalPath(into *string) scalar { return optional(absolutePath(into), into) }

func socketPath(into *string) scalar {
	return textOf(into, "absolute path", func(s string) *complaint {
		if err := checkSocketPath(s); err != nil {
			return complain("an absolute path of at most 107 bytes", "%s: %s", quote(s), err)
		}
		return nil
	})
}

// endpoint takes what ParseEndpoint takes.
func endpoint(into *string) scalar {
	return textOf(into, "endpoint", func(s string) *complaint {
		if _, err := ParseEndpoint(s); err != nil {
			return complain("unix:/PATH, tcp:HOST:PORT or ssl:HOST:PORT", "%s", err)
		}
		return nil
	})
}

func optionalEndpoint(into *string) scalar { return optional(endpoint(into), into) }

// listenAddress takes HOST:PORT or "".
func listenAddress(into *string) scalar {
	return optional(textOf(into, "HOST:PORT", func(s string) *complaint {
		if _, _, err := parseHostPort(s); err != nil {
			return complain(`HOST:PORT such as "127.0.0.1:9475"`, "%s: %s", quote(s), err)
		}
		return nil
	}), into)
}

// ruleSetPrefix begins the name of a rule set of the fleet where a path of a rule file may stand.
const ruleSetPrefix = "fleet:"

// RuleSet gives the name of a rule set of the fleet, which stands as fleet:NAME among the paths of rule files; false for a
// path.
func RuleSet(path string) (name string, ok bool) { return strings.CutPrefix(path, ruleSetPrefix) }

// ruleFiles takes a list of absolute paths and of rule sets of the fleet.
func ruleFiles(into *[]string) scalars {
	return scalars{
		is: "absolute paths or fleet:NAME", most: maxRules,
		add: func(n *yaml.Node) *complaint {
			var s string
			if c := ruleFile(&s).set(n); c != nil {
				return c
			}
			for _, have := range *into {
				if have == s {
					return complain("name it once", "%s is named twice", quote(s))
				}
			}
			*into = append(*into, s)
			return nil
		},
		all: func() []*yaml.Node {
			var nodes []*yaml.Node
			for _, s := range *into {
				nodes = append(nodes, node(tagString, s))
			}
			return nodes
		},
	}
}

func ruleFile(into *string) scalar {
	return textOf(into, "absolute path", func(s string) *complaint {
		const right = "a path that begins with /, or fleet:NAME"
		if name, ok := RuleSet(s); ok {
			if !FleetName(name) {
				return complain("fleet: and 1-64 letters, digits, -, _ and .", "%s names no rule set", quote(s))
			}
			return nil
		}
		if err := checkPath(s); err != nil {
			return complain(right, "%s: %s", quote(s), err)
		}
		return nil
	})
}

// macList takes addresses of single stations, each once.
func macList(into *[]MAC) scalars {
	const right = "an address of one station such as 52:54:00:12:34:56"
	seen := map[MAC]bool{}
	return scalars{
		is: "MAC addresses", most: maxMACs,
		add: func(n *yaml.Node) *complaint {
			var m MAC
			var s string
			c := textOf(&s, "MAC address", func(s string) *complaint {
				parsed, err := ParseMAC(s)
				if err != nil {
					return complain(right, "%s is no MAC address", quote(s))
				}
				m = parsed
				return nil
			}).set(n)
			switch {
			case c != nil:
				return c
			case m == MAC{}:
				return complain(right, "%s is the zero address", m)
			case m.multicast():
				return complain(right, "%s is a multicast address", m)
			case seen[m]:
				return complain("list it once", "%s is listed twice", m)
			}
			seen[m] = true
			*into = append(*into, m)
			return nil
		},
		all: func() []*yaml.Node {
			var nodes []*yaml.Node
			for _, m := range *into {
				nodes = append(nodes, node(tagString, m.String()))
			}
			return nodes
		},
	}
}
