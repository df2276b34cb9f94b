// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// controllerPackage is what a controller is built from.
const controllerPackage = "ofcontroller/cmd/ofcontroller"

// controllerBinary builds the controller, once per process and with the race
// detector if this process has it, and returns a path that stays valid as long as
// the process lives. The file itself is removed at once: the path leads through
// an open file descriptor, so that nothing is left behind however the process
// ends.
//
// TESTENV_CONTROLLER names one that is built already.
var controllerBinary = sync.OnceValues(func() (string, error) {
	if built := os.Getenv("TESTENV_CONTROLLER"); built != "" {
		return built, nil
	}
	return buildUnlinked(controllerPackage, raceDetector)
})

// measuredBinary is the controller as it is shipped, for [Env.Measured].
var measuredBinary = sync.OnceValues(func() (string, error) {
	if !raceDetector || os.Getenv("TESTENV_CONTROLLER") != "" {
		return controllerBinary()
	}
	return buildUnlinked(controllerPackage, false)
})

// BuildController builds the controller from this module, as [Env.StartController]
// does without a Binary, and returns a path to it that is good as long as this
// process lives, for its children too.
func BuildController() (string, error) { return controllerBinary() }

func buildUnlinked(pkg string, race bool) (string, error) {
	name, err := uniqueName()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(os.TempDir(), name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)

	path := filepath.Join(dir, filepath.Base(pkg))
	args := []string{"build", "-o", path}
	if race {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, pkg)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", pkg, err, strings.TrimSpace(string(out)))
	}
	// A bare descriptor, because an os.File would be closed when it is collected.
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("open %s: %w", path, err)
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd), nil
}
