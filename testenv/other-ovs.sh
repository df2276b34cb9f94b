#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Puts the Open vSwitch of another Debian suite into a directory of its own, for tests with TESTENV_OVS=DIR:
#   testenv/other-ovs.sh trixie DIR
# The suite comes from the mirror that apt uses already. Nothing on the machine changes but DIR.
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin"
[ $# -eq 2 ] || { echo "usage: $0 SUITE DIR" >&2; exit 2; }
suite=$1 dir=$(mkdir -p "$2" && cd "$2" && pwd)
root=$dir/root

if [ ! -e "$dir/complete" ]; then
  command -v debootstrap >/dev/null || { echo "missing: debootstrap" >&2; exit 1; }
  release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' | awk -v r="$release" '$1 == r { print $2; exit }')
  [ -n "$mirror" ] || { echo "no source of $release in apt's lists" >&2; exit 1; }
  rm -rf "$root"
  debootstrap --variant=minbase --include=openvswitch-switch "$suite" "$root" "$mirror" >"$dir/log" || { tail -n 5 "$dir/log" >&2; exit 1; }
fi

# The programs run with the loader and the libraries of their own suite.
mkdir -p "$dir/bin"
libraries=$(find "$root/usr/lib" -maxdepth 1 -name '*-linux-gnu')
loader=$(find "$libraries" -maxdepth 1 -name 'ld-linux*.so*' | head -n 1)
for name in ovsdb-server ovs-vswitchd ovs-vsctl ovs-ofctl; do
  program=$root/usr/lib/openvswitch-switch/$name # behind a link of update-alternatives(1)
  for place in sbin bin; do
    [ -e "$program" ] || program=$root/usr/$place/$name
  done
  printf '#!/bin/sh\nexec %s --library-path %s %s "$@"\n' "$loader" "$libraries" "$program" >"$dir/bin/$name"
  chmod +x "$dir/bin/$name"
done
cp "$root/usr/share/openvswitch/vswitch.ovsschema" "$dir/"
touch "$dir/complete"
"$dir/bin/ovs-vswitchd" --version | head -n 1
