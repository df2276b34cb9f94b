#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what the tests and the demo need where it is missing (Debian, Ubuntu). Does nothing when all is there.
set -euo pipefail

declare -A packages=(
  [ovs-vswitchd]=openvswitch-switch
  [ovsdb-tool]=openvswitch-switch
  [ip]=iproute2
  [ping]=iputils-ping
  [gcc]=gcc # the race detector
)
export PATH="$PATH:/usr/local/go/bin:/usr/sbin:/sbin"

missing=()
for command in "${!packages[@]}"; do
  command -v "$command" >/dev/null || missing+=("${packages[$command]}")
done
command -v go >/dev/null || missing+=(golang-go)
[ ${#missing[@]} -eq 0 ] && exit 0

sudo=()
[ "$(id -u)" -eq 0 ] || sudo=(sudo)
if ! command -v apt-get >/dev/null; then
  echo "missing: ${missing[*]}; install them with this system's package manager" >&2
  exit 1
fi
echo "installing: ${missing[*]}"
"${sudo[@]}" apt-get update -qq
# The tests start switches of their own: a switch of the system is not started or stopped here.
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
