/** Several owners of rules in the tables of one host. */
import { glob, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type Test } from 'tap';
import { Netfilter, type NetfilterOwner } from '../../../../agent/network/netfilter/netfilter.ts';
import type { OwnerSpec, RuleUnit } from '../../../../agent/network/netfilter/rules.ts';
import { eventually } from '../../../support/wait.ts';
import { MemoryTables } from '../../../support/memory-tables.ts';

/** An owner with one chain shared by its units, and a jump to it. */
const spec = (name: string, frameRule = '-j RETURN'): OwnerSpec => ({
  name,
  prefix: `${name}-`,
  jumps: [{ table: 'filter', chain: 'FORWARD', rule: `-m comment --comment "jump" -j ${name}-TOP` }],
  frame: (table, shared) =>
    new Map(table === 'filter' ? [[`${name}-TOP`, [...[...shared].map((chain) => `-j ${chain}`), frameRule]]] : []),
});

/** A unit with its own chain, and a rule in a shared chain. */
const unit = (owner: string, name: string, rule = `-s ${name} -j DROP`): RuleUnit => ({
  chains: { nat: new Map(), filter: new Map([[`${owner}-U-${name}`, [rule]]]) },
  shared: [{ table: 'filter', chain: `${owner}-ALL`, rule: `-j ${owner}-U-${name}` }],
});

function makeOwners() {
  const tables = new MemoryTables();
  const netfilter = new Netfilter(tables);
  const [services, policy] = [netfilter.register(spec('SVC')), netfilter.register(spec('POL'))];
  const names = (owner: string): string[] =>
    [...(tables.tables.get('filter')?.keys() ?? [])]
      .filter((chain) => chain.startsWith(`${owner}-U-`))
      .map((chain) => chain.slice(`${owner}-U-`.length))
      .sort();
  return { tables, netfilter, services, policy, names };
}

const unitsOf = (owner: string, ...names: string[]) => new Map(names.map((name) => [name, unit(owner, name)] as const));

test('changes that arrive during a transaction are batched in the next one', async (t) => {
  const { tables, services, policy, names } = makeOwners();
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  tables.gate = gate;
  const first = services.apply(unitsOf('SVC', 'a'));
  await eventually('the first transaction', () => tables.inputs.length === 1);
  const rest = [
    services.apply(unitsOf('SVC', 'b')),
    policy.apply(unitsOf('POL', 'p')),
    services.apply(unitsOf('SVC', 'c')),
    policy.apply(unitsOf('POL', 'q')),
  ];
  open();
  t.equal((await first).wrote, true);
  for (const { wrote, rejected } of await Promise.all(rest)) t.match([wrote, rejected.size], [true, 0]);
  t.same(
    [names('SVC'), names('POL')],
    [
      ['a', 'b', 'c'],
      ['p', 'q'],
    ],
  );
  t.equal(tables.inputs.length, 2);
  t.same(
    tables.rules('filter', 'FORWARD')?.map((rule) => rule.split(' ').at(-1)),
    ['POL-TOP', 'SVC-TOP'],
    'each owner has one jump',
  );
  t.equal((await services.apply(unitsOf('SVC', 'a'))).wrote, false);
  t.equal(tables.inputs.length, 2, 'applied rules are not written again');
});

/** Makes `services` and `policy` apply concurrently. */
async function together(
  services: NetfilterOwner,
  policy: NetfilterOwner,
  ...units: Parameters<NetfilterOwner['apply']>[0][]
) {
  const [mine = new Map(), other = new Map()] = units;
  return Promise.allSettled([services.apply(mine), policy.apply(other)]);
}
const many = (prefix: string): string[] => Array.from({ length: 50 }, (_, index) => `${prefix}${index}`);

test('a rejected unit is left out in few transactions, whoever else has changes', async (t) => {
  const { tables, services, policy, names } = makeOwners();
  tables.rejects = '-s bad -j DROP';
  const changes = [unitsOf('SVC', ...many('s'), 'bad'), unitsOf('POL', ...many('p'))];
  const [mine, other] = await together(services, policy, ...changes);
  t.match(mine, { status: 'fulfilled', value: { wrote: true } });
  t.same(mine.status === 'fulfilled' && [...mine.value.rejected.keys()], ['bad']);
  t.match(other, { status: 'fulfilled', value: { wrote: true, rejected: new Map() } });
  t.same([names('SVC'), names('POL')], [many('s').sort(), many('p').sort()]);
  t.ok(tables.inputs.length <= 2 * Math.ceil(Math.log2(101)) + 2, `${tables.inputs.length} transactions`);
});

test('an owner with rejected base chains fails alone, and is written completely once they are accepted', async (t) => {
  const { tables, services, policy, names } = makeOwners();
  tables.rejects = ':SVC-TOP';
  const [mine, other] = await together(services, policy, unitsOf('SVC', 'a', 'b', 'c'), unitsOf('POL', 'p', 'q'));
  t.match(mine, { status: 'rejected', reason: { name: 'ProgramError' } });
  t.equal(other.status, 'fulfilled');
  t.same([names('SVC'), names('POL')], [[], ['p', 'q']]);

  const [again, next] = await together(services, policy, new Map(), unitsOf('POL', 'r'));
  t.equal(again.status, 'rejected');
  t.equal(next.status, 'fulfilled');
  t.same(names('POL'), ['p', 'q', 'r']);

  tables.rejects = undefined;
  t.equal((await services.apply(new Map([['b', undefined]]))).wrote, true);
  t.same(names('SVC'), ['a', 'c'], 'without what was removed meanwhile');
});

