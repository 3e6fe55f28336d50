#!/bin/sh
# Debian: after the removal. Data and configuration stay until the package is purged.
set -eu
! [ -d /run/systemd/system ] || systemctl daemon-reload
[ "$1" = purge ] || exit 0
rm -rf --one-file-system /etc/kedge /var/lib/kedge /var/log/kedge
