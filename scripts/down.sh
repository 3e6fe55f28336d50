#!/bin/sh
# Stops the daemons and every pod of this host. Data stays: `make up` starts it all again.
set -eu
here=$(dirname "$(readlink -f "$0")")
. "$here/host.sh"
[ "$(id -u)" -eq 0 ] || fail "make down stops daemons: run it as root (sudo make down)"

stop kedge-agent
stop kedge-server
# Pods outlive the agent; they end with the host's part in the cluster.
if [ -x "$prefix/kedge" ] && [ -s "$config/containerd.toml" ] && [ -s "$config/agent.yaml" ]; then
  start kedge-containerd
  "$prefix/kedge" reset --config "$config/agent.yaml"
fi
stop kedge-containerd
say "stopped"