test('a program that cannot be run fails all owners, and nothing is lost', async (t) => {
  const { tables, services, policy, names } = makeOwners();
  await services.apply(unitsOf('SVC', 'a'));
  tables.isBroken = true;
  const settled = await together(services, policy, unitsOf('SVC', 'b'), unitsOf('POL', 'p'));
  t.same(
    settled.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  await t.rejects(services.remove());
  tables.isBroken = false;
  await together(services, policy);
  t.same([names('SVC'), names('POL')], [['a', 'b'], ['p']]);
});

test('an owner that starts again with a rejected unit keeps all others applied meanwhile', async (t) => {
  const { tables, services } = makeOwners();
  await services.apply(unitsOf('SVC', ...many('s')));
  tables.rejects = '-s bad -j DROP';
  tables.inputs.length = 0;
  const next = new Netfilter(tables).register(spec('SVC'));
  const { rejected } = await next.apply(unitsOf('SVC', 'bad', ...many('s')));
  t.same([...rejected.keys()], ['bad']);
  t.equal(tables.inputs.length, 2, 'with it and without it');
  t.same(tables.inputs.join('').match(/^-X .*$/gm), ['-X SVC-U-bad']);
  t.equal((await next.apply(new Map())).wrote, false);
});

test('only the difference is written after another program has changed rules', async (t) => {
  const { tables, services, policy, names } = makeOwners();
  await together(services, policy, unitsOf('SVC', ...many('s')), unitsOf('POL', 'p'));
  tables.tables.get('filter')?.set('FORWARD', []);
  tables.tables.get('filter')?.set('SVC-U-s7', ['-s elsewhere -j ACCEPT']);
  t.same([await services.verify(), await policy.verify()], [false, false]);
  tables.inputs.length = 0;
  await together(services, policy);
  const chains = tables.inputs.join('').match(/^:\S+/gm);
  t.same(chains, [':SVC-U-s7']);
  t.same(tables.rules('filter', 'SVC-U-s7'), ['-s s7 -j DROP']);
  t.same(names('SVC'), many('s').sort());
  t.same([await services.verify(), await policy.verify()], [true, true]);
});

test('an owner removes its own rules only, including those of earlier processes', async (t) => {
  const { tables, services, policy, names } = makeOwners();
  await together(services, policy, unitsOf('SVC', 'a'), unitsOf('POL', 'p'));
  tables.tables.get('filter')?.get('FORWARD')?.push('-s 192.0.2.99 -j DROP', '-j SVC-ALL');
  await new Netfilter(tables).register(spec('SVC')).remove();
  t.same([names('SVC'), names('POL')], [[], ['p']]);
  t.same(tables.rules('filter', 'FORWARD'), ['-m comment --comment "jump" -j POL-TOP', '-s 192.0.2.99 -j DROP']);
});

test('owners with chains that could be confused are rejected', async (t: Test) => {
  const { netfilter } = makeOwners();
  t.throws(() => netfilter.register(spec('SVC')), /SVC-\* of SVC overlap/);
  t.throws(() => netfilter.register({ ...spec('X'), prefix: 'PO' }), /overlap with POL-\* of POL/);
});

test('only agent/network/netfilter runs the programs of netfilter', async (t) => {
  const root = path.join(import.meta.dirname, '../../../..');
  const found = new Set<string>();
  for await (const file of glob('{agent,cli,daemon}/**/*.ts', { cwd: root })) {
    const source = await readFile(path.join(root, file), 'utf8');
    const runsPrograms = /import \{[^}]*\brun\b[^}]*\} from '[^']*host\/run\.ts'/.test(source);
    if (runsPrograms && /['"`](ip6?tables|nft|ipset)(-save|-restore)?['"`]/.test(source)) found.add(path.dirname(file));
  }
  t.same([...found], ['agent/network/netfilter']);
});

/** Two thousand units of three lines each. */
const thousands = (rule?: string) =>
  new Map(
    Array.from({ length: 2_000 }, (_, index) => {
      const name = `u${index}`;
      return [name, unit('SVC', name, rule)] as const;
    }),
  );

test('thousands of units are written in several transactions, each unit whole', async (t) => {
  const { tables, services, names } = makeOwners();
  const half = { units: 0, dangling: 0 };
  const restore = tables.restore.bind(tables);
  tables.restore = async (input: string): Promise<void> => {
    await restore(input);
    if (tables.inputs.length !== 1) return;
    half.units = names('SVC').length;
    for (const name of names('SVC'))
      if (!tables.rules('filter', 'SVC-ALL')?.includes(`-j SVC-U-${name}`)) half.dangling++;
  };
  t.match(await services.apply(thousands()), { wrote: true });
  t.equal(tables.inputs.length, 2);
  t.ok(half.units > 500 && half.units < 2_000, `${half.units} units after the first`);
  t.equal(half.dangling, 0);
  t.equal(names('SVC').length, 2_000);
  t.equal(tables.rules('filter', 'SVC-ALL')?.length, 2_000);
  t.match(await services.apply(thousands()), { wrote: false });

  t.match(await services.apply(thousands('-j ACCEPT')), { wrote: true }, 'all are changed');
  t.equal(names('SVC').length, 2_000);
});

test('rules of an earlier process are replaced in one transaction: none of its units is missing meanwhile', async (t) => {
  const { tables, services } = makeOwners();
  await services.apply(thousands());
  tables.inputs.length = 0;
  const next = new Netfilter(tables).register(spec('SVC'));
  t.match(await next.apply(thousands('-j ACCEPT')), { wrote: true });
  t.equal(tables.inputs.length, 1);
});
