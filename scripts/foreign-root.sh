#!/bin/sh
# Gathers what a package for another architecture is built of, in foreign/ARCH: Debian's programs and libraries (the same release as this
# host's), by apt with state of its own, and the npm packages of package-lock.json. Nothing of this host is changed.
# Usage: foreign-root.sh ARCH (arm64 or x64)
set -eu
cd "$(dirname "$(readlink -f "$0")")/.."
case "${1:-}" in
arm64) debian=arm64 ;;
x64) debian=amd64 ;;
*)
  echo "usage: foreign-root.sh arm64|x64" >&2
  exit 2
  ;;
esac
folder=$PWD/foreign/$1
apt=$folder/apt
mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$folder/root"
: >"$apt/status"
cat >"$apt/apt.conf" <<CONF
APT::Architecture "$debian";
APT::Architectures { "$debian"; };
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Acquire::Languages "none";
CONF
export APT_CONFIG="$apt/apt.conf"
apt-get --quiet update
apt-get --quiet --yes --no-install-recommends --download-only install busybox-static haproxy libatomic1 libstdc++6
rm -rf "$folder/root"
mkdir "$folder/root"
for package in "$apt/cache/archives"/*.deb; do dpkg-deb --extract "$package" "$folder/root"; done
cp package.json package-lock.json "$folder"
npm ci --prefix "$folder" --os linux --cpu "$1" --libc glibc --omit dev --ignore-scripts --no-audit --no-fund --loglevel error
