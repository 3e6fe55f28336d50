#!/bin/sh
# Stops the daemons and all pods of this host. Data is kept: `make up` starts everything again.
set -eu
here=$(dirname "$(readlink -f "$0")")
. "$here/host.sh"
take_no_arguments "$@"
[ "$(id -u)" -eq 0 ] || fail "make down stops daemons: run it as root (sudo make down)"

stop kedge-agent
stop kedge-server
stop kedge-etcd
# Pods keep running without the agent; reset stops them.
if [ -x "$prefix/kedge" ] && [ -s "$config/containerd.toml" ] && [ -s "$config/agent.yaml" ]; then
  start kedge-containerd
  "$prefix/kedge" reset --config "$config/agent.yaml"
fi
stop kedge-containerd
say "stopped"
