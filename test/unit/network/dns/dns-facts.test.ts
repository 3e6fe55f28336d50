/** What DNS has of Services and EndpointSlices, whatever whoever makes them says. */
import { test } from 'tap';
import { dnsFacts, dnsService } from '../../../../agent/network/dns/dns-facts.ts';
import { sliceFacts } from '../../../../agent/network/services/model/service-facts.ts';

test('a Service that is a name which no message can have has no records', async (t) => {
  for (const [externalName, wanted] of [
    ['mx.example.com', 'mx.example.com'],
    ['mx.example.com.', 'mx.example.com.'],
    [`${'a'.repeat(63)}.example`, `${'a'.repeat(63)}.example`],
    [`${'a'.repeat(64)}.example`, undefined],
    [`${'a'.repeat(200)}.example`, undefined],
    ['a..example', undefined],
    [`${'a.'.repeat(126)}bc`, undefined],
  ] as const) {
    const facts = dnsFacts({ metadata: { namespace: 'n', name: 's' }, spec: { type: 'ExternalName', externalName } });
    t.equal(dnsService(facts, [])?.externalName, wanted, externalName);
  }
});

test('endpoints of a slice share its ports', async (t) => {
  const facts = dnsFacts({ metadata: { namespace: 'n', name: 's' }, spec: { clusterIP: 'None' } });
  const slice = sliceFacts(
    {
      metadata: { namespace: 'n', name: 'slice', labels: { 'kubernetes.io/service-name': 's' } },
      addressType: 'IPv4',
      ports: Array.from({ length: 20_000 }, (_, port) => ({ name: `p${port}`, port: port + 1, protocol: 'TCP' })),
      endpoints: ['10.42.0.1', '10.42.0.2', '10.42.0.3'].map((address, index) => ({
        addresses: [address],
        conditions: { ready: index !== 1 },
      })),
    },
    'node',
  );
  const { endpoints = [] } = dnsService(facts, [slice]) ?? {};
  t.strictSame(
    endpoints.map(({ address }) => address),
    ['10.42.0.1', '10.42.0.3'],
  );
  t.equal(endpoints[0]?.ports, endpoints[1]?.ports);
  t.equal(endpoints[0]?.ports.length, 20_000);
});
