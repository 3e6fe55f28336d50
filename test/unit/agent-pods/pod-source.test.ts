/** A pod's source is where the agent got it from; annotations grant no privileges. */
import pino from 'pino';
import { test } from 'tap';
import { EvictionManager, type ActivePod } from '../../../agent/eviction/eviction-manager.ts';
import { parseThresholds } from '../../../agent/node/pressure.ts';
import { admission, type NodeView } from '../../../agent/pods/sync/admission.ts';
import { HostInventory } from '../../../agent/pods/sync/host-inventory.ts';
import { isCritical, withSourceAnnotation } from '../../../agent/pods/sources/pod-source.ts';
import type { CriClient } from '../../../agent/cri/client.ts';
import type { PodCgroups } from '../../../agent/resources/pod-cgroups.ts';
import type { PodDevices } from '../../../agent/devices/pod-devices.ts';
import type { PodVolumes } from '../../../agent/volumes/pod-volumes.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

const SOURCE = 'kubernetes.io/config.source';
const MIRROR = 'kubernetes.io/config.mirror';
const logger = pino({ level: 'silent' });

/** A pod that requests more than the node has, with every annotation of a static pod. */
const forger = (annotations: Record<string, string>): Pod => ({
  metadata: { name: 'forger', namespace: 'default', uid: 'forger', annotations },
  spec: { containers: [{ name: 'main', resources: { requests: { cpu: '64' } } }] },
});
const FORGERIES: Record<string, string>[] = [
  { [SOURCE]: 'file' },
  { [SOURCE]: 'http' },
  { [MIRROR]: '0123' },
  { [SOURCE]: 'file', [MIRROR]: 'x' },
];
const node: NodeView = { allocatable: { cpu: '1' }, pressures: [], features: { supplementalGroupsPolicy: false } };

test('a pod of the API with annotations of a static pod is admitted like any other', (t) => {
  for (const annotations of FORGERIES) {
    const pod = forger(annotations);
    t.notOk(isCritical({ pod, source: 'api' }), JSON.stringify(annotations));
    t.equal(admission({ pod, source: 'api' }, [], node)?.reason, 'OutOfcpu');
    const pressed = { ...node, pressures: ['DiskPressure'] as const };
    t.equal(admission({ pod, source: 'api' }, [], pressed)?.reason, 'Evicted');
  }
  t.end();
});

test('static pods and pods with a system priority are critical', (t) => {
  t.equal(admission({ pod: forger({}), source: 'file' }, [], node), undefined);
  const pod: Pod = { spec: { ...forger({}).spec!, priority: 2_000_000_000 } };
  t.equal(admission({ pod, source: 'api' }, [], node), undefined);
  t.notOk(isCritical({ pod: { spec: { ...pod.spec!, priority: 1_999_999_999 } }, source: 'api' }));
  t.end();
});

test('the agent overwrites the source annotation', (t) => {
  const pod = forger({ [SOURCE]: 'file', other: 'stays' });
  t.same(withSourceAnnotation(pod, 'api').metadata?.annotations, { [SOURCE]: 'api', other: 'stays' });
  t.equal(pod.metadata?.annotations?.[SOURCE], 'file', "the informer's object is not modified");
  t.end();
});

test('node-pressure eviction ignores the source annotation, and never evicts static pods', async (t) => {
  const evicted: string[] = [];
  const live = (uid: string, source: 'api' | 'file'): ActivePod => ({
    pod: { metadata: { ...forger({ [SOURCE]: 'file', [MIRROR]: 'x' }).metadata, uid }, spec: { containers: [] } },
    source,
    status: { phase: 'Running' },
  });
  const manager = new EvictionManager({
    pods: [live('static', 'file'), live('forger', 'api')],
    meter: {
      measure: (pods) =>
        Promise.resolve(
          pods.map((pod) => ({ pod, total: { memoryBytes: 2 ** 30 }, containers: new Map(), emptyDirs: new Map() })),
        ),
      measureLimited: () => Promise.resolve([]),
    },
    evict: (uid) => evicted.push(uid),
    thresholds: parseThresholds(['memory.available<100Mi']),
    levels: () => Promise.resolve({}),
    reclaimDisk: () => Promise.resolve(),
    warnOfNode: () => undefined,
    logger,
  });
  const levels = { 'memory.available': { available: 1, capacity: 2 ** 33 } };
  await manager.relieve(levels, new AbortController().signal);
  t.same(evicted, ['forger']);
});

test('the grace period of an orphaned pod does not come from its annotations', async (t) => {
  const GRACE = 'io.kubernetes.pod.terminationGracePeriod';
  const labels = {
    'io.kubernetes.pod.uid': 'u',
    'io.kubernetes.pod.name': 'web',
    'io.kubernetes.pod.namespace': 'shop',
  };
  const listed = (annotations: Record<string, string>) => [{ id: 'id', state: 'any', labels, annotations }];
  const inventory = (containers: unknown[]) =>
    new HostInventory({
      cri: {
        listPodSandboxes: () => Promise.resolve(listed({ [GRACE]: '999999999' })),
        listContainers: () => Promise.resolve(containers),
      } as unknown as CriClient,
      volumes: {} as PodVolumes,
      devices: {} as PodDevices,
      cgroups: {} as PodCgroups,
      logger,
    });
  const graceOf = async (containers: unknown[]) => {
    const known = inventory(containers);
    await known.list(new AbortController().signal);
    return known.orphans(() => false)[0]?.spec?.terminationGracePeriodSeconds;
  };
  t.equal(await graceOf([]), undefined);
  t.equal(await graceOf(listed({ [GRACE]: '5' })), 5);
});
