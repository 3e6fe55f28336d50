/** Tables of nftables in memory: they accept what nft(8) does, as far as the agent writes it, and list it as nft(8) does. */
import { ProgramError } from '../../agent/host/run.ts';
import { Nft, type NftTable } from '../../agent/network/netfilter/nft.ts';

interface Container {
  readonly kind: 'set' | 'map';
  readonly isDynamic: boolean;
  /** Key -> what follows it. */
  readonly elements: Map<string, string>;
}
interface Table {
  readonly containers: Map<string, Container>;
  readonly chains: Map<string, string[]>;
}

export class MemoryNft extends Nft {
  #tables = new Map<string, Table>();
  /** The inputs, those that were rejected, too. */
  readonly inputs: string[] = [];
  /** Commands with this text are rejected. */
  rejects: string | undefined;
  /** It takes too long with more characters than this. */
  maxInput = Infinity;
  /** The program cannot be run. */
  isBroken = false;

  constructor() {
    super(new AbortController().signal);
  }

  flush(): void {
    this.#tables.clear();
  }

  override async applyCommands(commands: readonly string[]): Promise<void> {
    this.inputs.push(commands.join('\n'));
    this.#access();
    if ((this.inputs.at(-1)?.length ?? 0) > this.maxInput)
      throw new ProgramError('nft', ['-f', '-'], null, 'killed by SIGKILL', '', { wasKilled: true });
    const tables = structuredClone(this.#tables);
    for (const line of commands) execute(tables, line, this.rejects);
    this.#tables = tables;
  }

  override async list({ family, name }: NftTable): Promise<readonly unknown[] | undefined> {
    this.#access();
    const table = this.#tables.get(`${family} ${name}`);
    return table && [...listed(table)];
  }

  #access(): void {
    if (this.isBroken) throw new ProgramError('nft', [], null, 'not found', '');
  }
}

const fail = (line: string): never => {
  throw new ProgramError('nft', ['-f', '-'], 1, 'exit code 1', `Error: Could not process rule: ${line}`);
};

function execute(tables: Map<string, Table>, line: string, rejects: string | undefined): void {
  if (rejects !== undefined && line.includes(rejects)) fail(line);
  const [, verb, kind, family, of, rest = ''] = /^(\w+) (\w+) (\w+) (\S+) ?(.*)$/.exec(line) ?? fail(line);
  const key = `${family} ${of}`;
  if (kind === 'table') {
    if (verb === 'add') tables.set(key, tables.get(key) ?? { containers: new Map(), chains: new Map() });
    else if (!tables.delete(key)) fail(line);
    return;
  }
  const table = tables.get(key) ?? fail(line);
  const [, name = '', body = ''] = /^(\S+) ?(.*)$/.exec(rest) ?? fail(line);
  const isDone =
    kind === 'chain' || kind === 'rule'
      ? onChains(table, `${verb} ${kind}`, name, body)
      : onSets(table, `${verb} ${kind}`, name, body);
  if (!isDone) fail(line);
}

function onChains({ chains }: Table, command: string, name: string, body: string): boolean {
  const rules = chains.get(name);
  if (command === 'add chain') chains.set(name, rules ?? []);
  else if (!rules) return false;
  else if (command === 'flush chain') rules.length = 0;
  else if (command === 'delete chain') chains.delete(name);
  else if (
    command === 'add rule' &&
    [...body.matchAll(/(?:goto|jump) ([\w./-]+)/g)].every(([, to]) => chains.has(to ?? ''))
  )
    rules.push(body);
  else return false;
  return true;
}

function onSets({ containers, chains }: Table, command: string, name: string, body: string): boolean {
  const [verb, kind] = command.split(' ');
  if (verb === 'add' && (kind === 'set' || kind === 'map')) {
    containers.set(name, { kind, isDynamic: body.includes('timeout'), elements: new Map() });
    return true;
  }
  const container = containers.get(name);
  if (!container) return false;
  if (verb === 'delete' && kind === container.kind) return containers.delete(name);
  const entries = body.slice(2, -2).split(', ');
  if (kind !== 'element') return false;
  for (const entry of entries) {
    const [, key = '', tail = ''] = /^(.*?)((?: comment "[^"]*")?(?: : .*)?)$/.exec(entry) ?? [];
    const target = /: goto (\S+)$/.exec(tail)?.[1];
    if (verb === 'delete' ? !container.elements.delete(key) : container.elements.has(key)) return false;
    if (target !== undefined && !chains.has(target)) return false;
    if (verb === 'add') container.elements.set(key, tail);
  }
  return true;
}

function* listed({ containers, chains }: Table): Generator<unknown> {
  for (const [name, { kind, isDynamic, elements }] of containers) {
    const elem = Array.from(elements, ([key, tail]) => {
      const comment = / comment "([^"]*)"/.exec(tail)?.[1];
      const val = concatenated(key);
      const value = / : (.*)$/.exec(tail)?.[1];
      const listedKey = comment === undefined ? val : { elem: { val, comment } };
      return value === undefined ? listedKey : [listedKey, verdict(value)];
    });
    yield { [kind]: { name, elem, ...(isDynamic && { flags: ['timeout'] }) } };
  }
  for (const name of chains.keys()) yield { chain: { name } };
  for (const [chain, rules] of chains)
    for (const rule of rules) yield { rule: { chain, comment: / comment "([^"]*)"$/.exec(rule)?.[1] } };
}

const concatenated = (text: string): unknown => (text.includes(' . ') ? { concat: text.split(' . ') } : text);
function verdict(value: string): unknown {
  if (value.startsWith('goto ')) return { goto: { target: value.slice('goto '.length) } };
  return value === 'drop' ? { drop: null } : concatenated(value);
}
