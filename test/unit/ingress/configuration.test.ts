/** The proxy's configuration: nothing that an Ingress says gets into it but as the value that it is. */
import { test } from 'tap';
import { ANNOTATIONS } from '../../../addons/ingress/annotations/main.ts';
import { newConfiguration, render, configurationWithin } from '../../../addons/ingress/haproxy/configuration.ts';
import { findRefused } from '../../../addons/ingress/haproxy/refused.ts';
import { assignSlots, newSlots } from '../../../addons/ingress/haproxy/slots.ts';
import { quoted, UnsafeTextError } from '../../../addons/ingress/haproxy/text.ts';
import { compile } from '../../../addons/ingress/model/compile.ts';
import { patternProblem } from '../../../addons/ingress/model/pattern.ts';
import { NAMESPACE, pathTo, rule, World } from '../../support/ingress-world.ts';
import type { HTTPIngressPath } from '../../../api/types/networking/v1.gen.ts';

const SETTINGS = {
  ...{ bindAddresses: ['0.0.0.0'], httpPort: 80, httpsPort: 443, maxConnections: 100, drainSeconds: 60 },
  ...{ accessLog: true, defaultCertificate: 'PEM\n' },
};
const modelOf = (world: World) => compile(world, { allowExternalNames: true, refused: new Set() });
const textOf = (world: World): string => {
  const model = modelOf(world);
  const { main, others } = render(model, SETTINGS, newConfiguration(model, SETTINGS), '/run/x', '/run/x.sock');
  return [main, ...[...others].filter(([name]) => name.endsWith('.map')).map(([, content]) => content)].join('\n');
};

/** A generator of the same numbers in each run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
}

const MARK = 'zqzqzq';
/** What would mean something if it got into a line of the configuration, or began one. */
const EVIL = [
  '\n',
  '\r',
  '\0',
  "'",
  '"',
  '\\',
  ' ',
  '#',
  '%',
  '%[',
  ']',
  '{',
  '}',
  '$',
  '(',
  ')',
  ';',
  '\u2028',
  '\u0085',
  ',',
  '|',
  '<<',
];

