// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
)

// unixctl runs one command of an Open vSwitch daemon over its control socket, as
// ovs-appctl(8) does: one JSON-RPC 1.0 request, one reply. Doing it here saves a
// process for each of the thousands of ofproto/trace calls of a property test.
func unixctl(ctx context.Context, socket, command string, args ...string) (string, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return "", fmt.Errorf("%s: %w", command, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	if args == nil {
		args = []string{} // null is no list
	}
	request := struct {
		ID     int      `json:"id"`
		Method string   `json:"method"`
		Params []string `json:"params"`
	}{0, command, args}
	if err := json.NewEncoder(conn).Encode(request); err != nil {
		return "", fmt.Errorf("send %s to %s: %w", command, socket, err)
	}
	var reply struct {
		Result *string `json:"result"`
		Error  *string `json:"error"`
	}
	if err := json.NewDecoder(conn).Decode(&reply); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return "", fmt.Errorf("reply to %s from %s: %w", command, socket, err)
	}
	switch {
	case reply.Error != nil:
		return "", fmt.Errorf("%s %q: %s", command, args, *reply.Error)
	case reply.Result == nil:
		return "", fmt.Errorf("%s %q: neither result nor error in the reply", command, args)
	}
	return *reply.Result, nil
}
