#!/bin/sh
# Makes this host a single-node cluster: installs dependencies, builds, starts containerd, server and agent, and returns when the
# node is Ready. Run as root from the checkout; running it again upgrades the installation and keeps pods running.
set -eu
here=$(dirname "$(readlink -f "$0")")
checkout=$(dirname "$here")
. "$here/host.sh"
take_no_arguments "$@"

[ "$(id -u)" -eq 0 ] || fail "make up installs packages and starts daemons: run it as root (sudo make up)"
"$here/prepare-host.sh"

cd "$checkout"
say "building"
"$here/npm-install.sh"
PATH="$checkout/node_modules/.bin:$PATH" npm run --silent build
exec "$here/install.sh"
