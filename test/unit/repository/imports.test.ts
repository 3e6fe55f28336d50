/** Which file may import which. Imports of types count, too: what they name is what a reader has to know. */
import { glob, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'tap';
import ts from 'typescript';

const ROOT = path.join(import.meta.dirname, '../../..');
const CODE = '{api,client,daemon,agent,control-plane,addons,cli,proto,scripts,bench,test}/**/*.{ts,tsx}';

/** The files that each file imports, by their paths in the repository. */
async function readImports(): Promise<Map<string, string[]>> {
  const imports = new Map<string, string[]>();
  for await (const file of glob(CODE, { cwd: ROOT })) {
    const { importedFiles } = ts.preProcessFile(await readFile(path.join(ROOT, file), 'utf8'), true, true);
    const own = importedFiles.map(({ fileName }) => fileName).filter((name) => name.startsWith('.'));
    imports.set(
      file,
      own.map((name) => path.posix.join(path.posix.dirname(file), name)),
    );
  }
  return imports;
}

/** The circles of a graph, each once, as the files on the way round. */
function circlesIn(imports: ReadonlyMap<string, readonly string[]>): string[][] {
  const circles: string[][] = [];
  const left = new Set<string>();
  const way: string[] = [];
  const visit = (file: string): void => {
    const at = way.indexOf(file);
    if (at >= 0) circles.push([...way.slice(at), file]);
    if (at >= 0 || left.has(file)) return;
    way.push(file);
    for (const imported of imports.get(file) ?? []) visit(imported);
    way.pop();
    left.add(file);
  };
  for (const file of imports.keys()) visit(file);
  return circles;
}

test('no file imports itself by way of others', async (t) => {
  const circles = circlesIn(await readImports());
  t.strictSame(
    circles.map((circle) => circle.join(' -> ')),
    [],
  );
});

test('a cycle is found wherever the search starts', (t) => {
  const graph = { a: ['b'], b: ['c', 'd'], c: ['b'], d: [], e: ['a', 'd'] };
  t.strictSame(circlesIn(new Map(Object.entries(graph))), [['b', 'c', 'b']]);
  t.strictSame(circlesIn(new Map(Object.entries(graph).reverse())), [['b', 'c', 'b']]);
  t.end();
});

const APISERVER = 'control-plane/apiserver/';
/**
 * The rooms of the api-server, each of which may import itself and those above it here. Rooms of one line do not import each
 * other. What composes them stands in no room and may import all.
 */
const APISERVER_ROOMS: readonly (readonly string[])[] = [
  ['storage/cache'],
  ['catalogue'],
  ['http'],
  ['audit'],
  ['access'],
  ['fairness'],
  ['admission'],
  ['storage'],
  ['verbs'],
  ['documents', 'nodes', 'bootstrap'],
  ['aggregation'],
];

const isBelow = (file: string, room: string): boolean => file.startsWith(`${APISERVER}${room}/`);

/** Where a file stands in the order; undefined for what composes the rooms. */
function placeOf(file: string): { readonly level: number; readonly room: string } | undefined {
  for (const [level, rooms] of APISERVER_ROOMS.entries()) {
    const room = rooms.find((one) => isBelow(file, one));
    if (room !== undefined) return { level, room };
  }
  return undefined;
}

test('the rooms of the api-server import each other in one direction', async (t) => {
  const found: string[] = [];
  for (const [file, imported] of await readImports()) {
    const from = placeOf(file);
    if (!from) {
      if (/^[^/]+\//.test(file.slice(APISERVER.length)) && file.startsWith(APISERVER))
        found.push(`${file} is in no room`);
      continue;
    }
    for (const other of imported.filter((name) => name.startsWith(APISERVER))) {
      const to = placeOf(other);
      if (!to || to.level > from.level || (to.level === from.level && to.room !== from.room))
        found.push(`${file} imports ${other}`);
    }
  }
  t.strictSame(found, []);
});

test("only the local API writes under the server's own identity, bypassing admission", async (t) => {
  const users: string[] = [];
  for await (const file of glob(`${APISERVER}**/*.ts`, { cwd: ROOT })) {
    if ((await readFile(path.join(ROOT, file), 'utf8')).includes('ownWriteContext')) users.push(file);
  }
  t.strictSame(users.sort(), [`${APISERVER}admission/pipeline.ts`, `${APISERVER}storage/cached-api.ts`]);
});

const CONTROLLERS = 'control-plane/controllers/';
/** What each room of the controllers imports besides itself; other rooms import these two, and none imports another. */
const CONTROLLER_ROOMS: ReadonlyMap<string, readonly string[]> = new Map([
  ['framework', []],
  ['caches', ['framework']],
  [
    'main.ts',
    [
      'accounts',
      'autoscaling',
      'certificates',
      'devices',
      'framework',
      'garbage',
      'network',
      'nodes',
      'quota',
      'storage',
      'workloads',
    ],
  ],
]);
const SHARED_ROOMS = ['framework', 'caches'];

/** What of the controllers a file imports that it may not: rooms, and controllers of its own room. */
function strayImports(file: string, imported: readonly string[], descriptors: ReadonlySet<string>): string[] {
  const roomOf = (name: string): string => name.slice(CONTROLLERS.length).split('/')[0]!;
  const room = roomOf(file);
  const allowed = new Set([room, ...(CONTROLLER_ROOMS.get(room) ?? SHARED_ROOMS)]);
  return imported
    .filter((name) => name.startsWith(CONTROLLERS))
    .filter((name) => !allowed.has(roomOf(name)) || (room !== 'main.ts' && descriptors.has(name)))
    .map((name) => `${file} imports ${name}`);
}

test('the rooms of the controllers import framework and caches, and no controller imports another', async (t) => {
  const imports = await readImports();
  const files = [...imports.keys()].filter((file) => file.startsWith(CONTROLLERS));
  const descriptors = new Set<string>();
  for (const file of files) {
    const text = await readFile(path.join(ROOT, file), 'utf8');
    if (/^export const \w+(: ControllerDescriptor| = .*: ControllerDescriptor =>)/m.test(text)) descriptors.add(file);
  }
  t.ok(descriptors.size >= 18, 'controllers are recognized');
  t.strictSame(
    files.flatMap((file) => strayImports(file, imports.get(file)!, descriptors)),
    [],
  );
  const others = [...imports].filter(([file]) => !file.startsWith(CONTROLLERS) && !file.startsWith('test/'));
  const entered = others.flatMap(([, imported]) => imported.filter((name) => name.startsWith(CONTROLLERS)));
  t.strictSame(
    entered.filter((name) => name !== `${CONTROLLERS}main.ts`),
    [],
    'the rest of the server imports their main.ts only',
  );
});

test('an import between rooms of the controllers, or of a controller, is detected', (t) => {
  const of = (file: string, ...imported: string[]) =>
    strayImports(
      `${CONTROLLERS}${file}`,
      imported.map((name) => CONTROLLERS + name),
      new Set([`${CONTROLLERS}nodes/b.ts`]),
    );
  t.strictSame(of('nodes/a.ts', 'framework/x.ts', 'caches/y.ts', 'nodes/plan.ts'), []);
  t.equal(of('nodes/a.ts', 'nodes/b.ts').length, 1);
  t.equal(of('nodes/a.ts', 'garbage/plan.ts').length, 1);
  t.equal(of('nodes/a.ts', 'main.ts').length, 1);
  t.equal(of('framework/a.ts', 'caches/y.ts').length, 1);
  t.equal(of('caches/a.ts', 'nodes/plan.ts').length, 1);
  t.strictSame(of('main.ts', 'nodes/b.ts', 'framework/runner.ts'), []);
  t.end();
});

/** For areas with a contract and parts that keep it: which files may import which, both below the area. The first match counts. */
const CONTRACTS: ReadonlyMap<string, readonly (readonly [file: RegExp, imports: RegExp])[]> = new Map([
  [
    'control-plane/scheduler/',
    [
      [/^framework\//, /^framework\//],
      [/^plugins\/index\.ts$/, /^(framework|plugins)\//],
      [/^plugins\//, /^framework\//],
      [/^extenders\//, /^(framework|extenders)\//],
      [/^configuration\//, /^((framework|configuration)\/.*|plugins\/index\.ts)$/],
      // What calls the plugins is handed a list of them.
      [/^[^/]+$/, /^([^/]+|(framework|extenders|configuration)\/.*|plugins\/index\.ts)$/],
    ],
  ],
  [
    'addons/ingress/',
    [
      [/^annotations\//, /^annotations\//],
      [/^model\//, /^(model|annotations)\//],
      // Pure, too: what Gateways and routes make of the model.
      [/^gateway\//, /^(gateway|model)\//],
      // Pure: what the configuration is, and what changes in it.
      [
        /^haproxy\/(?!(driver|process|runtime-api|refused)\.ts$)/,
        /^(haproxy\/(?!(driver|process|runtime-api|refused)\.ts$).*|(model|annotations)\/.*)$/,
      ],
      [/^haproxy\//, /^(haproxy|model)\//],
      [/^cluster\//, /^(cluster|model|gateway)\//],
      [/^check\.ts$/, /^(model|annotations)\//],
      [/^main\.ts$/, /./],
      [/^[^/]+$/, /^([^/]+|haproxy\/runtime-api\.ts)$/],
    ],
  ],
  [
    'addons/console/',
    [
      // Pure, and without the browser.
      [/^model\//, /^model\//],
      [/^cluster\//, /^(cluster|model)\//],
      [/^text\//, /^(text\/.*|preferences\.ts)$/],
      [/^views\//, /^((views|cluster|model|text)\/.*|preferences\.ts)$/],
      [/^preferences\.ts$/, /^$/],
      [/^main\.tsx$/, /^views\/app\.tsx$/],
    ],
  ],
  [
    'agent/volumes/',
    [
      [/^framework\//, /^framework\//],
      [/^local\//, /^framework\//],
      [/^written\//, /^(framework|written)\//],
      // What claims lead to; it asks for claims and tokens as they do.
      [/^csi\//, /^((framework|csi)\/.*|claims\/claim-source\.ts|written\/service-account-tokens\.ts)$/],
      [/^nfs\//, /^(framework|nfs)\//],
      [/^claims\//, /^(framework|claims|csi|nfs)\//],
      [/^[^/]+$/, /./],
    ],
  ],
  [
    'agent/network/',
    [
      [/^netfilter\//, /^netfilter\//],
      [/^services\/model\//, /^services\/model\//],
      [/^services\/conntrack\//, /^services\/(conntrack|model)\//],
      [
        /^services\/backends\/proxy-backend\.ts$/,
        /^(services\/(model\/.*|kernel-tuning\.ts)|netfilter\/rule-watch\.ts)$/,
      ],
      [
        /^services\/backends\/proxy-modes\.ts$/,
        /^(services\/backends\/.*|netfilter\/(iptables|netfilter|nft)\.ts|trace\/explanation\.ts)$/,
      ],
      // What backends of several modes have in common.
      [/^services\/backends\/[^/]+$/, /^(netfilter\/.*|services\/(backends\/[^/]+|model\/.*|kernel-tuning\.ts))$/],
      [
        /^services\/backends\/iptables\//,
        /^(netfilter\/.*|services\/(backends\/(iptables\/.*|[^/]+)|model\/.*|kernel-tuning\.ts)|trace\/explanation\.ts)$/,
      ],
      [
        /^services\/backends\/nftables\//,
        /^(netfilter\/.*|services\/(backends\/(nftables\/.*|[^/]+)|model\/.*|kernel-tuning\.ts)|trace\/explanation\.ts)$/,
      ],
      [
        /^services\/backends\/ipvs\//,
        /^(netfilter\/.*|services\/(backends\/(ipvs\/.*|[^/]+)|model\/.*|kernel-tuning\.ts)|trace\/explanation\.ts)$/,
      ],
      [/^services\/health\//, /^services\/(health|model)\//],
      // The proxy knows backends by their contract only; what puts it together, by the list of modes.
      [/^services\/main\.ts$/, /^services\/([^/]+|health\/.*|backends\/proxy-modes?\.ts)$/],
      [
        /^services\/[^/]+$/,
        /^(services\/([^/]+|(model|conntrack|health)\/.*|backends\/proxy-(backend|mode)\.ts)|service-cache\.ts|netfilter\/rule-watch\.ts)$/,
      ],
      [/^connectivity\//, /^(connectivity\/.*|netfilter\/(nft|rule-watch)\.ts)$/],
      [/^dns\//, /^((dns|netfilter)\/.*|service-cache\.ts|services\/model\/service-facts\.ts)$/],
      [/^announcer\/announced-facts\.ts$/, /^$/],
      [/^announcer\//, /^(announcer\/.*|service-cache\.ts)$/],
      // Pure: what is to be in the table.
      [
        /^policy\/(pod-facts|policy-facts|model|compile|frame|table-content)\.ts$/,
        /^policy\/(pod-facts|policy-facts|model|compile|frame|table-content)\.ts$/,
      ],
      [/^policy\/explain\.ts$/, /^(policy\/policy-table|trace\/explanation)\.ts$/],
      [/^policy\//, /^(policy\/.*|netfilter\/(nft|rule-watch)\.ts|service-cache\.ts)$/],
      // Who has rules says what they mean, and a trace is told by the lists of them.
      [/^trace\/explanation\.ts$/, /^(netfilter|services\/model)\//],
      [/^trace\//, /^((trace|netfilter|services\/model)\/.*|policy\/explain\.ts|services\/backends\/proxy-modes\.ts)$/],
      // What rules and DNS are both made of.
      [/^service-cache\.ts$/, /^(announcer\/announced-facts|dns\/dns-facts|services\/model\/service-facts)\.ts$/],
      [/^[^/]+$/, /^([^/]+|connectivity\/.*|netfilter\/(nft|rule-watch)\.ts)$/],
    ],
  ],
]);

/** What a file imports of its area that it may not. */
function contractBreaks(file: string, imported: readonly string[]): string[] {
  for (const [area, rules] of CONTRACTS) {
    if (!file.startsWith(area)) continue;
    const allowed = rules.find(([files]) => files.test(file.slice(area.length)))?.[1];
    if (!allowed) return [`${file} is in no room`];
    const own = imported.filter((name) => name.startsWith(area));
    return own.filter((name) => !allowed.test(name.slice(area.length))).map((name) => `${file} imports ${name}`);
  }
  return [];
}

test('plugins, volume types and proxy modes import their contracts, and are imported by their lists only', async (t) => {
  const imports = await readImports();
  t.strictSame(
    [...imports].flatMap(([file, imported]) => contractBreaks(file, imported)),
    [],
  );
  const files = [...imports.keys()];
  for (const [area, rules] of CONTRACTS)
    for (const [pattern] of rules)
      t.ok(
        files.some((file) => file.startsWith(area) && pattern.test(file.slice(area.length))),
        `${area} has files that match ${pattern.source}`,
      );
});

test('an import that bypasses a contract is detected', (t) => {
  const breaks: readonly (readonly [file: string, imported: string])[] = [
    ['control-plane/scheduler/plugins/a.ts', 'control-plane/scheduler/plugins/b.ts'],
    ['control-plane/scheduler/framework/a.ts', 'control-plane/scheduler/queue.ts'],
    ['control-plane/scheduler/queue.ts', 'control-plane/scheduler/plugins/a.ts'],
    ['agent/volumes/local/a.ts', 'agent/volumes/local/b.ts'],
    ['agent/volumes/framework/a.ts', 'agent/volumes/pod-volumes.ts'],
    ['agent/network/netfilter/a.ts', 'agent/network/services/model/b.ts'],
    ['agent/network/services/family-sync.ts', 'agent/network/services/backends/iptables/b.ts'],
    ['agent/network/services/backends/nftables/a.ts', 'agent/network/services/backends/iptables/b.ts'],
    ['agent/network/services/backends/other/a.ts', 'agent/network/services/model/b.ts'],
  ];
  for (const [file, imported] of breaks) t.equal(contractBreaks(file, [imported]).length, 1, `${file}: ${imported}`);
  t.strictSame(contractBreaks('control-plane/scheduler/plugins/a.ts', ['control-plane/scheduler/framework/b.ts']), []);
  t.strictSame(contractBreaks('agent/main.ts', ['agent/network/services/service-proxy.ts']), []);
  t.end();
});
