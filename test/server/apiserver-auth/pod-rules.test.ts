/** How LimitRanges and RuntimeClasses change new pods. */
import { test, type Test } from 'tap';
import { limitRanges } from '../../../api/kinds/core/limit-range.ts';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { serviceAccounts } from '../../../api/kinds/core/service-account.ts';
import { runtimeClasses } from '../../../api/kinds/node/runtime-class.ts';
import type { LimitRangeItem, Pod, PodSpec, ResourceRequirements } from '../../../api/types/core/v1.gen.ts';
import { createAll, refusal, startServer } from './fixture.ts';

async function startApps(t: Test) {
  const fixture = await startServer(t);
  await createAll(fixture.core, namespaces, { metadata: { name: 'apps' } });
  await createAll(fixture.core, serviceAccounts, { metadata: { namespace: 'apps', name: 'default' } });
  return fixture.client({ token: 'admin-token' });
}

let count = 0;
const pod = (spec: Partial<PodSpec> = {}): Pod => ({
  metadata: { namespace: 'apps', name: `p${count++}` },
  spec: { containers: [{ name: 'c', image: 'i' }], automountServiceAccountToken: false, ...spec },
});
const asking = (resources: ResourceRequirements, name = 'c') => ({ name, image: 'i', resources });
const range = (name: string, ...limits: LimitRangeItem[]) => ({
  metadata: { namespace: 'apps', name },
  spec: { limits },
});

test("containers get the defaults of their namespace's LimitRange", async (t) => {
  const admin = await startApps(t);
  const limit = { type: 'Container', default: { cpu: '500m', memory: '64Mi' }, defaultRequest: { cpu: '100m' } };
  await admin.create(limitRanges, range('limits', limit));

  const plain = await admin.create<Pod>(pods, pod({ initContainers: [{ name: 'i', image: 'i' }] }));
  const resources = { limits: { cpu: '500m', memory: '64Mi' }, requests: { cpu: '100m', memory: '64Mi' } };
  t.same(plain.spec?.containers[0]?.resources, resources);
  t.same(plain.spec?.initContainers?.[0]?.resources, resources);
  const set = (container: string) => `cpu, memory request for ${container}; cpu, memory limit for ${container}`;
  t.same(plain.metadata?.annotations, {
    'kubernetes.io/limit-ranger': `LimitRanger plugin set: ${set('container c')}; ${set('init container i')}`,
  });
  t.equal(plain.status?.qosClass, 'Burstable');

  const own = await admin.create<Pod>(pods, pod({ containers: [asking({ limits: { cpu: '1', memory: '1Gi' } })] }));
  t.same(own.spec?.containers[0]?.resources?.requests, { cpu: '1', memory: '1Gi' });
  t.equal(own.metadata?.annotations, undefined);

  await admin.delete(limitRanges, 'apps', 'limits');
  const free = await admin.create<Pod>(pods, pod());
  t.same(free.spec?.containers[0]?.resources, {});
});

