#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The service is not enabled: it takes over a bridge, and has to be told which one first.
set -e
if command -v systemd-sysusers >/dev/null; then
  systemd-sysusers ofcontroller.conf || true
elif ! getent passwd ofcontroller >/dev/null; then # without systemd logrotate still names the user
  useradd --system --home-dir /run/ofcontroller --no-create-home --shell /usr/sbin/nologin ofcontroller || true
fi
if command -v systemd-tmpfiles >/dev/null; then systemd-tmpfiles --create ofcontroller.conf || true; fi
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
  systemctl try-restart ofcontroller.service || true # an upgrade: flows stay in place meanwhile
fi
