#!/bin/sh
# Debian: stops the daemons and the pods of this host before the package is removed; an upgrade leaves them alone.
set -eu
[ "$1" = remove ] || exit 0
/usr/lib/kedge/scripts/down.sh
rm -f /usr/lib/kedge/dist/bin/node
