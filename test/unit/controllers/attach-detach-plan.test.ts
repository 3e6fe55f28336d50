import { test } from 'tap';
import { attachedName, attachmentName } from '../../../api/domain/csi-attachment.ts';
import {
  attachmentOf,
  FORCE_DETACH_MS,
  isShared,
  planNode,
  type Attachment,
  type NodeState,
  type WantedVolume,
} from '../../../control-plane/controllers/storage/attach-detach/plan.ts';

const NOW = 10_000_000;
const volume = (name: string, shared = false): WantedVolume => ({
  ...{ volume: name, driver: 'disks', handle: `handle-${name}`, isShared: shared },
});
const attachment = (name: string, more: Partial<Attachment> = {}): Attachment => {
  const source = { driver: 'disks', handle: `handle-${name}` };
  return {
    ...source,
    ...{ name: attachmentName(source, 'n1'), uid: `uid-${name}`, volume: name, isAttached: true, isDeleting: false },
    ...more,
  };
};
const nameOf = (name: string): string => attachedName({ driver: 'disks', handle: `handle-${name}` });
const calm = { isReady: true, taints: [], volumesInUse: [] };
const plan = (state: Partial<NodeState>) =>
  planNode({
    ...{ name: 'n1', node: calm, wanted: [], attachments: [], now: NOW },
    ...{ nodesOf: () => [], unwantedSince: () => NOW },
    ...state,
  });
const detached = (state: Partial<NodeState>) =>
  plan(state).detach.map(({ attachment: { volume: name }, isForced }) => [name, isForced]);

test('names are those of upstream: agents and drivers look objects up by them', (t) => {
  t.equal(
    attachmentName({ driver: 'hostpath.csi.k8s.io', handle: 'vol-1' }, 'node-1'),
    'csi-a5a2e67339ab5660a390dc86be397e784322823ff01f40cf2c01a72c3cab1374',
  );
  t.equal(nameOf('a'), 'kubernetes.io/csi/disks^handle-a');
  t.end();
});

test('what pods need is attached, once, and what is attached is reported', (t) => {
  const wanted = [volume('a'), volume('b')];
  const attachments = [attachment('b'), attachment('c', { isAttached: false })];
  const { attach, attached } = plan({ wanted, attachments, node: { ...calm, volumesInUse: [nameOf('c')] } });
  t.strictSame(attach, [volume('a')]);
  t.strictSame(attached, [nameOf('b')]);
  t.end();
});

test('a second node gets a volume only when nodes may share it', (t) => {
  const nodesOf = () => ['n2'];
  const { attach, refused } = plan({ wanted: [volume('a'), volume('b', true)], nodesOf });
  t.strictSame(attach, [volume('b', true)]);
  t.strictSame(refused, [volume('a')]);
  for (const [modes, shared] of [
    [['ReadWriteOnce'], false],
    [['ReadWriteOncePod'], false],
    [['ReadWriteOnce', 'ReadOnlyMany'], true],
    [['ReadWriteMany'], true],
    [[], true],
  ] as const)
    t.equal(isShared({ spec: { accessModes: [...modes] } }), shared, modes.join());
  t.end();
});

test('what the node uses stays attached, unless the node is lost', (t) => {
  const attachments = [attachment('a')];
  const inUse = [nameOf('a')];
  const taints = [{ key: 'node.kubernetes.io/out-of-service', effect: 'NoExecute' as const }];
  const since = (ms: number) => () => NOW - ms;
  t.strictSame(detached({ attachments }), [['a', false]]);
  t.strictSame(detached({ attachments, wanted: [volume('a')] }), [], 'a pod needs it');
  t.strictSame(detached({ attachments: [attachment('a', { isDeleting: true })] }), [], 'it is on its way');
  const used = { ...calm, volumesInUse: inUse };
  t.strictSame(detached({ attachments, node: used, unwantedSince: since(10 * FORCE_DETACH_MS) }), []);
  t.strictSame(detached({ attachments, node: { ...used, taints } }), [['a', true]], 'the node is off');
  const lost = { ...used, isReady: false };
  const early = plan({ attachments, node: lost, unwantedSince: since(FORCE_DETACH_MS - 1000) });
  t.strictSame(early.detach, []);
  t.equal(early.againInMs, 1000);
  t.strictSame(early.attached, inUse, 'it still is');
  t.strictSame(detached({ attachments, node: lost, unwantedSince: since(FORCE_DETACH_MS) }), [['a', true]]);
  t.strictSame(
    detached({ attachments, node: undefined, unwantedSince: since(0) }),
    [],
    'the Node was deleted just now',
  );
  t.strictSame(detached({ attachments, node: undefined, unwantedSince: since(FORCE_DETACH_MS) }), [['a', true]]);
  t.strictSame(plan({ attachments }).attached, [], 'the node is told before it is detached');
  t.end();
});

test('attachments that others have made are left alone', (t) => {
  const pv = { metadata: { name: 'a' }, spec: { csi: { driver: 'disks', volumeHandle: 'handle-a' } } };
  const object = (name: string) => ({
    metadata: { name, uid: 'u' },
    spec: { attacher: 'disks', nodeName: 'n1', source: { persistentVolumeName: 'a' } },
  });
  t.equal(attachmentOf(object('mine'), pv), undefined);
  t.equal(attachmentOf(object(attachment('a').name), undefined), undefined);
  t.match(attachmentOf(object(attachment('a').name), pv), { volume: 'a', isAttached: false, isDeleting: false });
  t.end();
});
