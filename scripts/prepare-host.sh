#!/bin/sh
# Installs the Debian packages that Kedge needs, if they are missing. Run as root.
# Usage: prepare-host.sh [--no-build] [--offline] [--etcd] [PACKAGE...]
#   --no-build  only those that a node needs
#   --etcd      also etcd, for a server that runs it
#   --offline   fail and name what is missing instead of installing it
set -eu

building=true
if [ "${1:-}" = --no-build ]; then
  building=false
  shift
fi
offline=false
if [ "${1:-}" = --offline ]; then
  offline=true
  shift
fi

with_etcd=false
if [ "${1:-}" = --etcd ]; then
  with_etcd=true
  shift
fi

# have COMMAND: is it installed, including directories that are not on root's PATH?
have() {
  command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ]
}

missing=''
need() { # need COMMAND PACKAGE
  have "$1" || missing="$missing $2"
}

need containerd containerd
need runc runc
[ -x /usr/lib/cni/bridge ] || [ -x /opt/cni/bin/bridge ] || missing="$missing containernetworking-plugins"
need iptables iptables
need nft nftables
need conntrack conntrack
need ip iproute2
need arping iputils-arping
need kubectl kubernetes-client
# Node.js is linked against it.
ldconfig -p | grep -q libatomic.so.1 || missing="$missing libatomic1"
! $with_etcd || need etcd etcd-server
if $building; then
  # npm downloads the pinned Node.js, gcc builds the pause image, busybox is the hello image.
  need npm npm
  need gcc gcc
  [ -f /usr/lib/x86_64-linux-gnu/libc.a ] || [ -f /usr/lib/aarch64-linux-gnu/libc.a ] || missing="$missing libc6-dev"
  [ -x /bin/busybox ] || missing="$missing busybox-static"
  # The ingress image has it; nothing runs it on the host.
  need haproxy haproxy
  # The tests of the store start some of their own.
  need etcd etcd-server
  need etcdctl etcd-client
  need openssl openssl
  need curl curl
  # The tests of the web console drive it.
  need chromium chromium
  # The tests unpack released clients with it.
  need unzip unzip
  # The tests create network namespaces.
  need sysctl procps
fi

for package in "$@"; do missing="$missing $package"; done
[ -n "$missing" ] || exit 0
if $offline; then
  echo "kedge: this host lacks these Debian packages:$missing" >&2
  exit 1
fi

# Packages must not start their daemons on installation: Kedge runs a containerd of its own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
echo "installing:$missing"
apt-get update -qq
# Other programs, unattended-upgrades among them, hold dpkg's lock for minutes.
# shellcheck disable=SC2086 # a list of package names
apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends $missing >/dev/null
# Debian's own service of it is not wanted.
case $missing in
*haproxy*) ! command -v systemctl >/dev/null 2>&1 || systemctl disable --quiet haproxy.service || true ;;
esac
case $missing in
*etcd-server*) ! command -v systemctl >/dev/null 2>&1 || systemctl disable --quiet etcd.service || true ;;
esac
case " $missing " in
# Debian's package would start a cluster of its own at the next boot, at the same ports.
*" etcd-server "*) [ ! -d /run/systemd/system ] || systemctl disable --quiet etcd ;;
esac
