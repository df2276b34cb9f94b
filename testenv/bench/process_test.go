// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"testing"
)

func TestShareOf(t *testing.T) {
	work := func() error {
		before, err := cpuTime(os.Getpid())
		for now := before; err == nil && now == before; {
			now, err = cpuTime(os.Getpid())
		}
		return err
	}
	for name, want := range map[string]float64{"": 1, "no thread": 0} {
		if got, err := shareOf(os.Getpid(), name, work); err != nil || got != want {
			t.Errorf("threads %q: %v, %v, want %v", name, got, err, want)
		}
	}
	failed := errors.New("failed")
	if _, err := shareOf(os.Getpid(), "", func() error { return failed }); !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
}
