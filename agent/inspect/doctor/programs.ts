import { failure, ok, warning, type Finding } from './finding.ts';

export interface ProgramFacts {
  /** The programs that were found on the PATH. */
  readonly present: ReadonlySet<string>;
  readonly proxyMode: string;
  readonly serviceProxy: boolean;
}

/** Program, Debian's package, what for. */
const NEEDED: readonly (readonly [string, string, string])[] = [
  ['containerd', 'containerd', 'containers'],
  ['runc', 'runc', 'containers'],
  ['ip', 'iproute2', 'links and routes'],
  ['iptables', 'iptables', 'Services and DNS'],
];
const USEFUL: readonly (readonly [string, string, string])[] = [
  ['nft', 'nftables', 'proxy mode nftables, NetworkPolicies and kedge trace'],
  ['conntrack', 'conntrack', 'ending connections to endpoints that are gone'],
  ['arping', 'iputils-arping', 'addresses of load balancers'],
];
const OF_IPVS = ['ipvsadm', 'ipvsadm', 'proxy mode ipvs'] as const;

export const PROGRAMS: readonly string[] = [...NEEDED, ...USEFUL, OF_IPVS].map(([program]) => program);

/** Pure. */
export function judgePrograms({ present, proxyMode, serviceProxy }: ProgramFacts): Finding[] {
  const isMissing = ([program]: readonly [string, string, string]): boolean => !present.has(program);
  const needed = serviceProxy && proxyMode === 'ipvs' ? [...NEEDED, OF_IPVS] : NEEDED;
  const words = ([program, name, what]: readonly [string, string, string]) =>
    [`there is no ${program}`, `${program}, for ${what}`, `apt-get install ${name}`] as const;
  const findings = [
    ...needed.filter(isMissing).map((one) => failure(...words(one))),
    ...USEFUL.filter(isMissing).map((one) => warning(...words(one))),
  ];
  return findings.length > 0 ? findings : [ok([...present].sort().join(', '))];
}
