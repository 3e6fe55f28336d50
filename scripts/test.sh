#!/bin/sh
# Installs the tests' dependencies, builds, runs all tests and prints "N passed, N failed". Run as root.
# Usage: test.sh [FILE...]
set -eu
cd "$(dirname "$(readlink -f "$0")")/.."
[ "$(id -u)" -eq 0 ] || {
  echo "the tests run containers and network namespaces: run them as root (sudo make test)" >&2
  exit 2
}
scripts/prepare-host.sh
scripts/npm-install.sh
export PATH="$PWD/node_modules/.bin:$PATH"
npm run --silent check
npm run --silent build
exec node scripts/test.ts "$@"
