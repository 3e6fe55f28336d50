/** Which endpoints a node leads connections to, by what slices say of whom they are for. */
import t from 'tap';
import { entryOf, type EndpointShape, type Shape } from '../../../support/service-entries.ts';

/** Of the node that all tests look from, `node-0` in zone `a` unless another is said. */
const clusterOf = (endpoints: readonly EndpointShape[], shape: Shape = { zone: 'a' }): (string | undefined)[] => {
  const [port] = entryOf({ ...shape, endpoints }).ports;
  return port!.cluster.map(({ ip }) => ip.text.split('.').at(-1));
};

const endpoint = (
  last: number,
  { node, zone, ...rest }: { node?: string; zone?: string; conditions?: EndpointShape['conditions'] },
): EndpointShape => ({
  ...rest,
  ip: `10.42.0.${last}`,
  node: node ?? `node-${last}`,
  hints: {
    ...(node !== undefined && { forNodes: [{ name: node }] }),
    ...(zone !== undefined && { forZones: [{ name: zone }] }),
  },
});
const NOT_READY = { ready: false, serving: false };
const TERMINATING = { ready: false, serving: true, terminating: true };

const rows: readonly (readonly [
  name: string,
  endpoints: readonly EndpointShape[],
  wanted: readonly string[],
  shape?: Shape,
])[] = [
  ['without hints, all', [{ ip: '10.42.0.1' }, { ip: '10.42.0.2' }], ['1', '2']],
  [
    'those of the zone',
    [endpoint(1, { zone: 'a' }), endpoint(2, { zone: 'b' }), endpoint(3, { zone: 'a' })],
    ['1', '3'],
  ],
  ['all, where none is of the zone', [endpoint(1, { zone: 'b' }), endpoint(2, { zone: 'c' })], ['1', '2']],
  ['all, where one has no hint', [endpoint(1, { zone: 'a' }), endpoint(2, {})], ['1', '2']],
  ['all, on a node of no zone', [endpoint(1, { zone: 'a' }), endpoint(2, { zone: 'b' })], ['1', '2'], {}],
  [
    'those of the node before those of the zone',
    [endpoint(1, { node: 'node-0', zone: 'a' }), endpoint(2, { node: 'node-1', zone: 'a' })],
    ['1'],
  ],
  [
    'those of the zone, where none is of the node',
    [endpoint(1, { node: 'node-1', zone: 'a' }), endpoint(2, { node: 'node-2', zone: 'b' })],
    ['1'],
  ],
  [
    'one that is not ready has no say',
    [endpoint(1, { zone: 'a' }), endpoint(2, { conditions: NOT_READY }), endpoint(3, { zone: 'b' })],
    ['1'],
  ],
  [
    'of the zone and not ready: all others',
    [endpoint(1, { zone: 'a', conditions: NOT_READY }), endpoint(2, { zone: 'b' })],
    ['2'],
  ],
  [
    'those that terminate, wherever they are, where none is ready',
    [endpoint(1, { zone: 'a', conditions: TERMINATING }), endpoint(2, { zone: 'b', conditions: TERMINATING })],
    ['1', '2'],
  ],
];
for (const [name, endpoints, wanted, shape] of rows)
  t.test(name, (t) => {
    t.same(clusterOf(endpoints, shape), wanted);
    t.end();
  });

t.test('a Local policy knows no zones', (t) => {
  const endpoints = [endpoint(1, { node: 'node-0', zone: 'b' }), endpoint(2, { node: 'node-1', zone: 'a' })];
  const [port] = entryOf({ zone: 'a', endpoints }).ports;
  t.same(
    port!.local.map(({ ip }) => ip.text),
    ['10.42.0.1'],
  );
  t.end();
});
