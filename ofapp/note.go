// SPDX-License-Identifier: Apache-2.0

package ofapp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// What one run of the program leaves for the next stands in files beside the
// control socket, which each gateway of a host has for itself: a list in JSON each.

// maxNote bounds what is read of such a file, in bytes: names of attachments.
const maxNote = 64 << 10

// loadNote reads a list; without a file it is empty.
func loadNote[T any](path string) ([]T, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxNote))
	if err != nil {
		return nil, err
	}
	var list []T
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}

// saveNote writes the file as a whole; for an empty list there is none.
func saveNote[T any](path string, list []T) error {
	if len(list) == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	next := path + ".new"
	err = os.WriteFile(next, text, 0o600)
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		_ = os.Remove(next)
	}
	return err
}
