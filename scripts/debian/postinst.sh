#!/bin/sh
# Debian: unpacks Node.js, and restarts what ran before an upgrade; pods keep running.
set -eu
[ "$1" = configure ] || exit 0
here=/usr/lib/kedge/scripts
. "$here/host.sh"
unpack_node again
if with_systemd; then
  systemctl daemon-reload
  for unit in kedge-server kedge-agent; do systemctl try-restart --no-block "$unit"; done
fi
