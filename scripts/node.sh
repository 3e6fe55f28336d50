#!/bin/sh
# Runs the Node.js that package-lock.json pins, whichever the host has. Usage: node.sh FILE [WORD...]
root=$(dirname "$(dirname "$(readlink -f "$0")")")
for node in "$root"/node_modules/node-linux-*/bin/node; do
  [ ! -x "$node" ] || exec "$node" "$@"
done
echo "kedge: the Node.js that Kedge is written for is not in node_modules yet: run npm ci first" >&2
exit 1
