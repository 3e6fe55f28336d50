#!/bin/sh
# Installs the built package of dist/ on this host, starts containerd, server and agent, and returns when the node is Ready.
# Needs no compiler and no npm: dist/, scripts/ and systemd/ are enough. Run as root; running it again upgrades the installation
# and keeps pods running.
#
# Usage: install.sh [--offline] [--etcd] [--node-name NAME]                creates a single-node cluster
#        install.sh [--offline] --server URL --token TOKEN --ca-hash HASH  joins a cluster, with the arguments printed by
#                   [--node-name NAME]                                     `kedge token create --print-join-command`
#        install.sh [--offline] --control-plane --server URL --token TOKEN --ca-hash HASH
#                   [--node-name NAME]                                     makes this host another server of a cluster, with the arguments
#                                                                          printed by `kedge token create --server --print-join-command`
#   --etcd     Kedge runs etcd for the objects, so that other servers can join (docs/etcd.md)
#   --offline  do not install Debian packages: say which are missing instead
#   --node-name  name of the Node, instead of the host name
# All other settings are those of `kedge server --help` and `kedge agent --help`: what /etc/kedge/server.yaml and /etc/kedge/agent.yaml say
# before the installation is kept, and what they do not say is added.
# The token can also be in KEDGE_TOKEN.
set -eu
# The token is not to be in the process list for as long as this runs: it is taken out of the arguments, by starting over without it.
given='' before=''
for argument in "$@"; do
  shift
  if [ "$before" = --token ]; then given=$argument; elif [ "$argument" != --token ]; then set -- "$@" "$argument"; fi
  before=$argument
done
# One without a value is refused with the other arguments.
[ "$before" != --token ] || set -- "$@" --token
[ -z "$given" ] || KEDGE_TOKEN=$given exec sh "$0" "$@"
# Nor is it for the daemons that are started from here.
given=${KEDGE_TOKEN:-}
unset KEDGE_TOKEN
here=$(dirname "$(readlink -f "$0")")
checkout=$(dirname "$here")
. "$here/host.sh"
offer_help "$@"

usage='joining needs --server URL, --token TOKEN and --ca-hash HASH: kedge token create --print-join-command prints all three'
# read_join_arguments ARGUMENT...: sets $server, $token and $hash; fails unless all three are given.
read_join_arguments() {
  server='' token=$given hash=''
  while [ $# -gt 0 ]; do
    case $1 in
    --server) server=${2:-} ;;
    --token) token=${2:-} ;;
    --ca-hash) hash=${2:-} ;;
    --node-name) name=${2:-} ;;
    *) fail "unknown argument \"$1\"; $usage" ;;
    esac
    [ $# -gt 1 ] || fail "$1 has no value; $usage"
    shift 2
  done
  [ -n "$server" ] && [ -n "$token" ] && [ -n "$hash" ] || fail "$usage"
  # They become lines of YAML.
  case $server$hash in
  *[!][A-Za-z0-9:/.,%_-]*) fail "--server or --ca-hash has characters that URLs and hashes do not have; $usage" ;;
  esac
}

# install_files: the built package, the command, the units and containerd's configuration.
install_files() {
  mkdir -p "$config" "$data" "$runtime" "$logs"
  [ -e "$made" ] || for directory in $shared; do [ -e "$directory" ] || echo "$directory"; done >"$made"
  $packaged || copy_program
  [ -s "$config/containerd.toml" ] || "$checkout/scripts/containerd-config.sh" "$data/containerd" "$runtime/containerd" \
    "$runtime/containerd.sock" "$config/cni/net.d" >"$config/containerd.toml"
}

