// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// anyModule is what daemons of Open vSwitch call all modules, and all
// destinations (ovs-appctl(8), vlog/set).
const anyModule = "ANY"

var errNoLevel = errors.New("this log has no level to set")

// setLevelMethod takes LEVEL, or MODULE:DESTINATION:LEVEL as other daemons do.
// There is one log here: module and destination can only be ANY.
func (a *App) setLevelMethod(_ context.Context, args []string) (string, error) {
	if a.o.Level == nil {
		return "", errNoLevel
	}
	if len(args) != 1 || len(args[0]) > 64 {
		return "", errors.New("one argument, the level error, warning, info or debug, would be right")
	}
	words := strings.Split(args[0], ":")
	level := words[len(words)-1]
	for _, w := range words[:len(words)-1] {
		if !strings.EqualFold(w, anyModule) {
			return "", fmt.Errorf("%.20q: there is one log here, ANY:LEVEL or LEVEL would be right", w)
		}
	}
	switch strings.ToLower(level) {
	case "":
		return "", errors.New("the level is missing: error, warning, info or debug would be right")
	case "err":
		level = "error"
	case "warn":
		level = "warning"
	case "dbg":
		level = "debug"
	}
	_, err := a.o.Level(level)
	return "", err
}

func (a *App) listLevelMethod(_ context.Context, args []string) (string, error) {
	if len(args) > 0 {
		return "", fmt.Errorf("%d arguments, none would be right", len(args))
	}
	if a.o.Level == nil {
		return "", errNoLevel
	}
	return a.o.Level("")
}
