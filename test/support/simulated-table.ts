/** A table of policies without a kernel: takes the commands of nft(8) that the agent writes, and judges connections by its rules. */
import type { SetContent, TableContent } from '../../agent/network/policy/table-content.ts';
import { IpAddress } from '../../api/domain/address.ts';

export interface Connection {
  readonly from: string;
  readonly to: string;
  readonly protocol: 'tcp' | 'udp' | 'sctp' | 'icmp';
  /** 0: the protocol has no ports. */
  readonly port: number;
}

const NAME = 'inet kedge-policy';
const COMMAND = new RegExp(`^(add|delete|flush) (set|chain|rule|element) ${NAME} (\\S+) ?(.*)$`);

export class SimulatedTable {
  readonly sets = new Map<string, { type: string; isInterval: boolean; elements: Set<string> }>();
  readonly chains = new Map<string, string[]>();
  readonly verdicts = new Map<string, Map<string, string>>(
    ['ingress-v4', 'ingress-v6', 'egress-v4', 'egress-v6'].map((name) => [name, new Map()]),
  );

  get content(): TableContent {
    const verdicts = new Map([...this.verdicts].filter(([, map]) => map.size > 0));
    return { sets: this.sets, chains: this.chains, verdicts };
  }

  /** Throws for what the kernel rejects: names that are not there, or are still in use. */
  run(commands: string): void {
    for (const line of commands.split('\n').filter((text) => text !== '')) {
      const [, verb = '', what = '', name = '', rest = ''] = COMMAND.exec(line) ?? [];
      const known: Readonly<Record<string, () => void>> = {
        'add set': () => this.#addSet(name, rest),
        'delete set': () => this.#drop(this.sets, name, `@${name}`),
        'add chain': () => void this.chains.set(name, []),
        'add rule': () => void this.#chain(name).push(rest),
        'flush chain': () => void (this.#chain(name).length = 0),
        'delete chain': () => this.#drop(this.chains, name, `jump ${name}`),
        'add element': () => this.#elements(name, rest, true),
        'delete element': () => this.#elements(name, rest, false),
      };
      const command = known[`${verb} ${what}`];
      if (!command) throw new Error(`syntax error: ${line}`);
      command();
    }
  }

  #addSet(name: string, declared: string): void {
    const type = /type ([^;]+);/.exec(declared)?.[1];
    if (type === undefined) throw new Error(`no type: ${declared}`);
    this.sets.set(name, { type, isInterval: declared.includes('flags interval'), elements: new Set() });
  }

  #chain(name: string): string[] {
    const chain = this.chains.get(name);
    if (!chain) throw new Error(`no chain ${name}`);
    return chain;
  }

  #drop(from: Map<string, unknown>, name: string, reference: string): void {
    const rules = [...this.chains.values()].flat();
    const jumps = [...this.verdicts.values()].flatMap((map) => [...map.values()].map((chain) => `jump ${chain}`));
    if ([...rules, ...jumps].some((text) => `${text} `.includes(`${reference} `))) throw new Error(`${name} is in use`);
    if (!from.delete(name)) throw new Error(`no ${name}`);
  }

  #elements(name: string, braced: string, isAdded: boolean): void {
    const elements = braced.slice(2, -2).split(', ');
    const map = this.verdicts.get(name);
    const set = this.sets.get(name)?.elements;
    if (!map && !set) throw new Error(`no set ${name}`);
    for (const element of elements) {
      const [key = '', chain] = element.split(' : jump ');
      const target = (map ?? set)!;
      if (target.has(key) === isAdded) throw new Error(`${key} in ${name}: ${isAdded ? 'is there' : 'is not there'}`);
      if (!isAdded) target.delete(key);
      else if (map) {
        this.#chain(chain ?? '');
        map.set(key, chain ?? '');
      } else set!.add(key);
    }
  }
}

const valueOf = (text: string): bigint => (/^\d+$/.test(text) ? BigInt(text) : IpAddress.parse(text)!.value);

function isIn({ elements, isInterval }: SetContent, wanted: string): boolean {
  if (!isInterval) return elements.has(wanted);
  const value = valueOf(wanted);
  return [...elements].some((element) => {
    const [first = '', last = first] = element.split('-');
    return valueOf(first) <= value && value <= valueOf(last);
  });
}

/** Whether a connection of pods passes the table, as `frame.ts` leads it there. */
export function isAllowed({ sets, chains, verdicts }: TableContent, connection: Connection): boolean {
  const { from, to } = connection;
  const version = from.includes(':') ? 'v6' : 'v4';
  const self = sets.get(`self-${version}`);
  if (self && isIn(self, `${from} . ${to}`)) return true;
  const judges = [verdicts.get(`egress-${version}`)?.get(from), verdicts.get(`ingress-${version}`)?.get(to)];
  return judges.every((chain) => chain === undefined || judge(chains.get(chain)!, sets, connection));
}

function judge(rules: readonly string[], sets: TableContent['sets'], connection: Connection): boolean {
  for (const rule of rules) {
    const [, matches = '', verdict] = /^(.*?)(return|drop) comment "[^"]*"$/.exec(rule) ?? [];
    if (verdict === undefined) throw new Error(`no rule: ${rule}`);
    if (isMatched(matches, sets, connection)) return verdict === 'return';
  }
  throw new Error('a chain without an end');
}

function isMatched(matches: string, sets: TableContent['sets'], { from, to, protocol, port }: Connection): boolean {
  const version = from.includes(':') ? 'ip6' : 'ip';
  const values: Readonly<Record<string, string | undefined>> = {
    [`ct original ${version} saddr`]: from,
    [`ct reply ${version} saddr`]: to,
    'meta l4proto': protocol,
    'ct reply proto-src': port === 0 ? undefined : String(port),
  };
  const one = /(ct original ip6? saddr|ct reply ip6? saddr|meta l4proto|ct reply proto-src) (\S+) ?/y;
  while (one.lastIndex < matches.length) {
    const [, what = '', wanted = ''] = one.exec(matches) ?? [];
    if (what === '') throw new Error(`no match: ${matches}`);
    const value = values[what];
    if (value === undefined) return false;
    const [first = '', last] = wanted.split('-');
    const isMet = wanted.startsWith('@')
      ? isIn(sets.get(wanted.slice(1))!, value)
      : last !== undefined && /^\d/.test(wanted)
        ? Number(first) <= Number(value) && Number(value) <= Number(last)
        : wanted === value;
    if (!isMet) return false;
  }
  return true;
}
