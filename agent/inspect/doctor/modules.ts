import { failure, ok, warning, type Finding } from './finding.ts';

/** `present`: loaded or built in; `loadable`: on disk; `unknown`: this kernel does not say what is built into it. */
export type ModuleState = 'present' | 'loadable' | 'missing' | 'unknown';

export interface ModuleFacts {
  readonly modules: ReadonlyMap<string, ModuleState>;
}

/** What a node cannot do without each. */
export const NEEDED_MODULES: ReadonlyMap<string, string> = new Map([
  ['overlay', 'file systems of containers'],
  ['bridge', 'the network of pods'],
  ['veth', 'the network of pods'],
  ['br_netfilter', 'Services between pods of one node'],
  ['nf_conntrack', 'Services'],
  ['nf_nat', 'Services'],
]);
/** And what it can do without, with what is missing then. */
export const USEFUL_MODULES: ReadonlyMap<string, string> = new Map([
  ['nf_tables', 'proxy mode nftables and NetworkPolicies'],
  ['vxlan', 'pods of nodes on other networks'],
]);

/** Pure. */
export function judgeModules({ modules }: ModuleFacts): Finding[] {
  const missing = (of: ReadonlyMap<string, string>): [string, string][] =>
    [...of].filter(([name]) => modules.get(name) === 'missing');
  const mend = (name: string): string =>
    `modprobe ${name}; where there is no such module, install the distribution's full kernel (linux-image-amd64, linux-modules-extra)`;
  const findings = [
    ...missing(NEEDED_MODULES).map(([name, what]) =>
      failure(`the kernel has no ${name}`, `${name}, for ${what}`, mend(name)),
    ),
    ...missing(USEFUL_MODULES).map(([name, what]) =>
      warning(`the kernel has no ${name}`, `${name}, for ${what}`, mend(name)),
    ),
  ];
  if (findings.length > 0) return findings;
  const unknown = [...modules].filter(([, state]) => state === 'unknown').map(([name]) => name);
  const all = [...modules].filter(([, state]) => state !== 'unknown').map(([name]) => name);
  return [ok(`there are ${all.join(', ')}${unknown.length > 0 ? `; not known: ${unknown.join(', ')}` : ''}`)];
}
