# Shared by install.sh, down.sh and clean-host.sh: paths, and how daemons are started and stopped. Sourced.
# shellcheck shell=sh

# Whatever shell this is run from: root runs what is installed, and pods have to read what daemons make.
umask 022

# Debian's package has the program where these scripts are; other hosts get a copy of it.
case $here in
/usr/lib/kedge/*) packaged=true prefix=/usr/lib/kedge/dist ;;
*) packaged=false prefix=/usr/local/lib/kedge ;;
esac
config=/etc/kedge
data=/var/lib/kedge
runtime=/run/kedge
logs=/var/log/kedge
kubeconfig=$config/admin.kubeconfig
# $prefix is a link to one of the versions, which lie beside each other: those of `kedge upgrade`.
versions=$prefix-versions
units='kedge-containerd kedge-etcd kedge-server kedge-agent'
# Directories that Kedge's pods, containerd and its shims, the CNI plugins and CSI drivers share with other programs; parents first.
# install.sh records in $made which of them Kedge has created.
shared='/run/containerd /run/containerd/fifo /run/containerd/s /var/lib/cni /var/lib/cni/networks /var/lib/cni/results
  /var/log/pods /var/log/containers
  /var/lib/kubelet /var/lib/kubelet/plugins /var/lib/kubelet/plugins_registry /var/lib/kubelet/pods'
made=$data/made-directories

say() { echo "kedge: $*"; }
fail() {
  echo "kedge: $*" >&2
  exit 1
}

# offer_help ARGUMENT...: prints the comment that the script begins with and exits, if that is asked for.
offer_help() {
  case ${1:-} in
  -h | --help)
    sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
  esac
}

# take_no_arguments ARGUMENT...: for scripts whose only argument is --help: nothing is done on account of a misunderstanding.
take_no_arguments() {
  offer_help "$@"
  [ $# -eq 0 ] || fail "unknown argument \"$1\": $(basename "$0") takes none"
}

# unpack_node [again]: packages have Node.js once, in the image of the ingress. Does nothing where it is there, unless it is to be
# unpacked again.
unpack_node() {
  program=$(dirname "$here")/dist
  [ -s "$program/bin/node.from" ] && { [ ! -x "$program/bin/node" ] || [ -n "${1:-}" ]; } || return 0
  read -r blob member <"$program/bin/node.from"
  tar -xOf "$program/images/ingress.tar" "$blob" | tar -xzOf - "$member" >"$program/bin/node.new"
  chmod 0755 "$program/bin/node.new"
  mv "$program/bin/node.new" "$program/bin/node"
}

# copy_files FROM TO: as files of root's that nobody else can change, whoever has unpacked the package and with which modes.
copy_files() {
  cp -a --no-preserve=ownership "$1" "$2"
  chmod -R go-w,a-s "$2"
}

with_systemd() { [ -d /run/systemd/system ]; }

# wait_for UNIT WHAT COMMAND...: returns when the command succeeds; fails when the daemon ends before, or after a timeout.
wait_for() {
  unit=$1
  what=$2
  shift 2
  deadline=$(($(date +%s) + 120))
  until "$@" >/dev/null 2>&1; do
    # systemd restarts a unit that has failed.
    with_systemd || running "$unit" >/dev/null || fail "$unit has ended: $(last_log_message "$unit")"
    [ "$(date +%s)" -lt "$deadline" ] || fail "gave up waiting for $what: $(last_log_message "$unit")"
    sleep 0.2
  done
}

# last_log_message UNIT: the last message in a daemon's log, and where to find more.
last_log_message() {
  if with_systemd; then
    more="journalctl -u $1"
    # _SYSTEMD_UNIT instead of -u, which includes systemd's own messages about the unit.
    words=$(journalctl --quiet -n 1 -o cat "_SYSTEMD_UNIT=$1.service")
  else
    more=$logs/$1.log
    words=$(tail -n 1 "$more")
  fi
  sentence=$(printf '%s\n' "$words" | sed -n 's/.*"msg":"\(\([^"\]\|\\.\)*\)".*/\1/p' | sed 's/\\\(.\)/\1/g')
  echo "${sentence:-$words} ($more)"
}

