import { test } from 'tap';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import type { LocalApi, LocalChange } from '../../../control-plane/apiserver/catalogue/local-api.ts';
import { ClusterIPs } from '../../../control-plane/apiserver/storage/allocation/cluster-ips.ts';
import { AllocationIndex } from '../../../control-plane/apiserver/storage/allocation/allocation-index.ts';
import { ServiceRanges } from '../../../control-plane/apiserver/storage/allocation/service-ranges.ts';

const SEARCHES = 20;

test('requests to a full range do not block other requests', (t) => {
  const names = Array.from({ length: 2 ** 16 }, (_, index) => `10.43.${index >> 8}.${index & 255}`);
  const present = new Set(names);
  const tellAll: ((change: LocalChange<KubeObject>) => void)[] = [];
  const api = {
    has: (_kind: unknown, _namespace: string, name: string) => present.has(name),
    subscribe: (kind: { readonly plural: string }, tell: (change: LocalChange<KubeObject>) => void) => {
      if (kind.plural !== 'ipaddresses') return;
      tellAll.push(tell);
      for (const name of names) tell({ namespace: '', name, object: { metadata: { name } } });
    },
  } as unknown as LocalApi;
  const addresses = new ClusterIPs({
    api,
    ranges: new ServiceRanges('10.43.0.0/16', api),
    allocations: new AllocationIndex(api),
    fresh: () => undefined,
  });
  const before = process.cpuUsage();
  for (let index = 0; index < SEARCHES; index++) t.equal(addresses.pick('IPv4'), undefined);
  const { user, system } = process.cpuUsage(before);
  t.ok((user + system) / 1000 / SEARCHES < 40, `${(user + system) / 1000 / SEARCHES} ms each`);

  present.delete('10.43.77.7');
  for (const tell of tellAll) tell({ namespace: '', name: '10.43.77.7', object: undefined });
  t.equal(addresses.pick('IPv4'), '10.43.77.7', 'the only free address is found');
  t.notOk(addresses.isTaken('10.43.77.7'));
  t.end();
});
