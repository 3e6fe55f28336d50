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
  asked=$(node_server)
  if found=$(as_node get node "$node" --ignore-not-found --request-timeout 5s -o name 2>/dev/null); then
    [ -z "$found" ] || echo "; the cluster lists the node until kubectl delete node $node"
  else
    echo "; the cluster does not answer: if it lists the node, kubectl delete node $node there"
  fi
}
# still_member: says what remains of this host in the etcd of other servers, which count it until it is removed.
still_member() {
  has_etcd && ! grep -qs '"state":"left"' "$data/server/etcd/member.json" || return 0
  grep -qs ',' "$data/server/etcd/endpoints.json" || return 0
  echo "; other servers count this one in their etcd until kedge server leave --name ADDRESS on one of them (kedge server status)"
}
left=$(still_listed)$(still_member)
"$here/down.sh"
if with_systemd; then
  for unit in $units kedge-upgrade; do systemctl disable --quiet "$unit" 2>/dev/null || true; done
  for unit in $units kedge-upgrade; do rm -f "/etc/systemd/system/$unit.service"; done
  systemctl daemon-reload
fi
# mounts_below: prints what is mounted below a directory, as the kernel writes it: a space as \040.
mounts_below() {
  while read -r _ _ _ _ point _; do
    case $(printf '%b' "$point") in "$1"/*) printf '%s\n' "$point" ;; esac
  done </proc/self/mountinfo
}
# Unmount what is below first, deepest first. What stays may be somebody else's, in the same file system: nothing is removed then.
for directory in "$data" "$runtime"; do
  mounts_below "$directory" | sort -r | while read -r point; do
    umount --internal-only --no-canonicalize --lazy -- "$(printf '%b' "$point")" || true
  done
  mounted=$(mounts_below "$directory")
  [ -z "$mounted" ] || fail "nothing is removed, because this is mounted below $directory: $mounted"
done
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
