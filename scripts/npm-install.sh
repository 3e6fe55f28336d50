#!/bin/sh
# Installs the packages of package-lock.json into node_modules, the pinned Node.js among them, unless that is done already.
set -eu
cd "$(dirname "$(readlink -f "$0")")/.."
stamp=node_modules/.installed-lock
if cmp -s package-lock.json "$stamp"; then exit 0; fi
npm ci --no-audit --no-fund --loglevel=error
# npm 9, which Debian 12 has, leaves out the link to the Node.js that is the package of one architecture only.
[ -e node_modules/.bin/node ] || (cd node_modules/.bin && ln -s ../node-linux-*/bin/node node)
# tap is put together from the plugins that .taprc names: Node.js runs TypeScript by itself.
PATH="$PWD/node_modules/.bin:$PATH" tap build >/dev/null
cp package-lock.json "$stamp"