test('whatever an Ingress says, no line of the configuration begins with it, and every word that has it is quoted', (t) => {
  const next = numbers(42);
  const pick = <T>(from: readonly T[]): T => from[next(from.length)]!;
  let taken = 0;
  for (let round = 0; round < 600; round++) {
    const evil = Array.from({ length: 1 + next(4) }, () => pick(EVIL) + (next(2) ? MARK : '')).join('');
    const annotation = pick(ANNOTATIONS);
    const value = pick([evil, annotation.example + evil, evil + annotation.example, `${annotation.example}${MARK}`]);
    const world = new World();
    world.addService('one', ['10.0.0.1']);
    const host = next(4) === 0 ? `a${evil}.example` : 'a.example';
    const at = next(3) === 0 ? `/${evil}` : '/x(/|$)(.*)';
    const type = pick<HTTPIngressPath['pathType']>(['Exact', 'Prefix', 'ImplementationSpecific']);
    world.addIngress(
      'a',
      { rules: [rule(host, pathTo('one', at, type))] },
      { [annotation.name]: value, 'use-regex': pick(['true', 'false']) },
    );
    world.configMaps.set(`${NAMESPACE}/${annotation.example}`, { data: { [`X-${evil}`]: evil, 'X-Ok': `${MARK}'%"` } });
    const text = textOf(world);
    if (text.includes(MARK)) taken++;
    for (const line of text.split('\n')) {
      const isLine =
        line === '' || /^(global|defaults|frontend|backend|userlist|resolvers| {2}|[\w.*~^_-]|\d)/.test(line);
      if (!isLine || /[\p{Cc}\u2028]/u.test(line)) t.fail(JSON.stringify({ value, line }));
      const bare = line.replaceAll(/'[^']*'/g, '').replaceAll("\\'", '');
      if (line.startsWith('  ') && bare.includes("'"))
        t.fail(`quotes do not match: ${JSON.stringify({ value, line })}`);
      if (
        line.startsWith('  ') &&
        /%\[(?!var|src|dst_port|path|query|req\.hdr|date|ssl_c|be_name|s:|si)/.test(line.replaceAll('%%', ''))
      )
        t.fail(`a format of the user: ${JSON.stringify({ value, line })}`);
    }
  }
  t.ok(taken > 20, `${taken} values were taken`);
  t.end();
});

test('control characters are never quoted', (t) => {
  for (const text of ['a\nb', 'a\0', '\u2028', '\x7f', 'x'.repeat(9_000)])
    t.throws(() => quoted(text), UnsafeTextError);
  t.equal(quoted(`it's`), `'it'\\''s'`);
  t.end();
});

test('regular expressions that may take forever are refused', (t) => {
  for (const pattern of [
    '/(a+)+',
    '/(a*)*',
    '/((a+)b?)+',
    '/(a|b*){2,}',
    '/(?=a)',
    '/(a)\\1',
    '/a b',
    '/(',
    '/(?i)x',
    '/(*F)',
    '/[[:alpha:]]',
    '/\\x00',
    // Exponential or polynomial without a repetition in a repetition.
    '/(a|a)*b',
    '/(a|aa)+b',
    '/(a?){64}',
    `/${'a?'.repeat(30)}${'a'.repeat(30)}`,
    '/.*.*x',
    '/.*a.*b.*c',
    '/\\w+\\w+\\w+!',
    '/[A-Z]*[a-f]*[0-9a]*!',
    '/(.*a){3}',
    '/a{1,1000}a{1,1000}a{1,1000}!',
    // The engine would give up on a long path.
    '/(?:a|b)*',
    '/([^/]+/){0,1000}x',
    '/((ab){0,20}c){0,20}',
    // The rest of a path from each of its places.
    '/.*a[^b]*c',
    '/.*a[^b]*$',
    '/(.*a)([^b]*c)',
    '/(.*a[^b]*c)?x',
    '/.*a(/[^b]*)?c',
    '/(x|.*a[^b]*c)',
  ])
    t.ok(patternProblem(pattern), pattern);
  for (const pattern of [
    '/nginx(/|$)(.*)',
    '/a/(.+)/b/([0-9]+)$',
    '/[^/+*]+x*',
    '/(?:v1|v2)/.*',
    '/\\d+\\.html',
    '/(ab){2}',
    // The next character says where each of these ends.
    '/([^/]+)/([^/]+)/([^/]+)/([^/]+)',
    '/api/(v1|v2|beta)/([a-z]+)(/|$)(.*)',
    '/(foo|bar){0,50}/x',
    '/.*\\.(js|css|png|svg)$',
    '/.*/[0-9]+/x$',
    '/(.*)/([^/]+)/?$',
    '/.*/v[0-9]+(/.*)?',
    '/.*/v[0-9]+(/.*)?$',
    '/.*a[^b]*',
    '/.*a.*',
    '/[a-z]{1,63}\\.[a-z]{1,63}/x?y?z?',
    '/\\d{4}-\\d\\d(-\\d\\d)?/[\\w-]+',
  ])
    t.equal(patternProblem(pattern), undefined, pattern);
  t.end();
});

test('a new ordinary Ingress needs no worker, and one with rules of its own does', (t) => {
  const world = new World();
  world.addService('one', ['10.0.0.1']);
  world.addIngress('a', { rules: [rule('a.example', pathTo('one'))] });
  const now = newConfiguration(modelOf(world), SETTINGS);
  world.addIngress('b', { rules: [rule('b.example', pathTo('one'))] });
  const wanted = configurationWithin(now, modelOf(world), SETTINGS);
  t.equal(wanted?.sections.spares.size, 1);
  t.strictSame(wanted?.sections.slots.get('spare-1')?.addresses[0], '10.0.0.1:8080');
  world.ingresses.length = 0;
  const gone = wanted && configurationWithin(wanted, modelOf(world), SETTINGS);
  t.equal(gone?.sections.spares.size, 0);
  t.strictSame(gone?.maps.hosts, []);
  world.addIngress('c', { rules: [rule('c.example', pathTo('one'))] }, { 'app-root': '/x' });
  t.equal(gone && configurationWithin(gone, modelOf(world), SETTINGS), undefined);
  t.end();
});

test('endpoints stay where they are, and one that has just been left is used last', (t) => {
  let slots = newSlots(['a:1', 'b:1', 'c:1']);
  t.equal(slots.addresses.length, 4);
  slots = assignSlots(slots, ['b:1', 'c:1', 'd:1'])!;
  t.strictSame(slots.addresses, [undefined, 'b:1', 'c:1', 'd:1']);
  slots = assignSlots(slots, ['d:1', 'e:1'])!;
  t.strictSame(slots.addresses, ['e:1', undefined, undefined, 'd:1']);
  slots = assignSlots(slots, ['e:1', 'f:1', 'g:1'])!;
  t.strictSame(slots.addresses, ['e:1', 'f:1', 'g:1', undefined]);
  t.equal(assignSlots(slots, ['1', '2', '3', '4', '5']), undefined);
  t.end();
});

test('those that the proxy refuses are found, whichever they are', async (t) => {
  const keys = Array.from({ length: 100 }, (_, index) => `k${index}`);
  for (const bad of [[], ['k0'], ['k99'], ['k3', 'k4', 'k77']]) {
    let asked = 0;
    const found = await findRefused(keys, async (refused) => {
      asked++;
      return bad.some((key) => !refused.has(key)) ? 'no' : undefined;
    });
    t.strictSame([...found].sort(), bad);
    t.ok(asked <= 1 + bad.length * 10, `${asked} questions`);
  }
  await t.rejects(
    findRefused(keys, async () => 'never'),
    /refuses its configuration: never/,
  );
});

test('the oldest keeps a path, and problems are told of the others', (t) => {
  const world = new World();
  world.addService('one', ['10.0.0.1']);
  world.addIngress('old', { rules: [rule('a.example', pathTo('one', '/x'))] });
  world.addIngress('new', { rules: [rule('a.example', pathTo('none', '/x/'), pathTo('none', '/y'))] });
  world.addIngress('foreign', { ingressClassName: 'other', rules: [rule('b.example', pathTo('one'))] });
  world.addIngress('tls', {
    tls: [{ hosts: ['c.example'], secretName: 'no' }],
    rules: [rule('c.example', pathTo('one'))],
  });
  const { problems, hosts } = modelOf(world);
  t.strictSame(
    problems.map(({ ingress, reason }) => `${ingress.name} ${reason}`),
    ['new PathConflict', 'new ServiceNotFound', 'tls SecretNotFound'],
  );
  t.strictSame(
    hosts.map(({ name }) => name),
    ['a.example', 'c.example'],
  );
  world.classes.push({ metadata: { name: 'nginx' }, spec: { controller: 'k8s.io/ingress-nginx' } });
  t.equal(modelOf(world).served.size, 0, 'class nginx is another controller’s');
  t.end();
});
