// SPDX-License-Identifier: Apache-2.0

package ofapp_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"ofcontroller/testenv/cluster"
)

// TestMain lets a test start hosts of a fleet as a process of their own.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == cluster.Child {
		if err := cluster.RunHosts(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
