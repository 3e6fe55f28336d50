#!/bin/sh
# Installs the built package of dist/ on this host, starts containerd, server and agent, and returns when the node is Ready.
# Needs no compiler and no npm: dist/, scripts/ and systemd/ are enough. Run as root; running it again upgrades what is there
# and leaves pods running.
#
# Usage: install.sh                                            a cluster of this host's own
#        install.sh --server URL --token TOKEN --ca-hash HASH  this host joins a cluster: the words that
#                                                              `kedge token create --print-join-command` prints
set -eu
here=$(dirname "$(readlink -f "$0")")
checkout=$(dirname "$here")
. "$here/host.sh"

[ "$(id -u)" -eq 0 ] || fail "installing starts daemons: run it as root"
[ -x "$checkout/dist/kedge" ] || fail "there is nothing built in $checkout/dist: run make build, or make up"
"$here/prepare-host.sh" --no-build
"$checkout/dist/kedge" version >/dev/null || fail "what is built in $checkout/dist does not run on this host"

say "installing into $prefix"
install_files "$checkout"

start kedge-containerd
if [ $# -gt 0 ]; then
  say "joining $(word_after --server "$*")"
  write_agent_config "$*"
  start kedge-agent
  wait_until 120 "the node's certificate" test -s "$data/agent/pki/serving.pem"
  say "node $(agent_setting node-name) has joined: kubectl get nodes shows it on the server"
  exit 0
fi

start kedge-server
wait_until 120 "the server's kubeconfig $kubeconfig" test -s "$kubeconfig"
wait_until 120 "the server to be ready" kubectl --kubeconfig "$kubeconfig" get --raw /readyz

if [ ! -s "$config/agent.yaml" ]; then
  say "joining this host"
  write_agent_config "$(kedge token create --ttl 1h --description "make up on $(hostname)" --print-join-command)"
fi
start kedge-agent
node=$(agent_setting node-name)
wait_until 120 "node $node to register" kubectl --kubeconfig "$kubeconfig" get "node/$node"
# What the Node said before an upgrade or a stop it still says: ask the agent itself.
wait_until 120 "the agent" kubectl --kubeconfig "$kubeconfig" get --raw "/api/v1/nodes/$node/proxy/healthz"
kubectl --kubeconfig "$kubeconfig" wait --for=condition=Ready --timeout=120s "node/$node" >/dev/null ||
  fail "node $node is not Ready after 120 s; see $(log_hint kedge-agent)"
say "node $node is Ready: export KUBECONFIG=$kubeconfig"
