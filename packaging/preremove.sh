#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The flows stay on the switch: taking the package away does not stop traffic. "ofcontroller release" beforehand clears them.
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl disable --now ofcontroller.service || true
fi
