#!/bin/sh
# Installs the benchmark's dependencies, builds, measures and prints the table of docs/performance.md. Run as root.
# Usage: bench.sh [--only REGEX] [--json FILE]
set -eu
cd "$(dirname "$(readlink -f "$0")")/.."
[ "$(id -u)" -eq 0 ] || {
  echo "the measurements run containers and network namespaces: run them as root (sudo make bench)" >&2
  exit 2
}
scripts/prepare-host.sh
scripts/npm-install.sh
export PATH="$PWD/node_modules/.bin:$PATH"
npm run --silent build
exec node bench/main.ts "$@"
