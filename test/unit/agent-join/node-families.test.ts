import { test } from 'tap';
import { clusterRanges, overlaps, parseClusterRanges } from '../../../api/domain/cluster-ranges.ts';
import { listenAddress, networkOfHost, nodeAddresses } from '../../../agent/join/node-families.ts';

const [V4, V6] = ['10.42.0.0/16', 'fd00:42::/56'];

test('ranges of a cluster are one, or one of each family', (t) => {
  for (const text of [V4, V6, `${V4},${V6}`, `${V6},${V4}`])
    t.equal(
      parseClusterRanges(text)
        ?.map((range) => range.text)
        .join(),
      text,
    );
  for (const text of ['', 'x', `${V4},`, `${V4},${V4}`, `${V4},10.43.0.0/16`, `${V4},${V6},${V6}`, `${V4} ${V6}`]) {
    t.equal(parseClusterRanges(text), undefined, text);
    t.throws(() => clusterRanges(text), RangeError);
  }
  const table: [string, string, boolean][] = [
    [`${V4},${V6}`, '10.43.0.0/16,fd00:43::/112', false],
    [`${V4},${V6}`, '10.43.0.0/16,fd00:42:0:ff::/112', true],
    [`${V4},${V6}`, `fd00::/16,10.43.0.0/16`, true],
    [V4, V6, false],
  ];
  for (const [some, others, is] of table) t.equal(overlaps(clusterRanges(some), clusterRanges(others)), is);
  t.end();
});

test("a node's addresses are in the order of the cluster's families, and of no others", (t) => {
  const both = ['10.0.0.1', 'fd00::1'];
  const table: [string, readonly string[], readonly string[]][] = [
    [V4, both, ['10.0.0.1']],
    [V6, both, ['fd00::1']],
    [`${V4},${V6}`, both, both],
    [`${V6},${V4}`, both, both.toReversed()],
    [`${V4},${V6}`, both.toReversed(), both],
    [`${V6},${V4}`, ['10.0.0.1'], ['10.0.0.1']],
  ];
  for (const [ranges, addresses, wanted] of table)
    t.strictSame(nodeAddresses(addresses, clusterRanges(ranges)), wanted, `${ranges} ${addresses.join()}`);
  t.throws(() => nodeAddresses(['10.0.0.1'], clusterRanges(V6)), {
    name: 'HostError',
    message: "this host has no address of IPv6, as the cluster's pods have: give it one, or set --node-ip to it",
  });
  t.end();
});

test('a host without IPv6 takes part in a dual-stack cluster with IPv4', (t) => {
  const warnings: string[] = [];
  const quiet = () => undefined;
  const warn = (_: object, message: string): void => void warnings.push(message);
  const logger = { debug: quiet, info: quiet, warn, error: quiet };
  const network = (pods: string) => ({
    podRanges: clusterRanges(pods),
    serviceRanges: clusterRanges('fd00:43::/112,10.43.0.0/16'),
    dns: { servers: ['10.43.0.10'], domain: 'cluster.local' },
  });
  const told = ({ podRanges, serviceRanges }: ReturnType<typeof networkOfHost>) => [
    podRanges.join(),
    serviceRanges.join(),
  ];
  t.strictSame(told(networkOfHost(network(`${V6},${V4}`), true, logger)), [
    `${V6},${V4}`,
    'fd00:43::/112,10.43.0.0/16',
  ]);
  t.strictSame(told(networkOfHost(network(V4), false, logger)), [V4, '10.43.0.0/16']);
  t.strictSame(warnings, []);
  t.strictSame(told(networkOfHost(network(`${V6},${V4}`), false, logger)), [V4, '10.43.0.0/16']);
  t.match(warnings, [/IPv6 is off on this host/]);
  t.throws(() => networkOfHost(network(V6), false, logger), { name: 'HostError' });
  t.end();
});

test('all addresses of IPv4 are all addresses on a node that has IPv6', (t) => {
  t.equal(listenAddress('0.0.0.0', clusterRanges(V4)), '0.0.0.0');
  t.equal(listenAddress('0.0.0.0', clusterRanges(`${V4},${V6}`)), '::');
  t.equal(listenAddress('127.0.0.1', clusterRanges(`${V4},${V6}`)), '127.0.0.1');
  t.end();
});
