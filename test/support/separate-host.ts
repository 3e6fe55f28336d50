/**
 * A separate host to install Kedge on with its own scripts, on this machine's kernel: it has its own processes, mounts, network
 * and host name, and its writes to /etc, /opt, /run, /usr/local and /var are private. It ends with everything on it when it is
 * disposed of or the test's process ends.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { glob } from 'node:fs/promises';
import { run, type RunOptions, type RunResult } from '../../agent/host/run.ts';
import { WITHOUT_TAP } from './daemon.ts';

/** The mount point of the package on the host. */
const PACKAGE = '/mnt/package';
const HOME = '/mnt/home';

/**
 * The host's first process: sets up its mounts, prints its process id and waits for the end of its input. It is a shell, which
 * reaps orphaned processes.
 */
const FIRST_PROCESS = `
set -eu
read -r pid rest </proc/self/stat
mount --make-rprivate /
mount -t proc proc /proc
hostname "$1"
# What runs on the machine beside this host is to be able to let go of its mounts; the kernel ends those whose folders are removed meanwhile.
awk '$5 ~ "^/(run|tmp|var)/" { print $5 }' /proc/self/mountinfo | sort -r | while read -r point; do
  umount -l "$point" || ! mountpoint -q "$point"
done
mount -t tmpfs -o mode=755 host /mnt
mkdir ${PACKAGE} ${HOME}
mount --bind "$2" ${PACKAGE}
for folder in etc opt usr/local; do
  mkdir -p "/mnt/changed/$folder" "/mnt/workdir/$folder"
  mount -t overlay -o "lowerdir=/$folder,upperdir=/mnt/changed/$folder,workdir=/mnt/workdir/$folder" overlay "/$folder"
done
for folder in run var; do mount -t tmpfs -o mode=755 host "/$folder"; done
mkdir -p /var/lib /var/log /var/tmp /run/lock
ln -s /run /var/run
rm -rf /etc/kedge /opt/containerd /usr/local/lib/kedge /usr/local/bin/kedge /etc/resolv.conf
echo 'nameserver 127.0.0.1' >/etc/resolv.conf
ip link set lo up
echo "$pid"
cat >/dev/null
exit
`;

/** Lists everything that an installation could leave on the host, one per line. */
const LIST_TRACES = `
set -eu
ps -eo pid=,ppid=,args= | awk -v own="$$" '$1 != own && $2 != own { $1 = $2 = ""; print "process", $0 }'
for folder in /etc/kedge /opt/cni /opt/containerd /run ${HOME} /usr/local /var; do
  [ ! -e "$folder" ] || find "$folder" -printf 'file %p\\n'
done
awk '{ print "mount", $5 }' /proc/self/mountinfo
ip -o link | awk '{ print "link", $2 }'
iptables-save | awk '/^-A/ || /^:[^ ]* -/ { print "rule", $0 }'
for folder in /sys/fs/cgroup/$1 /sys/fs/cgroup/*/$1; do
  [ ! -e "$folder" ] || find "$folder" -mindepth 1 -type d -printf 'cgroup %p\\n'
done
`;

export interface SeparateHostOptions {
  /** The host name; short and unique among concurrent tests: it names cgroups too. */
  readonly name: string;
  /** Address in the hosts' shared network. */
  readonly ip: string;
  /** The folder that a tarball of scripts/package.ts makes; hosts may share it. */
  readonly package: string;
  /** The host whose bridge this one connects to; undefined for the first. */
  readonly hub?: SeparateHost;
}

export class SeparateHost implements AsyncDisposable {
  readonly name: string;
  readonly ip: string;
  readonly #process: ChildProcess;
  readonly #pid: string;

  private constructor({ name, ip }: SeparateHostOptions, process: ChildProcess, pid: string) {
    this.name = name;
    this.ip = ip;
    this.#process = process;
    this.#pid = pid;
  }

  static async create(options: SeparateHostOptions): Promise<SeparateHost> {
    const own = ['--fork', '--kill-child', '--pid', '--mount', '--uts', '--ipc', '--net'];
    const child = spawn('unshare', [...own, 'sh', '-c', FIRST_PROCESS, 'sh', options.name, options.package], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let words = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (words += text));
    const pid = await Promise.race([
      once(child.stdout, 'data').then(([text]) => String(text).trim()),
      once(child, 'exit').then(() => Promise.reject(new Error(`the host ${options.name} did not start: ${words}`))),
    ]);
    const host = new SeparateHost(options, child, pid);
    await host.#plugIn(options.hub);
    return host;
  }

  /** Runs `ip` in this host's network namespace. */
  #ip(...args: string[]): Promise<RunResult> {
    return run('nsenter', ['--target', this.#pid, '--net', 'ip', ...args]);
  }

  async #plugIn(hub: SeparateHost | undefined): Promise<void> {
    const device = hub ? 'eth0' : 'lan0';
    if (hub) {
      const port = `to-${this.ip.split('.').at(-1)}`;
      await hub.#ip('link', 'add', port, 'type', 'veth', 'peer', 'name', device, 'netns', this.#pid);
      await hub.#ip('link', 'set', port, 'master', 'lan0', 'up');
    } else await this.#ip('link', 'add', device, 'type', 'bridge');
    await this.#ip('address', 'add', `${this.ip}/24`, 'dev', device);
    await this.#ip('link', 'set', device, 'up');
    await this.#ip('route', 'add', 'default', ...(hub ? ['via', hub.ip] : ['dev', device]));
  }

  get cgroupRoot(): string {
    return `kedge-test/${this.name}`;
  }

  /** Runs a program on the host. */
  run(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const [env, ...without] = WITHOUT_TAP;
    const inside = ['--target', this.#pid, '--mount', '--uts', '--ipc', '--net', '--pid', '--wd=/'];
    const settings = [`HOME=${HOME}`, `KEDGE_CGROUP_ROOT=${this.cgroupRoot}`];
    return run('nsenter', [...inside, env, ...without, ...settings, program, ...args], {
      timeoutMs: 120_000,
      ...options,
    });
  }

  /** Runs one of Kedge's scripts. */
  script(name: string, ...args: string[]): Promise<RunResult> {
    return this.run(`${PACKAGE}/scripts/${name}`, args);
  }

  /** Output of kubectl with the administrator's kubeconfig of this host's cluster. */
  async kubectl(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const settings = ['--kubeconfig=/etc/kedge/admin.kubeconfig', '--cache-dir=/mnt/cache'];
    return (await this.run('kubectl', [...settings, ...args], options)).stdout;
  }

  /** The host's processes, installed files, mounts, links, rules and cgroups. */
  async traces(): Promise<string[]> {
    const { stdout } = await this.run('sh', ['-c', LIST_TRACES, 'sh', this.cgroupRoot]);
    return stdout.trim().split('\n').sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { exitCode, signalCode } = this.#process;
    if (exitCode === null && signalCode === null) {
      const ended = once(this.#process, 'exit');
      this.#process.stdin?.end();
      await ended;
    }
    for await (const cgroup of glob(`/sys/fs/cgroup/{,*/}${this.cgroupRoot}`))
      await run('find', [cgroup, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', '+']);
  }
}
