#!/bin/sh
# Runs test files one after the other in the machine that lab.sh boots, which has no network and so none of what scripts/test.ts
# fetches. Prints what failed, and exits with 1 when anything did.
# Usage: lab.sh --source 'scripts/lab-tests.sh FILE...'
set -eu
cd "$(dirname "$(readlink -f "$0")")/.."
# In seconds: everything is ten times slower.
export TAP_TIMEOUT=1200
# Which the agent loads itself.
modprobe br_netfilter
# Node.js takes a minute to compile what a test imports.
export NODE_COMPILE_CACHE=/var/tmp/kedge-compile-cache
failed=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT
for file in "$@"; do
  if node_modules/.bin/node "$file" >"$output" 2>&1; then
    echo "ok   $file: $(grep -c '^ *ok ' "$output") passed"
  else
    failed=1
    echo "FAIL $file"
    grep -v '^ *ok ' "$output"
  fi
done
exit "$failed"
