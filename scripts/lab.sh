#!/bin/sh
# Boots a Debian 12 machine (systemd, cgroup v2, Debian's kernel) under QEMU emulation, copies the built package into it and runs
# a command there as root, in a folder with dist/, scripts/, systemd/ and examples/. Exits with the command's exit code; the
# machine and its disk are then removed. Needs root, but not KVM; everything in it is ten times slower.
# Usage: lab.sh [--source] COMMAND
#   lab.sh 'scripts/install.sh && kubectl apply -f examples/hello.yaml'
#   lab.sh --source 'scripts/lab-tests.sh test/host/network/backend-contract.test.ts'
#   --source  the folder is the whole checkout, with node_modules and dist, as tests need it
# KEDGE_LAB: where the Debian tree is cached (default /var/tmp/kedge-lab).
set -eu
cd "$(dirname "$(readlink -f "$0")")/.."
source=''
[ "${1:-}" != --source ] || {
  source=yes
  shift
}
[ "$(id -u)" -eq 0 ] || {
  echo "the lab makes a root file system: run it as root" >&2
  exit 2
}
[ -x dist/kedge ] || {
  echo "dist/ is missing: run make build" >&2
  exit 2
}
for program in mmdebstrap qemu-system-x86_64 mke2fs ssh; do
  command -v "$program" >/dev/null ||
    scripts/prepare-host.sh --no-build mmdebstrap qemu-system-x86 e2fsprogs openssh-client
done

lab=${KEDGE_LAB:-/var/tmp/kedge-lab}
tree=$lab/tree
packages=linux-image-cloud-amd64,systemd,systemd-sysv,dbus,udev,openssh-server,kmod,procps,curl,openssl,libatomic1
packages=$packages,nfs-common,nfs-kernel-server,ipvsadm,iputils-ping,iputils-arping
packages=$packages,containerd,runc,containernetworking-plugins,iptables,nftables,conntrack,iproute2,kubernetes-client
say() { echo "lab: $*" >&2; }
mkdir -p "$lab"
if [ "$(cat "$lab/complete" 2>/dev/null)" != "$packages" ]; then
  say "making the root file system in $lab, once; it takes minutes"
  rm -rf "$tree" "$lab/complete"
  mmdebstrap --quiet --variant=minbase --include="$packages" bookworm "$tree"
  chroot "$tree" systemctl --quiet mask containerd
  chroot "$tree" systemctl --quiet enable systemd-networkd
  echo lab >"$tree/etc/hostname"
  printf '127.0.0.1 localhost\n127.0.1.1 lab\n' >"$tree/etc/hosts"
  printf '/dev/vda / ext4 defaults 0 1\n' >"$tree/etc/fstab"
  # The machine has no network besides itself; the node's address is that of its default route.
  printf '[Match]\nName=en*\n[Network]\nDHCP=ipv4\nGateway=10.0.2.2\n' >"$tree/etc/systemd/network/10-lab.network"
  install -d -m 0700 "$tree/root/.ssh"
  echo "$packages" >"$lab/complete"
fi

work=$(mktemp -d /var/tmp/kedge-lab-run.XXXXXX)
machine=''
trap '[ -z "$machine" ] || kill "$machine" 2>/dev/null || true; rm -rf "$work"' EXIT
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
cp "$work/key.pub" "$tree/root/.ssh/authorized_keys"
truncate -s 6G "$work/disk"
mke2fs -q -t ext4 -d "$tree" "$work/disk"
[ -z "$source" ] || {
  truncate -s 4G "$work/source"
  mke2fs -q -t ext4 -d . "$work/source"
}

# A port that the kernel has just assigned is free for a moment.
port=$(dist/bin/node -e 'const s = require("net").createServer().listen(0, () => { console.log(s.address().port); s.close(); })')
qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 2560 \
  -kernel "$tree"/boot/vmlinuz-* -initrd "$tree"/boot/initrd.img-* -append 'root=/dev/vda console=ttyS0 quiet' \
  -drive "file=$work/disk,format=raw,if=virtio,cache=unsafe" \
  ${source:+-drive "file=$work/source,format=raw,if=virtio,cache=unsafe"} \
  -nic "user,model=virtio-net-pci,restrict=on,hostfwd=tcp:127.0.0.1:$port-:22" \
  -display none -serial "file:$work/console" 2>"$work/qemu" &
machine=$!

inside() {
  ssh -q -i "$work/key" -p "$port" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=30 \
    root@127.0.0.1 "$@"
}
say "booting, within 5 minutes; the console is in $work/console"
deadline=$(($(date +%s) + 300))
until inside true; do
  kill -0 "$machine" 2>/dev/null && [ "$(date +%s)" -lt "$deadline" ] || {
    cat "$work/qemu" "$work/console" >&2
    echo "the machine did not boot" >&2
    exit 1
  }
  sleep 1
done
if [ -n "$source" ]; then
  inside 'mkdir -p /root/kedge && mount /dev/vdb /root/kedge'
else
  tar c dist scripts systemd examples | inside 'mkdir -p /root/kedge && tar x -C /root/kedge'
fi
say "running the command"
inside "cd /root/kedge && export KUBECONFIG=/etc/kedge/admin.kubeconfig && $*"
