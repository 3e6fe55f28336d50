#!/bin/sh
# Debian: after the removal. Data and configuration stay until the package is purged.
set -eu
! [ -d /run/systemd/system ] || systemctl daemon-reload
[ "$1" = purge ] || exit 0
# What is mounted below is somebody else's: the volumes of pods. A bind mount is of the same file system, where --one-file-system stops nobody.
awk 'index($5, "/var/lib/kedge/") == 1 { print $5 }' /proc/self/mountinfo |
  sort -r | while read -r mount_point; do umount --internal-only --no-canonicalize --lazy "$mount_point"; done
rm -rf --one-file-system /etc/kedge /var/lib/kedge /var/log/kedge
