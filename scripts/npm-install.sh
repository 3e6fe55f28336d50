#!/bin/sh
# Installs the packages of package-lock.json, including the pinned Node.js, into node_modules, unless they are up to date.
set -eu
cd "$(dirname "$(readlink -f "$0")")/.."
stamp=node_modules/.installed-lock
if cmp -s package-lock.json "$stamp"; then exit 0; fi
npm ci --no-audit --no-fund --loglevel=error
cp package-lock.json "$stamp"
