/** What a person names: pods, containers and their logs. */
import { test } from 'tap';
import { HostError } from '../../../agent/host/host-error.ts';
import { isOfPod, parseLogDirectory, runsIn } from '../../../agent/inspect/log-files.ts';
import { parsePodName, podsNamed, theContainer, thePod } from '../../../agent/inspect/pod-name.ts';
import { sinceMs, tailLines } from '../../../cli/node/logs.ts';

test('a pod is named with or without its namespace', (t) => {
  for (const [text, namespace, expected] of [
    ['web', undefined, { namespace: undefined, name: 'web' }],
    ['pod/web', 'shop', { namespace: 'shop', name: 'web' }],
    ['shop/web.a-1', undefined, { namespace: 'shop', name: 'web.a-1' }],
    ['shop/web', 'shop', { namespace: 'shop', name: 'web' }],
  ] as const)
    t.strictSame(parsePodName(text, namespace), expected, text);
  for (const [text, namespace] of [
    ['Web'],
    ['a/b/c'],
    [''],
    ['../etc'],
    ['a b'],
    ['shop/web', 'other'],
    ['-web'],
  ] as const)
    t.throws(() => parsePodName(text, namespace), HostError, text);
  t.end();
});

const pods = [
  { namespace: 'a', name: 'web', uid: '1' },
  { namespace: 'b', name: 'web', uid: '2' },
  { namespace: 'b', name: 'db', uid: '4' },
  { namespace: 'b', name: 'db', uid: '3' },
];

test('the pod that is meant is the only one of its name, or the first of those that replaced each other', (t) => {
  t.equal(thePod(pods, parsePodName('db')).uid, '4');
  t.equal(thePod(pods, parsePodName('b/web')).uid, '2');
  t.equal(podsNamed(pods, parsePodName('web')).length, 2);
  t.throws(() => thePod(pods, parsePodName('web')), { message: /several namespaces: name one of a\/web, b\/web/ });
  t.throws(() => thePod(pods, parsePodName('a/db')), { message: /no pod db of namespace a is on this host/ });
  t.end();
});

test('the container that is meant is the one named, or the only one', (t) => {
  t.equal(theContainer('a/web', ['c'], undefined), 'c');
  t.equal(theContainer('a/web', ['c', 'd'], 'd'), 'd');
  t.throws(() => theContainer('a/web', ['c', 'd'], undefined), {
    message: /several containers: choose one with -c: c, d/,
  });
  t.throws(() => theContainer('a/web', ['c'], 'x'), { message: /has no container "x" here: it has c/ });
  t.throws(() => theContainer('a/web', [], undefined), { message: /has no container here yet/ });
  t.end();
});

test('log directories and files are recognized by their names', (t) => {
  const uid = '0e48dd99-7f22-4981-8fef-e41daae16ae7';
  t.strictSame(parseLogDirectory(`shop_web.1_${uid}`), { namespace: 'shop', name: 'web.1', uid });
  for (const entry of ['web', `shop_web`, `shop_web_nothing`, `a_b_c_${uid}`])
    t.equal(parseLogDirectory(entry), undefined);
  t.strictSame(runsIn(['0.log', '10.log', '2.log', '2.log.20260101-000000', 'x.log', '-1.log']), [10, 2, 0]);
  const long = 'w'.repeat(253);
  const cut = 'w'.repeat(255 - 'shop__'.length - uid.length);
  t.ok(isOfPod(`shop_${cut}_${uid}`, cut, long), 'the end of a long name is cut');
  t.notOk(isOfPod(`shop_web_${uid}`, 'web', 'web-1'), 'one name may begin another');
  t.end();
});

test('--tail and --since', (t) => {
  t.equal(tailLines(undefined), undefined);
  t.equal(tailLines('-1'), undefined);
  t.equal(tailLines('0'), 0);
  t.throws(() => tailLines('x'), /--tail must be a number of lines/);
  t.equal(sinceMs('10m', 1_000_000), 400_000);
  t.equal(sinceMs('2026-01-01T00:00:00Z', 0), Date.UTC(2026, 0));
  for (const text of ['yesterday', '-5m', '']) t.throws(() => sinceMs(text, 0), /--since must be/, text);
  t.end();
});