test("a pod outside its namespace's limits is rejected", async (t) => {
  const admin = await startApps(t);
  const cpu = (request: string | undefined, limit: string | undefined): ResourceRequirements => ({
    ...(request && { requests: { cpu: request } }),
    ...(limit && { limits: { cpu: limit } }),
  });
  const bounds = { type: 'Container', min: { cpu: '100m' }, max: { cpu: '1' }, maxLimitRequestRatio: { cpu: '2' } };
  const ofPod = { type: 'Pod', max: { cpu: '1500m' } };
  await admin.create(limitRanges, range('bounds', bounds, ofPod));

  const Container = 'cpu usage per Container is';
  const ratio = 'cpu max limit to request ratio per Container is 2, but provided ratio is';
  for (const [containers, wanted] of [
    [[asking(cpu('500m', '1'))], undefined],
    [
      [asking(cpu(undefined, '2'))],
      `[maximum ${Container} 1, but limit is 2, maximum cpu usage per Pod is 1500m, but limit is 2]`,
    ],
    [[asking(cpu('50m', '100m'))], `minimum ${Container} 100m, but request is 50m`],
    [[asking(cpu('100m', '300m'))], `${ratio} 3.000000`],
    // Each violation is reported once.
    [[asking(cpu('10m', '20m'), 'a'), asking(cpu('10m', '20m'), 'b')], `minimum ${Container} 100m, but request is 10m`],
    [[asking(cpu('1', '1'), 'a'), asking(cpu('1', '1'), 'b')], 'maximum cpu usage per Pod is 1500m, but limit is 2'],
  ] as const) {
    const wrong = pod({ containers: [...containers] });
    const { name } = wrong.metadata ?? {};
    t.same(
      await refusal(admin.create(pods, wrong)),
      wanted === undefined
        ? { code: 0, message: 'the call succeeded' }
        : { code: 403, message: `pods "${name}" is forbidden: ${wanted}` },
    );
  }
  const sidecar = { ...asking(cpu('1', '1'), 's'), restartPolicy: 'Always' as const };
  t.match(await refusal(admin.create(pods, pod({ initContainers: [sidecar], containers: [asking(cpu('1', '1'))] }))), {
    message: /maximum cpu usage per Pod is 1500m, but limit is 2$/,
  });
  const inTurn = pod({ initContainers: [asking(cpu('1', '1'), 's')], containers: [asking(cpu('1', '1'))] });
  t.match(await refusal(admin.create(pods, inTurn)), { code: 0 });

  await admin.create(limitRanges, range('memory', { type: 'Pod', min: { memory: '1Gi' }, max: { memory: '2Gi' } }));
  t.match(await refusal(admin.create(pods, pod({ containers: [asking(cpu('1', '1'))] }))), {
    message:
      /\[minimum memory usage per Pod is 1Gi. {2}No request is specified, maximum memory usage per Pod is 2Gi. {2}No limit is specified\]$/,
  });
  t.match(await refusal(admin.patch(pods, 'apps', inTurn.metadata?.name ?? '', { metadata: { labels: { a: 'b' } } })), {
    code: 0,
  });
});

test('a pod gets the overhead and the scheduling constraints of its RuntimeClass', async (t) => {
  const admin = await startApps(t);
  const tainted = { key: 'sandboxed', operator: 'Exists' as const, effect: 'NoSchedule' as const };
  await admin.create(runtimeClasses, {
    metadata: { name: 'sandboxed' },
    handler: 'kata',
    overhead: { podFixed: { cpu: '250m', memory: '1Gi' } },
    scheduling: { nodeSelector: { runtime: 'kata' }, tolerations: [tainted] },
  });
  await admin.create(runtimeClasses, { metadata: { name: 'plain' }, handler: 'runc' });
  const create = (spec: Partial<PodSpec>) => admin.create<Pod>(pods, pod(spec));
  const refused = async (spec: Partial<PodSpec>) => (await refusal(create(spec))).message.replace(/^.*forbidden: /, '');

  const { spec } = await create({ runtimeClassName: 'sandboxed', nodeSelector: { zone: 'a' } });
  t.same(spec?.overhead, { cpu: '250m', memory: '1Gi' });
  t.same(spec?.nodeSelector, { runtime: 'kata', zone: 'a' });
  t.same(spec?.tolerations?.at(-1), tainted);
  t.equal(spec?.tolerations?.length, 3);
  const wide = { operator: 'Exists' as const };
  const covering = await create({
    runtimeClassName: 'sandboxed',
    tolerations: [wide],
    overhead: { cpu: '0.25', memory: '1024Mi' },
  });
  t.same(covering.spec?.tolerations, [wide]);
  t.equal((await create({ runtimeClassName: 'plain' })).spec?.overhead, undefined);

  const other = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
  const without = 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead';
  t.equal(await refused({ runtimeClassName: 'gone' }), 'pod rejected: RuntimeClass "gone" not found');
  t.equal(await refused({ runtimeClassName: 'sandboxed', overhead: { cpu: '250m' } }), other);
  t.equal(await refused({ runtimeClassName: 'plain', overhead: { cpu: '250m' } }), without);
  t.equal(await refused({ overhead: { cpu: '250m' } }), without);
  t.equal(
    await refused({ runtimeClassName: 'sandboxed', nodeSelector: { runtime: 'runc' } }),
    'conflict: runtimeClass.scheduling.nodeSelector[runtime] = kata; pod.spec.nodeSelector[runtime] = runc',
  );
  const unbased = { metadata: { name: 'plain', labels: { a: 'b' } }, handler: 'runc' };
  t.match(await refusal(admin.update(runtimeClasses, unbased)), {
    code: 422,
    message: /metadata.resourceVersion: Invalid value: 0: must be specified for an update/,
  });
});
