#!/bin/sh
# Takes every trace of Kedge off this host: pods, daemons, data, configuration, rules, links, cgroups. Debian's packages stay.
set -eu
here=$(dirname "$(readlink -f "$0")")
. "$here/host.sh"
[ "$(id -u)" -eq 0 ] || fail "make clean-host removes files and rules: run it as root (sudo make clean-host)"

left=''
! has_joined || left="; the cluster lists the node until kubectl delete node $(agent_setting node-name)"
"$here/down.sh"
if with_systemd; then
  for unit in $units; do systemctl disable --quiet "$unit" 2>/dev/null || true; done
  for unit in $units; do rm -f "/etc/systemd/system/$unit.service"; done
  systemctl daemon-reload
fi
# What is mounted below comes off first, the deepest first.
awk -v data="$data/" -v run="$runtime/" 'index($5, data) == 1 || index($5, run) == 1 { print $5 }' /proc/self/mountinfo |
  sort -r | while read -r mount_point; do umount -l "$mount_point"; done
rm -rf --one-file-system "$data" "$runtime" "$logs" "$config" "$prefix" "$prefix.new" "$prefix.old" \
  /var/log/pods/kedge /var/lib/cni/networks/kedge
# What containerd, its shims and the CNI plugins share with others of their kind goes where nobody else is in it.
for shared in /run/containerd /run/netns /opt/containerd /var/lib/cni /var/log/pods /var/log/containers; do
  [ ! -d "$shared" ] || mountpoint -q "$shared" || [ -n "$(find "$shared" ! -type d -print -quit)" ] || find "$shared" -depth -type d -delete
done
[ ! -L /usr/local/bin/kedge ] || rm -f /usr/local/bin/kedge
say "clean$left"
