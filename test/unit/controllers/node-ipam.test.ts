import t from 'tap';
import { internalError, invalidObject, type StatusError } from '../../../api/machinery/status-error.ts';
import type { InformerHandlers } from '../../../client/informer.ts';
import type { NodeView } from '../../../control-plane/controllers/caches/node-view.ts';
import type { ControllerContext } from '../../../control-plane/controllers/framework/controller.ts';
import { nodeIpamController } from '../../../control-plane/controllers/nodes/node-ipam.ts';

/** The controller over nodes without a pod CIDR; `failures` are what the first patches are answered with. */
function ipam(names: readonly string[], failures: StatusError[], clusterCidr = '10.42.0.0/16') {
  const nodes = new Map(names.map((name) => [name, { name, uid: name, podCIDR: '', deleting: false }]));
  const written: string[] = [];
  const said: string[] = [];
  const noHandlers = { addHandlers: (_: InformerHandlers<NodeView>) => () => undefined, hasSynced: async () => {} };
  const context = {
    client: {
      patch: async (_resource: object, _namespace: string, name: string, patch: { spec: { podCIDR: string } }) => {
        written.push(`${name} ${patch.spec.podCIDR}`);
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
  const controller = nodeIpamController({ clusterCidr, nodeMaskSize: 24 }).create(context);
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
