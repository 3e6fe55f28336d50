# What up.sh, down.sh and clean-host.sh share: where things are, and how daemons are started and stopped. Sourced.
# shellcheck shell=sh

prefix=/usr/local/lib/kedge
config=/etc/kedge
data=/var/lib/kedge
runtime=/run/kedge
logs=/var/log/kedge
kubeconfig=$config/admin.kubeconfig
units='kedge-containerd kedge-server kedge-agent'

say() { echo "kedge: $*"; }
fail() {
  echo "kedge: $*" >&2
  exit 1
}

with_systemd() { [ -d /run/systemd/system ]; }

# wait_until SECONDS WHAT COMMAND...: returns when the command succeeds.
wait_until() {
  deadline=$(($(date +%s) + $1))
  what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$(date +%s)" -lt "$deadline" ] || fail "gave up waiting for $what; logs are in $logs or the journal"
    sleep 0.2
  done
}

log_hint() {
  if with_systemd; then echo "journalctl -u $1"; else echo "$logs/$1.log"; fi
}

# running UNIT: prints the process id of a daemon that start() made and that is alive.
running() {
  pid=$(cat "$runtime/$1.pid" 2>/dev/null) || return 1
  # The id may have been given to another process since: it must have been started with the same command.
  [ "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)" = "$(cat "$runtime/$1.cmdline" 2>/dev/null)" ] && echo "$pid"
}

# start UNIT: through systemd, else as a daemon with a pid file and a log. Restarts a kedge daemon that runs, for upgrades.
start() {
  if with_systemd; then
    systemctl enable --quiet "$1"
    if [ "$1" = kedge-containerd ]; then systemctl start "$1"; else systemctl restart "$1"; fi
    return
  fi
  if pid=$(running "$1"); then
    [ "$1" != kedge-containerd ] || return 0
    stop "$1"
  fi
  command=$(sed -n 's/^ExecStart=//p' "$prefix/systemd/$1.service")
  mkdir -p "$runtime" "$logs"
  # shellcheck disable=SC2086 # the unit's command line is a list of words
  setsid $command >>"$logs/$1.log" 2>&1 </dev/null &
  pid=$!
  echo "$pid" >"$runtime/$1.pid"
  # setsid and the launcher replace themselves: what the command line is, is known once it stays the same.
  before=''
  until now=$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) && [ -n "$now" ] && [ "$now" = "$before" ]; do
    kill -0 "$pid" 2>/dev/null || fail "$1 did not start; see $logs/$1.log"
    before=${now:-}
    sleep 0.1
  done
  printf '%s' "$now" >"$runtime/$1.cmdline"
}

# stop UNIT: ends it and waits for its end.
stop() {
  if with_systemd; then
    systemctl stop "$1" 2>/dev/null || true
    return
  fi
  pid=$(running "$1") || return 0
  kill "$pid"
  deadline=$(($(date +%s) + 20))
  while kill -0 "$pid" 2>/dev/null; do
    [ "$(date +%s)" -lt "$deadline" ] || { kill -9 "$pid" && break; }
    sleep 0.1
  done
  rm -f "$runtime/$1.pid" "$runtime/$1.cmdline"
}

# install_files CHECKOUT: the built package, the command, the units and containerd's configuration.
install_files() {
  mkdir -p "$config" "$data" "$runtime" "$logs"
  # Beside the old one and swapped by rename, so that a daemon that starts meanwhile finds one or the other whole.
  rm -rf "$prefix.new" "$prefix.old"
  cp -a "$1/dist" "$prefix.new"
  cp -a "$1/systemd" "$prefix.new/systemd"
  [ ! -d "$prefix" ] || mv "$prefix" "$prefix.old"
  mv "$prefix.new" "$prefix"
  rm -rf "$prefix.old"
  ln -sfn "$prefix/kedge" /usr/local/bin/kedge
  if with_systemd; then
    for unit in $units; do install -m 0644 "$1/systemd/$unit.service" /etc/systemd/system/; done
    systemctl daemon-reload
  fi
  [ -s "$config/containerd.toml" ] || "$1/scripts/containerd-config.sh" "$data/containerd" "$runtime/containerd" \
    "$runtime/containerd.sock" "$config/cni/net.d" >"$config/containerd.toml"
  [ -s "$config/server.yaml" ] || printf 'data-dir: %s\nallow-privileged: true\n' "$data/server" >"$config/server.yaml"
}

# write_agent_config JOIN-COMMAND: what the agent needs to join the cluster that the command names.
write_agent_config() {
  join=$1
  server=$(word_after --server "$join")
  token=$(word_after --token "$join")
  hash=$(word_after --ca-hash "$join")
  [ -n "$server" ] && [ -n "$token" ] && [ -n "$hash" ] ||
    fail "joining needs --server, --token and --ca-hash: kedge token create --print-join-command prints all three"
  umask 077
  cat >"$config/agent.yaml.new" <<EOF
server: $server
token: $token
ca-hash: $hash
node-name: $(hostname | tr '[:upper:]' '[:lower:]')
data-dir: $data/agent
image-dir: $prefix/images
containerd-socket: $runtime/containerd.sock
cni-conf-dir: $config/cni/net.d
EOF
  mv "$config/agent.yaml.new" "$config/agent.yaml"
}

# word_after FLAG TEXT: the word that follows a flag.
word_after() {
  printf '%s\n' "$2" | tr ' ' '\n' | grep -A1 -x -e "$1" | tail -n 1
}

agent_setting() { sed -n "s/^$1:[[:space:]]*//p" "$config/agent.yaml"; }
