/** Why endpoints get no connections, as `kedge proxy show` says it. */
import { test } from 'tap';
import { whyNotUsed } from '../../../../agent/network/services/model/endpoint-use.ts';
import { entryOf, type EndpointShape, type Shape } from '../../../support/service-entries.ts';

const HERE: EndpointShape = { ip: '10.42.0.2' };
const THERE: EndpointShape = { ip: '10.42.1.9', node: 'node-1' };
const having = (endpoint: EndpointShape, conditions: EndpointShape['conditions']): EndpointShape => ({
  ...endpoint,
  conditions,
});
const LOCAL = { internalTrafficPolicy: 'Local', externalTrafficPolicy: 'Local' } as const;

const ROWS: readonly (readonly [name: string, shape: Shape, reasons: readonly (string | undefined)[]])[] = [
  ['both are ready', { endpoints: [HERE, THERE] }, [undefined, undefined]],
  ['one is not ready', { endpoints: [HERE, having(THERE, { ready: false })] }, [undefined, 'it is not ready']],
  [
    'one terminates and serves on',
    { endpoints: [HERE, having(THERE, { ready: false, serving: true, terminating: true })] },
    [undefined, 'it terminates, and others are ready'],
  ],
  [
    'the last one terminates and serves on',
    { endpoints: [having(HERE, { ready: false, serving: true, terminating: true })] },
    [undefined],
  ],
  [
    'the address of one that has ended belongs to one that terminates',
    {
      endpoints: [
        having(HERE, { ready: false, serving: false, terminating: true }),
        having(HERE, { ready: false, serving: true, terminating: true }),
      ],
    },
    [undefined],
  ],
  [
    'the address of one that terminates belongs to one that is ready',
    { endpoints: [having(HERE, { ready: false, serving: false, terminating: true }), HERE] },
    [undefined],
  ],
  [
    'policies are Local',
    { endpoints: [HERE, THERE], spec: LOCAL },
    [undefined, 'it is on another node, and the policies are Local'],
  ],
  [
    'one is for another zone',
    {
      zone: 'a',
      endpoints: [
        { ...HERE, hints: { forZones: [{ name: 'a' }] } },
        { ...THERE, hints: { forZones: [{ name: 'b' }] } },
      ],
    },
    [undefined, 'it is for other nodes or zones'],
  ],
];
for (const [name, shape, reasons] of ROWS)
  test(name, (t) => {
    const entry = entryOf(shape);
    const [port] = entry.ports;
    if (!port) throw new Error('no port');
    t.strictSame(
      port.endpoints.map((endpoint) => whyNotUsed(endpoint, port, entry)),
      reasons,
    );
    t.end();
  });
