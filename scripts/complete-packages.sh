#!/bin/sh
# Completes what npm has installed in node_modules; npm ci runs it.
set -eu
cd "$(dirname "$(readlink -f "$0")")/../node_modules"
# npm 9, which Debian 12 has, leaves out the link to the Node.js that is the package of one architecture only.
[ -e .bin/node ] || (cd .bin && ln -s ../node-linux-*/bin/node node)
# tap is put together from the plugins that .taprc names: Node.js runs TypeScript by itself.
[ ! -e .bin/tap ] || (cd .. && PATH="$PWD/node_modules/.bin:$PATH" tap build >/dev/null)
