// SPDX-License-Identifier: Apache-2.0

package control

import (
	"encoding/json"
	"fmt"
)

// Tabler is what prints itself for a person.
type Tabler interface{ Table() string }

// Render writes v as the arguments ask: "-o table", the default, or "-o json".
func Render(args []string, v Tabler) (string, error) {
	format := "table"
	switch {
	case len(args) == 0:
	case len(args) == 2 && args[0] == "-o":
		format = args[1]
	default:
		return "", fmt.Errorf("arguments %q: only -o table or -o json is known here", args)
	}
	switch format {
	case "table":
		return v.Table(), nil
	case "json":
		b, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return "", fmt.Errorf("encode: %w", err)
		}
		return string(b), nil
	}
	return "", fmt.Errorf("-o %s: table or json would be right", format)
}
