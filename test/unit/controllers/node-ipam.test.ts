import t from 'tap';
import { internalError, invalidObject, type StatusError } from '../../../api/machinery/status-error.ts';
import type { InformerHandlers } from '../../../client/informer.ts';
import type { NodeView } from '../../../control-plane/controllers/caches/node-view.ts';
import type { ControllerContext } from '../../../control-plane/controllers/framework/controller.ts';
import {
  completedPodCidrs,
  nodeIpamController,
  podRanges,
} from '../../../control-plane/controllers/nodes/node-ipam.ts';

interface Patch {
  readonly spec: { readonly podCIDR: string; readonly podCIDRs: readonly string[] };
}

/** The controller over nodes without a pod CIDR; `failures` are what the first patches are answered with. */
function ipam(
  names: readonly string[],
  failures: StatusError[],
  clusterCidr = '10.42.0.0/16',
  present: readonly string[] = [],
) {
  const nodes = new Map(names.map((name) => [name, { name, uid: name, podCIDRs: present, deleting: false }]));
  const written: string[] = [];
  const said: string[] = [];
  const noHandlers = { addHandlers: (_: InformerHandlers<NodeView>) => () => undefined, hasSynced: async () => {} };
  const context = {
    client: {
      patch: async (_resource: object, _namespace: string, name: string, patch: Patch) => {
        written.push(`${name} ${patch.spec.podCIDRs.join()}`);
        t.equal(patch.spec.podCIDR, patch.spec.podCIDRs[0]);
        const failure = failures.shift();
        if (failure) throw failure;
      },
    },
    informer: () => ({
      ...noHandlers,
      get: (_: string, name: string) => nodes.get(name),
      list: () => [...nodes.values()],
    }),
    recorder: () => ({ event: (_regarding: object, _type: string, reason: string) => void said.push(reason) }),
    logger: { warn: (_fields: object, message: string) => void said.push(message) },
    queue: { add: () => undefined, addAfter: () => undefined },
  } as unknown as ControllerContext;
  const controller = nodeIpamController(podRanges(clusterCidr, { IPv4: 24, IPv6: 64 })).create(context);
  return { written, said, reconcile: (name: string) => controller.reconcile(name, new AbortController().signal) };
}

t.test('a part whose write may have taken place is not given to another node', async (t) => {
  const { written, reconcile } = ipam(['a', 'b'], [internalError('timed out')]);
  await t.rejects(reconcile('a'));
  await reconcile('b');
  await reconcile('a');
  t.strictSame(written, ['a 10.42.0.0/24', 'b 10.42.1.0/24', 'a 10.42.0.0/24']);
});

t.test('a part whose write was rejected is free again', async (t) => {
  const { written, reconcile } = ipam(['a', 'b'], [invalidObject({ group: '', kind: 'Node' }, 'a', [])]);
  await t.rejects(reconcile('a'));
  await reconcile('b');
  t.strictSame(written, ['a 10.42.0.0/24', 'b 10.42.0.0/24']);
});

t.test('when none is left the node is told and looked at again', async (t) => {
  const { said, reconcile } = ipam(['a', 'b'], [], '10.42.0.0/24');
  t.equal(await reconcile('a'), undefined);
  t.equal(await reconcile('b'), 60_000);
  t.strictSame(said, ['CIDRNotAvailable', 'no pod CIDR left']);
});

const BOTH = '10.42.0.0/16,fd00:42::/56';

t.test('a node of a dual-stack cluster gets a part of each range at once', async (t) => {
  const { written, reconcile } = ipam(['a', 'b'], [], BOTH);
  for (const name of ['a', 'b']) await reconcile(name);
  t.strictSame(written, ['a 10.42.0.0/24,fd00:42::/64', 'b 10.42.1.0/24,fd00:42:0:1::/64']);
});

t.test('a node of a cluster that has become dual-stack keeps its part and gets a second one', async (t) => {
  const { written, reconcile } = ipam(['a'], [], BOTH, ['10.42.9.0/24']);
  await reconcile('a');
  t.strictSame(written, ['a 10.42.9.0/24,fd00:42::/64']);
});

t.test('what a node lacks, and what is left for it', async (t) => {
  const ranges = podRanges(BOTH, { IPv4: 24, IPv6: 64 });
  const v6 = podRanges('fd00:42::/64', { IPv4: 24, IPv6: 64 });
  const table: [string[], string[], typeof ranges, readonly string[] | undefined][] = [
    [[], [], ranges, ['10.42.0.0/24', 'fd00:42::/64']],
    [[], ['10.42.0.0/24', 'fd00:42::/64', 'fd00:42:0:2::/64'], ranges, ['10.42.1.0/24', 'fd00:42:0:1::/64']],
    [['fd00:42:0:7::/64'], [], ranges, ['fd00:42:0:7::/64', '10.42.0.0/24']],
    [['10.42.0.0/24', 'fd00:42::/64'], [], ranges, undefined],
    [['nonsense'], [], ranges, undefined],
    [[], ['10.42.0.0/16'], ranges, undefined],
    [[], [], v6, ['fd00:42::/64']],
    [[], ['fd00:42::/80'], v6, undefined],
  ];
  for (const [present, used, of, wanted] of table)
    t.strictSame(completedPodCidrs(present, used, of), wanted, JSON.stringify({ present, used }));
});
