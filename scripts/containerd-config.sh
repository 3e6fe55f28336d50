#!/bin/sh
# Prints the configuration of Kedge's own containerd for this host and the installed containerd version.
# Usage: containerd-config.sh ROOT STATE SOCKET CNI_CONF_DIR
set -eu
root=$1 state=$2 socket=$3 cni_conf=$4

cni_bin=/usr/lib/cni
[ -x "$cni_bin/bridge" ] || cni_bin=/opt/cni/bin

# Without CAP_SYS_RESOURCE (bit 24) oom_score_adj cannot be lowered, and runc fails.
restrict_oom=false
effective=$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)
[ $((0x$effective >> 24 & 1)) -eq 1 ] || restrict_oom=true

disable_apparmor=true
[ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" = Y ] && command -v apparmor_parser >/dev/null && disable_apparmor=false

# systemd manages the cgroups when it is PID 1 and the unified hierarchy is in use.
systemd_cgroup=false
[ -d /run/systemd/system ] && [ -e /sys/fs/cgroup/cgroup.controllers ] && systemd_cgroup=true

pause=kedge.local/pause:1.0

# netns_mounts_under_state_dir: in /run/netns the first `ip netns add` on the host would mount over the pods' namespaces.

case $(containerd --version) in
*" 2."* | *" v2."*)
  cat <<EOF
version = 3
root = "$root"
state = "$state"

[grpc]
  address = "$socket"

[plugins."io.containerd.internal.v1.opt"]
  path = "$root/opt"

[plugins."io.containerd.cri.v1.images"]
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "$pause"

[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = $restrict_oom
  disable_apparmor = $disable_apparmor
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["$cni_bin"]
    conf_dir = "$cni_conf"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      SystemdCgroup = $systemd_cgroup
EOF
  ;;
*)
  cat <<EOF
version = 2
root = "$root"
state = "$state"

[grpc]
  address = "$socket"

[plugins."io.containerd.internal.v1.opt"]
  path = "$root/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$pause"
  restrict_oom_score_adj = $restrict_oom
  disable_apparmor = $disable_apparmor
  netns_mounts_under_state_dir = true
  enable_cdi = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$cni_bin"
    conf_dir = "$cni_conf"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = $systemd_cgroup
EOF
  ;;
esac
