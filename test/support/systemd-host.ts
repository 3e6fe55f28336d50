/**
 * A host whose first process is systemd, on this machine's kernel: with processes, mounts, network, host name and cgroups of its own.
 * Its /etc, /usr/local, /run and /var are private, and empty of units but those that a test brings. It has no controllers of cgroups,
 * so that it runs no pods. It ends with everything on it when it is disposed of or the test's process ends.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { run, type RunOptions, type RunResult } from '../../agent/host/run.ts';
import { WITHOUT_TAP } from './daemon.ts';
import { eventually } from './wait.ts';

/** Without these, a systemd in a namespace manages what is the machine's. */
const MASKED = [
  ...[
    'systemd-udevd',
    'systemd-udev-trigger',
    'systemd-logind',
    'systemd-timesyncd',
    'systemd-sysctl',
    'systemd-networkd',
  ],
  ...['systemd-modules-load', 'systemd-update-utmp', 'systemd-binfmt', 'systemd-remount-fs', 'systemd-random-seed'],
  ...[
    'systemd-pcrphase',
    'systemd-pcrphase-sysinit',
    'systemd-sysusers',
    'systemd-tmpfiles-setup',
    'systemd-tmpfiles-setup-dev',
  ],
].map((name) => `${name}.service`);
const MASKED_MOUNTS = [
  ...['dev-hugepages.mount', 'dev-mqueue.mount', 'sys-fs-fuse-connections.mount', 'sys-kernel-debug.mount'],
  ...['sys-kernel-tracing.mount', 'sys-kernel-config.mount', 'proc-sys-fs-binfmt_misc.automount'],
];
/** Where the host has the folder that it is made with. */
export const FOLDER = '/mnt/folder';
const TARGET = 'test.target';

/** systemd, with a cgroup of its own: the only one that it can see. */
const FIRST_PROCESS = `
set -eu
read -r pid rest </proc/self/stat
mount --make-rprivate /
mount -t proc proc /proc
hostname "$1"
awk '$5 ~ "^/(run|tmp|var|sys/fs/cgroup)/" { print $5 }' /proc/self/mountinfo | sort -r | while read -r point; do
  umount -l "$point" || ! mountpoint -q "$point"
done
umount -l /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs -o mode=755 host /mnt
mkdir ${FOLDER}
mount --bind "$2" ${FOLDER}
for folder in etc usr/local; do
  mkdir -p "/mnt/changed/$folder" "/mnt/workdir/$folder"
  mount -t overlay -o "lowerdir=/$folder,upperdir=/mnt/changed/$folder,workdir=/mnt/workdir/$folder" overlay "/$folder"
done
for folder in run tmp var; do mount -t tmpfs -o mode=755 host "/$folder"; done
chmod 1777 /tmp
mkdir -p /var/lib /var/log /var/tmp /run/lock
ln -s /run /var/run
rm -rf /etc/kedge /usr/local/lib/kedge* /usr/local/bin/kedge /etc/systemd/system
mkdir -p /etc/systemd/system
for unit in ${[...MASKED, ...MASKED_MOUNTS].join(' ')}; do ln -s /dev/null "/etc/systemd/system/$unit"; done
printf '[Unit]\\nRequires=sysinit.target dbus.socket\\nAfter=sysinit.target dbus.socket\\n' >/etc/systemd/system/${TARGET}
ip link set lo up
echo "$pid"
exec env -i PATH="$PATH" container=test /lib/systemd/systemd --system --unit=${TARGET} --show-status=no >/dev/null 2>&1 </dev/null
`;

/** Ends the host with the end of its input, however the test's process ends; then removes its cgroups. */
const KEEPER = `
set -eu
cgroups=$(awk '$(NF-2) == "cgroup2" { print $5; exit }' /proc/self/mountinfo)
[ -n "$cgroups" ] || { echo "this machine has no cgroup v2" >&2; exit 1; }
own=$cgroups/$1
mkdir -p "$own"
sh -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$own" unshare --fork --kill-child --pid --mount --uts --ipc --net --cgroup sh -c "$2" sh "$1" "$3" </dev/null &
host=$!
cat >/dev/null
kill -9 "$host" 2>/dev/null || true
wait "$host" || true
for attempt in $(seq 100); do
  find "$own" -depth -type d -exec rmdir {} + 2>/dev/null && exit
  sleep 0.1
done
echo "cgroups are left in $own" >&2
exit 1
`;

/** Whether systemd and cgroup v2 are there to make one. */
export async function canRunSystemd(): Promise<boolean> {
  const { stdout } = await run('sh', [
    '-c',
    '[ -x /lib/systemd/systemd ] && grep -c " - cgroup2 " /proc/self/mountinfo || true',
  ]);
  return Number(stdout) > 0;
}

export class SystemdHost implements AsyncDisposable {
  readonly name: string;
  readonly #process: ChildProcess;
  readonly #pid: string;

  private constructor(name: string, process: ChildProcess, pid: string) {
    this.name = name;
    this.#process = process;
    this.#pid = pid;
  }

  /**
   * @param name the host name; short and unique among concurrent tests: it names the cgroup, too
   * @param folder what the host has at FOLDER
   */
  static async create(name: string, folder: string): Promise<SystemdHost> {
    const child = spawn('sh', ['-c', KEEPER, 'sh', name, FIRST_PROCESS, folder], { stdio: ['pipe', 'pipe', 'pipe'] });
    let words = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (words += text));
    const pid = await Promise.race([
      once(child.stdout, 'data').then(([text]) => String(text).trim()),
      once(child, 'exit').then(() => Promise.reject(new Error(`the host ${name} did not start: ${words}`))),
    ]);
    const host = new SystemdHost(name, child, pid);
    await eventually('systemd to be up', async () => {
      const state = await host.run('systemctl', ['is-system-running']).catch((error: Error) => error);
      return !(state instanceof Error) || /degraded/.test(String(await host.state()));
    });
    return host;
  }

  /** `running`, `degraded`, `starting`, ... */
  async state(): Promise<string> {
    return (await this.run('sh', ['-c', 'systemctl is-system-running || true'])).stdout.trim();
  }

  /** Runs a program on the host. */
  run(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const [env, ...without] = WITHOUT_TAP;
    const inside = ['--target', this.#pid, '--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup', '--wd=/'];
    return run('nsenter', [...inside, env, ...without, program, ...args], { timeoutMs: 60_000, ...options });
  }

  /** A shell script, with its arguments. */
  async sh(script: string, ...args: string[]): Promise<string> {
    return (await this.run('sh', ['-euc', script, 'sh', ...args])).stdout;
  }

  /** A property of a unit, as `systemctl show` prints it. */
  async property(unit: string, name: string): Promise<string> {
    return (await this.run('systemctl', ['show', unit, '--property', name, '--value'])).stdout.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.stdin?.end();
    await ended;
  }
}
