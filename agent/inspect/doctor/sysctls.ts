import { failure, ok, warning, type Finding } from './finding.ts';

export interface SysctlFacts {
  /** By key; undefined for what this kernel does not have. */
  readonly values: ReadonlyMap<string, string | undefined>;
  /** The agent sets what it needs when it starts. */
  readonly agentRuns: boolean;
}

/** Set by the agent, and to be kept. */
const SET: ReadonlyMap<string, string> = new Map([
  ['net.ipv4.ip_forward', '1'],
  ['net.bridge.bridge-nf-call-iptables', '1'],
]);
/** The least that a hundred pods with a watcher each get by with. */
const AT_LEAST: ReadonlyMap<string, number> = new Map([
  ['fs.inotify.max_user_instances', 128],
  ['fs.inotify.max_user_watches', 8192],
  ['kernel.pid_max', 32_768],
]);
const CONNTRACK_FULL = 0.9;

export const SYSCTLS: readonly string[] = [
  ...SET.keys(),
  ...AT_LEAST.keys(),
  'net.netfilter.nf_conntrack_count',
  'net.netfilter.nf_conntrack_max',
];

/** Pure. */
export function judgeSysctls({ values, agentRuns }: SysctlFacts): Finding[] {
  const findings: Finding[] = [];
  for (const [key, wanted] of SET) {
    const value = values.get(key);
    if (value === wanted || !agentRuns) continue;
    const mend = `sysctl -w ${key}=${wanted}, and look for what resets it in /etc/sysctl.conf and /etc/sysctl.d`;
    findings.push(failure(`${key} is ${value ?? 'not there'}`, wanted, mend));
  }
  for (const [key, least] of AT_LEAST) {
    const value = Number(values.get(key) ?? least);
    if (value >= least) continue;
    const mend = `sysctl -w ${key}=${least}, and a line ${key} = ${least} in /etc/sysctl.d/90-kedge.conf`;
    findings.push(warning(`${key} is ${value}`, `${least} or more`, mend));
  }
  const [count, max] = ['count', 'max'].map((name) => Number(values.get(`net.netfilter.nf_conntrack_${name}`) ?? 0));
  if (count !== undefined && max !== undefined && max > 0 && count > max * CONNTRACK_FULL)
    findings.push(
      failure(
        `${count} of ${max} connections are tracked: new ones are dropped when that is full`,
        'room for new connections',
        `sysctl -w net.netfilter.nf_conntrack_max=${max * 2}; conntrack -L shows whose they are`,
      ),
    );
  if (findings.length > 0) return findings;
  return [
    ok(agentRuns ? 'the kernel is set as pods need it' : 'nothing in the way; the agent sets the rest when it starts'),
  ];
}
