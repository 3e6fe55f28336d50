#!/bin/sh
# Removes everything that Kedge has created on this host: pods, daemons, data, configuration, rules, links, cgroups. Debian
# packages stay installed.
set -eu
here=$(dirname "$(readlink -f "$0")")
. "$here/host.sh"
take_no_arguments "$@"
[ "$(id -u)" -eq 0 ] || fail "make clean-host removes files and rules: run it as root (sudo make clean-host)"

# still_listed: says what remains of this host in another host's cluster.
still_listed() {
  has_joined && [ -s "$(agent_setting data-dir)/pki/client.pem" ] || return 0
  node=$(agent_setting node-name)
  if found=$(as_node get node "$node" --ignore-not-found --request-timeout 5s -o name 2>/dev/null); then
    [ -z "$found" ] || echo "; the cluster lists the node until kubectl delete node $node"
  else
    echo "; the cluster does not answer: if it lists the node, kubectl delete node $node there"
  fi
}
left=$(still_listed)
"$here/down.sh"
if with_systemd; then
  for unit in $units kedge-upgrade; do systemctl disable --quiet "$unit" 2>/dev/null || true; done
  for unit in $units kedge-upgrade; do rm -f "/etc/systemd/system/$unit.service"; done
  systemctl daemon-reload
fi
# Unmount what is below first, deepest first.
awk -v data="$data/" -v run="$runtime/" 'index($5, data) == 1 || index($5, run) == 1 { print $5 }' /proc/self/mountinfo |
  sort -r | while read -r mount_point; do umount --internal-only --no-canonicalize --lazy "$mount_point"; done
own_directories=$(tac "$made" 2>/dev/null || true)
rm -rf --one-file-system "$data" "$runtime" "$logs" "$config" /var/lib/cni/networks/kedge
$packaged || rm -rf --one-file-system "$prefix" "$prefix.new" "$prefix.old" "$versions"
# Remove shared directories that Kedge has created, unless others have files in them by now.
for directory in $own_directories; do
  [ ! -d "$directory" ] || mountpoint -q "$directory" || [ -n "$(find "$directory" ! -type d -print -quit)" ] ||
    find "$directory" -xdev -depth -type d -delete
done
$packaged || [ ! -L /usr/local/bin/kedge ] || rm -f /usr/local/bin/kedge
say "clean$left"
