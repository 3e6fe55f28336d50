#!/bin/sh
# Runs the Node.js pinned in package-lock.json, whatever the host has. Usage: node.sh FILE [WORD...]
root=$(dirname "$(dirname "$(readlink -f "$0")")")
for node in "$root"/node_modules/node-linux-*/bin/node; do
  [ ! -x "$node" ] || exec "$node" "$@"
done
echo "kedge: the pinned Node.js is not installed in node_modules: run npm ci first" >&2
exit 1