# running UNIT: prints the process id of a daemon started by start(), if it is alive.
running() {
  pid=$(cat "$runtime/$1.pid" 2>/dev/null) || return 1
  # The id may have been reused by another process, with another start time.
  began=$(began "$pid")
  [ -n "$began" ] && [ "$began" = "$(cat "$runtime/$1.began" 2>/dev/null)" ] && echo "$pid"
}

# began PID: the process's start time in clock ticks since boot (proc(5), field 22 of stat); empty when it has ended.
began() {
  { sed -n 's/.*) \([^ZX]\)/\1/p' "/proc/$1/stat" | cut -d ' ' -f 20; } 2>/dev/null || true
}

# start UNIT: through systemd, else as a daemon with a pid file and a log. Restarts a running kedge daemon, for upgrades.
start() {
  if with_systemd; then
    systemctl enable --quiet "$1"
    # Whoever starts a daemon waits for what it does, and says in its words why it does not: see wait_for.
    case $1 in
    kedge-containerd) systemctl start "$1" ;;
    kedge-etcd) systemctl start --no-block "$1" ;;
    *) systemctl restart --no-block "$1" ;;
    esac
    return
  fi
  if pid=$(running "$1"); then
    # An upgrade of Kedge is none of these.
    case $1 in kedge-containerd | kedge-etcd) return 0 ;; esac
    stop "$1"
  fi
  command=$(sed -n 's/^ExecStart=//p' "$prefix/systemd/$1.service")
  mkdir -p "$runtime" "$logs"
  # shellcheck disable=SC2086 # the unit's command line is a list of words
  setsid $command >>"$logs/$1.log" 2>&1 </dev/null &
  pid=$!
  began "$pid" >"$runtime/$1.began"
  echo "$pid" >"$runtime/$1.pid"
}

# stop UNIT: stops it and waits until it has ended.
stop() {
  if with_systemd; then
    systemctl stop "$1" 2>/dev/null || true
    return
  fi
  pid=$(running "$1") || return 0
  kill "$pid"
  deadline=$(($(date +%s) + 20))
  while running "$1" >/dev/null; do
    [ "$(date +%s)" -lt "$deadline" ] || { kill -9 "$pid" && break; }
    sleep 0.1
  done
  rm -f "$runtime/$1.pid" "$runtime/$1.began"
}

# is_node: has this host joined a cluster? What an operator writes into agent.yaml before that names none.
is_node() { grep -qs '^server:' "$config/agent.yaml"; }

# has_joined: is this host a node of another host's cluster?
has_joined() { is_node && [ ! -s "$config/server.yaml" ]; }

# has_cluster: has this host's server been started, or been given the keys of a cluster? Before that, server.yaml is an operator's.
has_cluster() {
  [ -s "$config/server.yaml" ] || return 1
  directory=$(sed -n 's/^data-dir:[[:space:]]*//p' "$config/server.yaml")
  [ -e "${directory:-$data/server}/pki/ca.crt" ]
}

# has_etcd: does Kedge run etcd on this host?
has_etcd() { grep -Eqs "^etcd: *[\"']?managed" "$config/server.yaml"; }

agent_setting() { sed -n "s/^$1:[[:space:]]*//p" "$config/agent.yaml"; }

# kubectl WORD...: without a cache in root's home directory.
kubectl() { command kubectl --cache-dir "$runtime/kubectl" "$@"; }

# node_server: prints a server that answers this node: that of its settings, or another one that its agent knows, for that one may be gone.
node_server() {
  known=$(grep -o 'https://[][0-9a-f.:]*' "$(agent_setting data-dir)/pki/api-servers.json" 2>/dev/null) || known=''
  for url in $(agent_setting server) $known; do
    as_node_at "$url" get --raw /livez --request-timeout 5s >/dev/null 2>&1 || continue
    echo "$url"
    return
  done
  agent_setting server
}

# as_node WORD...: kubectl with this node's identity, at $asked where that is set.
as_node() { as_node_at "${asked:-$(agent_setting server)}" "$@"; }

as_node_at() {
  pki=$(agent_setting data-dir)/pki
  at=$1
  shift
  kubectl --kubeconfig /dev/null --server "$at" --certificate-authority "$pki/ca.crt" \
    --client-certificate "$pki/client.pem" --client-key "$pki/client.pem" "$@"
}
