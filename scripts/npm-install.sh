#!/bin/sh
# Installs the packages of package-lock.json into node_modules, the pinned Node.js among them, unless that is done already.
set -eu
cd "$(dirname "$(readlink -f "$0")")/.."
stamp=node_modules/.installed-lock
if cmp -s package-lock.json "$stamp"; then exit 0; fi
npm ci --no-audit --no-fund --loglevel=error
cp package-lock.json "$stamp"
