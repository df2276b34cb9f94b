// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Refused is an answer that is an error, in the program's words.
type Refused struct{ Text string }

func (e *Refused) Error() string { return e.Text }

// maxAnswer bounds what a program may answer, in bytes.
const maxAnswer = 64 << 20

// Call asks the ofcontroller that listens on the socket. An answer that is an
// error comes back as [Refused]; the call ends with ctx.
func Call(ctx context.Context, path, method string, args ...string) (string, error) {
	text, err := Ask(ctx, path, method, args...)
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return "", fmt.Errorf("no ofcontroller answers on %s (is it running, and is this its configuration?): %w", path, err)
	}
	return text, err
}

// Ask asks any daemon around Open vSwitch.
func Ask(ctx context.Context, path, method string, args ...string) (string, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(deadline)
	} else {
		_ = c.SetDeadline(time.Now().Add(callTime))
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	if args == nil {
		args = []string{}
	}
	if err := json.NewEncoder(c).Encode(request{ID: json.RawMessage("0"), Method: method, Params: args}); err != nil {
		return "", fmt.Errorf("ask %s: %w", path, err)
	}
	var out response
	if err := json.NewDecoder(io.LimitReader(c, maxAnswer)).Decode(&out); err != nil {
		return "", fmt.Errorf("answer of %s: %w", path, err)
	}
	if out.Error != nil {
		return "", &Refused{strings.TrimRight(*out.Error, "\n")}
	}
	if out.Result == nil {
		return "", fmt.Errorf("answer of %s has neither result nor error", path)
	}
	return *out.Result, nil
}