# copy_program: to a folder of its own beside the versions that are there, with the command and the units. What runs meanwhile, or starts,
# finds a complete version: the old one, then the new one.
copy_program() {
  version=$(sed -n 's/.*"version":"\([^"]*\)".*/\1/p' "$checkout/dist/package.json")
  build=$(cd "$checkout/dist" && find . -type f ! -path ./bin/node | LC_ALL=C sort | tr '\n' '\0' | xargs -0 sha256sum | sha256sum | cut -c 1-8)
  id=$version-$build
  mkdir -p "$versions"
  if [ ! -d "$versions/$id" ]; then
    rm -rf "$versions/.installing"
    copy_files "$checkout/dist" "$versions/.installing"
    copy_files "$checkout/systemd" "$versions/.installing/systemd"
    sync -f "$versions/.installing"
    mv "$versions/.installing" "$versions/$id"
  fi
  old=$(current_version)
  [ "$old" = "$id" ] || {
    [ -z "$old" ] || point "$versions/previous" "$old"
    # Before there were versions, $prefix was a folder: the command does without it for as long as it is none.
    if [ -d "$prefix" ] && [ ! -L "$prefix" ]; then
      point /usr/local/bin/kedge "$versions/$id/kedge"
      rm -rf "$prefix"
    fi
    point "$prefix" "$(basename "$versions")/$id"
  }
  point /usr/local/bin/kedge "$prefix/kedge"
  for folder in "$versions"/*-????????; do
    case $(basename "$folder") in
    "$id" | "$(basename "$(readlink "$versions/previous" || true)")") ;;
    *) rm -rf "$folder" ;;
    esac
  done
  if with_systemd; then
    for unit in $units kedge-upgrade; do install -m 0644 "$checkout/systemd/$unit.service" /etc/systemd/system/; done
    systemctl daemon-reload
    # At a boot it ends what was cut short.
    systemctl enable --quiet kedge-upgrade
  fi
}

# current_version: prints the version that runs, if there are versions.
current_version() { [ ! -L "$prefix" ] || basename "$(readlink "$prefix")"; }

# point LINK TARGET: replaces a link; there is no moment without it.
point() {
  ln -sfn "$2" "$1.new"
  mv -T "$1.new" "$1"
}

# set_if_missing FILE KEY VALUE: a line of YAML at the end of the file, where it has none of that key.
set_if_missing() { grep -q "^$2:" "$1" || printf '%s: %s\n' "$2" "$3" >>"$1"; }

# end_line FILE: what is added comes after a line, also after a last one without an end.
end_line() { [ ! -s "$1" ] || sed -i -e '$a\' "$1"; }

# join PACKAGE: joins this host to $server's cluster, then records that in agent.yaml, whose other settings are kept. The token is
# not saved, since the node has its certificate then. When the join fails, everything is left unchanged.
join() {
  mkdir -p "$config" "$data"
  new=$config/agent.yaml.new
  (
    umask 077
    {
      printf 'server: %s\nca-hash: %s\n' "$server" "$hash"
      [ ! -s "$config/agent.yaml" ] || sed -E "/^(server|token|ca-hash${name:+|node-name}):/d" "$config/agent.yaml"
    } >"$new"
  )
  end_line "$new"
  set_if_missing "$new" node-name "${name:-$(hostname | tr '[:upper:]' '[:lower:]')}"
  set_if_missing "$new" data-dir "$data/agent"
  set_if_missing "$new" image-dir "$prefix/images"
  set_if_missing "$new" containerd-socket "$runtime/containerd.sock"
  set_if_missing "$new" cni-conf-dir "$config/cni/net.d"
  KEDGE_TOKEN=$token "$1/kedge" join --server "$server" --ca-hash "$hash" --config "$config/agent.yaml.new" || {
    rm "$config/agent.yaml.new"
    for made in "$data/agent/pki" "$data/agent" "$data" "$config"; do
      [ ! -d "$made" ] || rmdir --ignore-fail-on-non-empty "$made"
    done
    exit 1
  }
  mv "$config/agent.yaml.new" "$config/agent.yaml"
}

# is_alive NODE SINCE: has the agent renewed the node's Lease since then, and is the node Ready?
is_alive() {
  renewed=$(as_node get lease "$1" --namespace kube-node-lease -o 'jsonpath={.spec.renewTime}')
  printf '%s\n' "$2" "$renewed" | sort -c && [ "$(as_node get node "$1" -o \
    'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" = True ]
}

# drop_token: deletes the token that this host has joined its own cluster with.
drop_token() { "$prefix/kedge" token delete --kubeconfig "$kubeconfig" "${token%%.*}" >/dev/null; }

offline=''
if [ "${1:-}" = --offline ]; then
  offline=--offline
  shift
fi
etcd=false
if [ "${1:-}" = --etcd ]; then
  etcd=true
  shift
fi
name=''
if [ "${1:-}" = --node-name ] && [ $# -eq 2 ]; then
  name=$2
  shift 2
fi
! $etcd || [ $# -eq 0 ] || fail "--etcd is for the first server of a cluster: those that join have what it has"
control_plane=false
if [ "${1:-}" = --control-plane ]; then
  control_plane=true
  shift
  usage="a server needs --server URL, --token TOKEN and --ca-hash HASH: kedge token create --server --print-join-command prints them"
  [ $# -gt 0 ] || fail "$usage"
fi
joining=false
if [ $# -gt 0 ] || [ -n "$given" ]; then
  joining=true
  read_join_arguments "$@"
fi

case $name in
*[!a-z0-9.-]* | [.-]* | *[.-]) fail "--node-name has lower-case letters, digits, - and ., and begins and ends with a letter or digit: \"$name\"" ;;
esac
[ "$(id -u)" -eq 0 ] || fail "installing starts daemons: run it as root"
[ -z "$name" ] || ! is_node || [ "$name" = "$(agent_setting node-name)" ] ||
  fail "this host is the node $(agent_setting node-name): for another name, remove it with scripts/clean-host.sh first"
unpack_node
[ -x "$checkout/dist/kedge" ] || fail "$checkout/dist is missing: run make build or make up"
if $joining && ! $control_plane && [ -s "$config/server.yaml" ]; then
  has_cluster || fail "$config/server.yaml has settings of a server, and this host is to be a node alone: remove it"
  fail "this host runs a cluster of its own: remove it with scripts/clean-host.sh before joining another one"
fi
if $etcd && has_cluster && ! has_etcd; then
  fail "$config/server.yaml is of a server without it: docs/etcd.md says how its objects are moved"
fi
# shellcheck disable=SC2086 # no word, or one
"$here/prepare-host.sh" --no-build $offline
"$checkout/dist/kedge" version >/dev/null || fail "the program in $checkout/dist does not run on this host"

if $control_plane; then
  say "getting the keys of the cluster from $server"
  KEDGE_TOKEN=$token "$checkout/dist/kedge" server join --server "$server" --ca-hash "$hash" --config "$config/server.yaml"
elif $joining; then
  say "joining $server"
  join "$checkout/dist"
fi

say "installing into $prefix"
install_files
start kedge-containerd

if ! has_joined; then
  if ! has_cluster; then
    touch "$config/server.yaml"
    end_line "$config/server.yaml"
    set_if_missing "$config/server.yaml" data-dir "$data/server"
    set_if_missing "$config/server.yaml" allow-privileged true
    ! $etcd || set_if_missing "$config/server.yaml" etcd managed
    ! $etcd || has_etcd || fail "--etcd has Kedge run etcd, and $config/server.yaml says that others do"
  fi
  if has_etcd; then
    # shellcheck disable=SC2086 # no word, or one
    "$here/prepare-host.sh" --no-build $offline --etcd
    start kedge-etcd
  fi
  start kedge-server
  wait_for kedge-server "the server's kubeconfig $kubeconfig" test -s "$kubeconfig"
  wait_for kedge-server "the server to be ready" kubectl --kubeconfig "$kubeconfig" get --raw /readyz
  if ! is_node; then
    say "joining this host"
    words=$("$prefix/kedge" token create --kubeconfig "$kubeconfig" --ttl 1h --description "make up on $(hostname)" \
      --print-join-command)
    # shellcheck disable=SC2086 # a list of words
    read_join_arguments ${words#* }
    trap drop_token EXIT
    join "$prefix"
    trap - EXIT
    drop_token
  fi
fi

# Before an upgrade or a stop, the old Lease is still there: only a renewal counts.
since=$(date -u +%Y-%m-%dT%H:%M:%S.%6NZ)
start kedge-agent
node=$(agent_setting node-name)
asked=$(node_server)
wait_for kedge-agent "node $node to be Ready" is_alive "$node" "$since"
# The node has its certificate: a token left in its settings is only a risk.
sed -i '/^token:/d' "$config/agent.yaml"
if has_joined; then
  say "node $node of $(agent_setting server) is Ready"
else
  say "node $node is Ready: export KUBECONFIG=$kubeconfig"
fi
