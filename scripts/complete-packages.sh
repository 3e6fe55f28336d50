#!/bin/sh
# Completes node_modules after an installation; run by npm ci.
set -eu
cd "$(dirname "$(readlink -f "$0")")/../node_modules"
# npm 9 of Debian 12 does not link the binary of an architecture-specific package (Node.js).
[ -e .bin/node ] || (cd .bin && ln -s ../node-linux-*/bin/node node)
# tap is assembled from the plugins in .taprc: Node.js runs TypeScript by itself.
[ ! -e .bin/tap ] || (cd .. && PATH="$PWD/node_modules/.bin:$PATH" tap build >/dev/null)
