// SPDX-License-Identifier: Apache-2.0

//go:build !race

package testenv

// raceDetector says whether this program has the race detector.
const raceDetector = false
