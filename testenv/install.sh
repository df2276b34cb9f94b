#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what the build, the tests and the demo need where it is missing (Debian, Ubuntu). Does nothing when all is there.
# With the word "race" also what `go test -race` needs, with "suricata" Suricata, with "kernel" what runs the tests in a
# virtual machine, with "debootstrap" what testenv/other-ovs.sh needs, with "browser" a browser for the status page's test,
# with "image" what builds and runs a container image, with "promtool" the checker of Prometheus's alert rules, with "bench"
# what `make bench` measures beside and counts instructions with, with "clocks" what makes a program's clocks jump.
set -euo pipefail
export PATH="/usr/local/go/bin:$PATH:/usr/sbin:/sbin"

goversion=$(sed -n 's/^go //p' "$(dirname "$0")/../go.mod")
gominor=21 # from Go 1.21 on the go command fetches by itself the release that go.mod asks for

wants() { case " $words " in *" $1 "*) ;; *) return 1 ;; esac; }
words="$*"

have() { command -v "$1" >/dev/null; }
go_is_new() {
  have go && [ "$(cd / && GOTOOLCHAIN=local go env GOVERSION | sed -E 's/.*go1\.([0-9]+).*/\1/')" -ge "$gominor" ]
}
as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

missing=()
have ovs-vswitchd && have ovsdb-server && have ovs-ofctl && [ -e /usr/share/openvswitch/vswitch.ovsschema ] || missing+=(openvswitch-switch)
have ip || missing+=(iproute2)
have nsenter || missing+=(util-linux)
for tool in ethtool curl python3; do have $tool || missing+=("$tool"); done # docs/quick-start.md, which a test follows
have ping || missing+=(iputils-ping)
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates) # for Go modules
if wants race; then # the race detector
  have gcc || missing+=(gcc)
  [ -e /usr/include/stdlib.h ] || missing+=(libc6-dev)
fi
if wants kernel; then
  have qemu-system-x86_64 || missing+=(qemu-system-x86)
  [[ "$(busybox 2>&1)" == *insmod* ]] || missing+=(busybox-static)
  have cpio || missing+=(cpio)
  have modprobe || missing+=(kmod)
fi
if wants debootstrap && ! have debootstrap; then missing+=(debootstrap); fi
if wants browser && ! have chromium; then missing+=(chromium); fi
if wants clocks && ! compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null; then missing+=(libfaketime); fi
if wants image && ! have podman; then missing+=(podman runc); fi
if wants bench; then # peers to measure beside
  have ovs-testcontroller || missing+=(openvswitch-testcontroller)
  have osken-manager || missing+=(python3-os-ken)
  have vgdb || missing+=(valgrind)
fi

if [ ${#missing[@]} -gt 0 ]; then
  if ! have apt-get; then
    echo "missing: ${missing[*]}; install them with this system's package manager" >&2
    exit 1
  fi
  echo "installing: ${missing[*]}"
  as_root apt-get update -qq
  # The package may start a switch of the system; the tests and the demo start their own and leave that one alone.
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  if [[ " ${missing[*]} " == *" openvswitch-testcontroller "* ]] && [ -d /run/systemd/system ]; then
    as_root systemctl disable --now --quiet openvswitch-testcontroller # it would wait for switches of the network
  fi
fi

if ! go_is_new; then
  # Distributions' Go is often older than what go.mod asks for.
  archive="go$goversion.linux-$(dpkg --print-architecture).tar.gz"
  if [ -e /usr/local/go ]; then
    echo "/usr/local/go is older than Go 1.$gominor; replace it with Go $goversion" >&2
    exit 1
  fi
  echo "installing: Go $goversion in /usr/local/go"
  curl -fsSL "https://go.dev/dl/$archive" | as_root tar -C /usr/local -xz
fi

# Suricata 7. Debian 12 has it in its backports only, which are added with the mirror that apt uses already; Debian 13 and
# Ubuntu have it in the release. The service that comes with the package is not wanted: the tests start their own.
install_suricata() {
  if have suricata && suricata -V | grep -qE 'version ([7-9]|[1-9][0-9])\.'; then return; fi
  if ! have apt-get; then
    echo "missing: Suricata 7 or newer; install it with this system's package manager" >&2
    return 1
  fi
  as_root apt-get update -qq
  local from=() mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  if [ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" = bookworm ]; then
    mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' | awk '$1 == "bookworm" { print $2; exit }')
    [ -n "$mirror" ] || { echo "no source of Debian bookworm in apt's lists" >&2; return 1; }
    if [ -z "$(apt-get indextargets --format '$(RELEASE)' 'Created-By: Packages' | grep -x bookworm-backports)" ]; then
      echo "deb [signed-by=$keyring] $mirror bookworm-backports main" | as_root tee /etc/apt/sources.list.d/backports.list >/dev/null
      as_root apt-get update -qq
    fi
    from=(-t bookworm-backports)
  fi
  echo "installing: suricata"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${from[@]}" suricata >/dev/null
  if [ -d /run/systemd/system ]; then as_root systemctl disable --now --quiet suricata; fi
}
if wants suricata; then install_suricata; fi

# promtool alone: the package would start a Prometheus on this machine.
install_promtool() {
  if have promtool; then return; fi
  if ! have apt-get; then
    echo "missing: promtool, of Prometheus; install it with this system's package manager" >&2
    return 1
  fi
  echo "installing: promtool in /usr/local/bin"
  local dir
  dir=$(mktemp -d)
  as_root apt-get update -qq
  (cd "$dir" && apt-get -qq -o APT::Sandbox::User=root download prometheus >/dev/null && dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool)
  as_root install -m 755 "$dir/usr/bin/promtool" /usr/local/bin/promtool
  rm -r "$dir"
}
if wants promtool; then install_promtool; fi
