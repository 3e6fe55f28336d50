import { failure, ok, warning, type Finding } from './finding.ts';

export interface CgroupFacts {
  /** Undefined when none is mounted. */
  readonly version: 1 | 2 | undefined;
  /** Those that the kernel offers at the root. */
  readonly controllers: readonly string[];
  /** That of the runtime; undefined when it does not say. */
  readonly driver?: 'systemd' | 'cgroupfs';
  readonly isSystemd: boolean;
}

const NEEDED = ['cpu', 'memory', 'pids'];

/** Pure. */
export function judgeCgroups({ version, controllers, driver, isSystemd }: CgroupFacts): Finding[] {
  if (version === undefined)
    return [
      failure('no cgroup tree is mounted', 'cgroup v2 at /sys/fs/cgroup', 'mount -t cgroup2 none /sys/fs/cgroup'),
    ];
  const missing = NEEDED.filter((name) => !controllers.includes(name));
  if (missing.length > 0)
    return [
      failure(
        `cgroup v${version} without the controllers ${missing.join(', ')}`,
        NEEDED.join(', '),
        missing.includes('memory')
          ? 'add cgroup_enable=memory to the command line of the kernel (GRUB_CMDLINE_LINUX), and reboot'
          : 'enable them in the kernel, and let no cgroup_disable= switch them off',
      ),
    ];
  const found = `cgroup v${version} with ${NEEDED.join(', ')}${driver ? `, driver ${driver}` : ''}`;
  if (version === 2 && isSystemd && driver === 'cgroupfs')
    return [
      warning(
        found,
        'driver systemd where systemd owns the tree: two managers of one tree move processes out of their limits',
        'set SystemdCgroup = true in the configuration of containerd, and restart containerd and the agent',
      ),
    ];
  return [ok(found)];
}
