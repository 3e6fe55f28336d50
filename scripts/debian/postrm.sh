#!/bin/sh
# Debian: after the removal. Data and configuration stay until the package is purged.
set -eu
! [ -d /run/systemd/system ] || systemctl daemon-reload
[ "$1" = purge ] || exit 0

# mounts_below: prints what is mounted below a directory, as the kernel writes it: a space as \040.
mounts_below() {
  while read -r _ _ _ _ point _; do
    case $(printf '%b' "$point") in "$1"/*) printf '%s\n' "$point" ;; esac
  done </proc/self/mountinfo
}

# What is mounted below is somebody else's: the volumes of pods. A bind mount is of the same file system, where --one-file-system stops nobody:
# nothing is removed until the last one is gone.
mounts_below /var/lib/kedge | sort -r | while read -r point; do
  umount --internal-only --no-canonicalize --lazy -- "$(printf '%b' "$point")" || true
done
left=$(mounts_below /var/lib/kedge)
if [ -n "$left" ]; then
  echo "kedge: nothing is removed, because this is mounted below /var/lib/kedge and may be somebody else's: $left" >&2
  exit 1
fi
rm -rf --one-file-system /etc/kedge /var/lib/kedge /var/log/kedge
