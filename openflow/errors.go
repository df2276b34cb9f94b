// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"errors"
	"fmt"
)

// Causes for which a connection ends, besides those of the socket.
var (
	ErrClosed   = errors.New("OpenFlow connection closed")
	ErrDeadPeer = errors.New("switch does not answer")
	ErrVersion  = errors.New("switch does not speak OpenFlow 1.3")
	// ErrSlowConsumer ends a request whose answers came faster than they were
	// taken and have filled the request's queue.
	ErrSlowConsumer = errors.New("answers not taken fast enough")
)

// errTypeExperimenter is OFPET_EXPERIMENTER; the code is then the
// experimenter's own type.
const errTypeExperimenter uint16 = 0xffff

// ErrorMsg is an error message of the switch (OpenFlow 1.3.5, section 7.4.4).
type ErrorMsg struct {
	XID          uint32
	Type, Code   uint16
	Experimenter uint32 // with Type 0xffff
	Data         []byte // at least the first 64 bytes of the message refused
}

// Error names type and code as the specification does.
func (e *ErrorMsg) Error() string {
	if e.Type == errTypeExperimenter {
		return fmt.Sprintf("switch refused message: experimenter %#x, %s", e.Experimenter, experimenterCode(e.Experimenter, e.Code))
	}
	return fmt.Sprintf("switch refused message: %s code %d", errorType(e.Type), e.Code)
}

// BundleError says that a bundle was refused and nothing was changed.
type BundleError struct {
	Index int // place in mods of the one refused; -1: the bundle as a whole
	Err   *ErrorMsg
}

func (e *BundleError) Error() string {
	if e.Index < 0 {
		return "bundle: " + e.Err.Error()
	}
	return fmt.Sprintf("bundle: mod %d: %v", e.Index, e.Err)
}

// Unwrap gives the switch's own message.
func (e *BundleError) Unwrap() error { return e.Err }

func errorType(t uint16) string {
	names := [...]string{
		"HELLO_FAILED", "BAD_REQUEST", "BAD_ACTION", "BAD_INSTRUCTION", "BAD_MATCH", "FLOW_MOD_FAILED",
		"GROUP_MOD_FAILED", "PORT_MOD_FAILED", "TABLE_MOD_FAILED", "QUEUE_OP_FAILED", "SWITCH_CONFIG_FAILED",
		"ROLE_REQUEST_FAILED", "METER_MOD_FAILED", "TABLE_FEATURES_FAILED",
	}
	if int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprintf("type %d", t)
}

// experimenterCode names the codes of the bundle extension (ONF extension 230).
func experimenterCode(experimenter uint32, code uint16) string {
	names := [...]string{
		"UNKNOWN", "EPERM", "BAD_ID", "BUNDLE_EXIST", "BUNDLE_CLOSED", "OUT_OF_BUNDLES", "BAD_TYPE", "BAD_FLAGS",
		"MSG_BAD_LEN", "MSG_BAD_XID", "MSG_UNSUP", "MSG_CONFLICT", "MSG_TOO_MANY", "MSG_FAILED", "TIMEOUT", "BUNDLE_IN_PROGRESS",
	}
	if i := int(code) - bundleErrorBase; experimenter == onfExperimenter && i >= 0 && i < len(names) {
		return "BUNDLE_FAILED " + names[i]
	}
	return fmt.Sprintf("code %d", code)
}
