/** Claims are prepared and given back by their drivers, whatever these answer and whenever the agent is killed. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import { ClaimRecords } from '../../../agent/devices/claim-records.ts';
import { DeviceHealth } from '../../../agent/devices/device-health.ts';
import { DeviceClaims, type DeviceClaimsOptions } from '../../../agent/devices/device-claims.ts';
import type {
  ClaimReference,
  PrepareAnswers,
  PreparedDevice,
  UnprepareAnswers,
} from '../../../agent/devices/dra-plugin.ts';
import { CriError, status } from '../../../agent/cri/rpc-error.ts';
import type { Container, Pod, PodStatus } from '../../../api/types/core/v1.gen.ts';
import type { ResourceClaim } from '../../../api/types/resource/v1.gen.ts';
import { notFound } from '../../../api/machinery/status-error.ts';
import { resourceClaims } from '../../../client/resources.gen.ts';
import { Log } from '../../support/log.ts';
import { eventually } from '../../support/wait.ts';

const { signal } = new AbortController();

const podOf = (name: string, claims: readonly string[], more: Partial<PodStatus> = {}): Pod => ({
  metadata: { namespace: 'default', name, uid: `uid-of-${name}` },
  spec: { containers: [], resourceClaims: claims.map((claim) => ({ name: claim, resourceClaimName: claim })) },
  status: more,
});
const containerOf = (...claims: { name: string; request?: string }[]): Container => ({
  name: 'main',
  resources: { claims },
});

/** Allocated to the pods: a device of each driver. */
const claimOf = (
  name: string,
  pods: readonly string[],
  drivers: readonly string[] = ['d'],
  device = 'one',
): ResourceClaim => ({
  metadata: { namespace: 'default', name, uid: `uid-of-${name}` },
  spec: {},
  status: {
    allocation: { devices: { results: drivers.map((driver) => ({ driver, pool: 'p', device, request: 'r' })) } },
    reservedFor: pods.map((pod) => ({ resource: 'pods', name: pod, uid: `uid-of-${pod}` })),
  },
});
const deviceOf = (id: string, ...requestNames: string[]): PreparedDevice => ({
  ...{ requestNames, poolName: 'p', deviceName: 'one', cdiDeviceIds: id === '' ? [] : [id] },
});

/** A driver, and what it was asked. */
class Driver {
  readonly calls: string[] = [];
  answer: (claims: readonly ClaimReference[]) => PrepareAnswers = (claims) =>
    Object.fromEntries(claims.map(({ uid, name }) => [uid, { devices: [deviceOf(`v/c=${name}`)], error: '' }]));
  undone: (claims: readonly ClaimReference[]) => UnprepareAnswers = (claims) =>
    Object.fromEntries(claims.map(({ uid }) => [uid, { error: '' }]));
  wait: Promise<void> = Promise.resolve();

  async prepare(claims: readonly ClaimReference[]): Promise<PrepareAnswers> {
    this.calls.push(`prepare ${claims.map(({ name }) => name).join(' ')}`);
    await this.wait;
    return this.answer(claims);
  }

  async unprepare(claims: readonly ClaimReference[]): Promise<UnprepareAnswers> {
    this.calls.push(`unprepare ${claims.map(({ name }) => name).join(' ')}`);
    await this.wait;
    return this.undone(claims);
  }
}

async function nodeOf(t: Test, drivers: Readonly<Record<string, Driver>>, claims: readonly ResourceClaim[]) {
  const directory = await mkdtemp(path.join(tmpdir(), 'kedge-claims-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const objects = new Map(claims.map((claim) => [claim.metadata?.name, claim]));
  const log = new Log();
  const there = new Map(Object.entries(drivers));
  const client = {
    get: async (_resource: unknown, _namespace: string, name: string) => {
      const claim = objects.get(name);
      if (!claim) throw notFound(resourceClaims, name);
      return claim;
    },
  } as unknown as DeviceClaimsOptions['client'];
  const plugin = (name: string): Driver => {
    const driver = there.get(name);
    if (!driver) throw new Error(`DRA driver ${name} is not registered`);
    return driver;
  };
  /** Another life of the agent. */
  const health = new DeviceHealth({ onChange: () => undefined });
  t.teardown(() => health[Symbol.dispose]());
  const healthOf: DeviceHealth['of'] = (...device) => health.of(...device);
  const open = () => DeviceClaims.open({ client, plugin, records: new ClaimRecords(directory, log), healthOf });
  return { directory, objects, there, log, health, open, agent: await open(), files: () => readdir(directory) };
}

t.test('a pod gets the devices of the requests that its container names', async (t) => {
  const driver = new Driver();
  const answer = { devices: [deviceOf('v/c=a', 'a'), deviceOf('v/c=b', 'b'), deviceOf('v/c=all')], error: '' };
  driver.answer = () => ({ 'uid-of-x': answer });
  const { agent } = await nodeOf(t, { d: driver }, [claimOf('x', ['web'])]);
  const pod = podOf('web', ['x']);
  await agent.prepare(pod, signal);
  const idsOf = (...claims: { name: string; request?: string }[]) =>
    agent.cdiDevicesOf(pod, containerOf(...claims), signal);
  t.strictSame(await idsOf({ name: 'x' }), ['v/c=a', 'v/c=b', 'v/c=all']);
  t.strictSame(await idsOf({ name: 'x', request: 'a' }), ['v/c=a', 'v/c=all']);
  t.strictSame(await idsOf({ name: 'x', request: 'a' }, { name: 'x', request: 'b' }), ['v/c=a', 'v/c=all', 'v/c=b']);
  t.strictSame(await idsOf(), [], 'a container that names no claim gets none');
  t.strictSame(driver.calls, ['prepare x']);
});

t.test(
  'a claim that the scheduler has made for an extended resource is prepared for the container that asks for it',
  async (t) => {
    const { agent } = await nodeOf(t, { d: new Driver() }, [claimOf('made', ['web'])]);
    const requestMappings = [{ containerName: 'main', requestName: 'r', resourceName: 'example.com/gpu' }];
    const pod = podOf('web', [], { extendedResourceClaimStatus: { resourceClaimName: 'made', requestMappings } });
    await agent.prepare(pod, signal);
    t.strictSame(await agent.cdiDevicesOf(pod, containerOf(), signal), ['v/c=made']);
    t.strictSame(await agent.cdiDevicesOf(pod, { name: 'other' }, signal), []);
  },
);

t.test(
  'what keeps a claim from being prepared is told in the words of upstream, and leaves nothing behind',
  async (t) => {
    const generated: Pod = {
      metadata: { namespace: 'default', name: 'web', uid: 'uid-of-web' },
      spec: { containers: [], resourceClaims: [{ name: 'x', resourceClaimTemplateName: 'template' }] },
    };
    const named = { ...generated, status: { resourceClaimStatuses: [{ name: 'x', resourceClaimName: 'x' }] } };
    const free: ResourceClaim = {
      ...claimOf('x', ['web']),
      status: { reservedFor: claimOf('x', ['web']).status?.reservedFor },
    };
    const cases: [what: string, pod: Pod, claims: ResourceClaim[], message: string][] = [
      ['no claim', podOf('web', ['x']), [], 'fetch ResourceClaim x: resourceclaims.resource.k8s.io "x" not found'],
      ['not made yet', generated, [], 'pod "default/web": ResourceClaim not created yet'],
      [
        'made for another',
        named,
        [claimOf('x', ['web'])],
        'ResourceClaim default/x was not created for Pod default/web (Pod is not owner)',
      ],
      [
        'of other pods',
        podOf('web', ['x']),
        [claimOf('x', ['db'])],
        'pod web (uid-of-web) is not allowed to use ResourceClaim x (uid-of-x)',
      ],
      ['not allocated', podOf('web', ['x']), [free], 'ResourceClaim x: not allocated'],
      ['no driver', podOf('web', ['x']), [claimOf('x', ['web'], ['d', 'gone'])], 'DRA driver gone is not registered'],
    ];
    for (const [what, pod, claims, message] of cases) {
      const driver = new Driver();
      const { agent, files } = await nodeOf(t, { d: driver }, claims);
      await t.rejects(agent.prepare(pod, signal), { message: `prepare dynamic resources: ${message}` }, what);
      t.strictSame([driver.calls, await files(), agent.holds('uid-of-web')], [[], [], false], what);
    }
  },
);

t.test('a claim that the pod turned out not to need is left out', async (t) => {
  const { agent } = await nodeOf(t, {}, []);
  const pod: Pod = {
    metadata: { namespace: 'default', name: 'web', uid: 'uid-of-web' },
    spec: { containers: [], resourceClaims: [{ name: 'x', resourceClaimTemplateName: 'template' }] },
    status: { resourceClaimStatuses: [{ name: 'x' }] },
  };
  await agent.prepare(pod, signal);
  t.strictSame(await agent.cdiDevicesOf(pod, containerOf({ name: 'x' }), signal), []);
});

t.test('answers of a driver that are no use fail the pod, which can be given back', async (t) => {
  const cases: [what: string, answer: () => PrepareAnswers, message: RegExp][] = [
    ['skipped', () => ({}), /^prepare dynamic resources: NodePrepareResources skipped 1 ResourceClaims$/],
    [
      'another',
      () => ({ z: { devices: [], error: '' } }),
      /NodePrepareResources returned result for unknown claim UID z$/,
    ],
    [
      'an error',
      () => ({ 'uid-of-x': { devices: [], error: 'on fire' } }),
      /NodePrepareResources failed for ResourceClaim x: on fire$/,
    ],
    [
      'huge',
      () => ({ 'uid-of-x': { devices: [deviceOf('v'.repeat(2 ** 20))], error: '' } }),
      /take more than 1048576 bytes/,
    ],
    [
      'no answer',
      () => {
        throw new CriError('NodePrepareResources', status.DEADLINE_EXCEEDED, 'too late');
      },
      /NodePrepareResources: rpc error: code = DeadlineExceeded desc = too late$/,
    ],
  ];
  for (const [what, answer, message] of cases) {
    const driver = new Driver();
    driver.answer = answer;
    const { agent, files } = await nodeOf(t, { d: driver }, [claimOf('x', ['web'])]);
    await t.rejects(agent.prepare(podOf('web', ['x']), signal), { message }, what);
    t.ok(agent.holds('uid-of-web'), `${what}: the driver may have prepared it`);
    await agent.release('uid-of-web', signal);
    t.strictSame([driver.calls, await files()], [['prepare x', 'unprepare x'], []], what);
  }
});

t.test('an agent after one that was killed goes on with what is on record', async (t) => {
  const driver = new Driver();
  const { agent, open, files } = await nodeOf(t, { d: driver }, [claimOf('x', ['web'])]);
  const pod = podOf('web', ['x']);
  await agent.prepare(pod, signal);
  const next = await open();
  t.strictSame(await next.cdiDevicesOf(pod, containerOf({ name: 'x' }), signal), ['v/c=x']);
  t.strictSame(driver.calls, ['prepare x'], 'a container is started again without the driver');
  await next.prepare(pod, signal);
  t.strictSame(driver.calls, ['prepare x', 'prepare x'], 'for a new sandbox it is asked again');
  t.strictSame(next.podUids(), ['uid-of-web']);
  await next.release('uid-of-web', signal);
  t.strictSame(await files(), []);
});

t.test('an agent that was killed while a driver prepares starts no container without its device', async (t) => {
  const driver = new Driver();
  const { agent, open, files } = await nodeOf(t, { d: driver }, [claimOf('x', ['web'])]);
  const pod = podOf('web', ['x']);
  const wait = Promise.withResolvers<void>();
  driver.wait = wait.promise;
  const cut = agent.prepare(pod, signal);
  await eventually('the driver to be asked', () => driver.calls.length === 1);
  t.strictSame(await files(), ['uid-of-x.json'], 'on record before the driver answers');
  const next = await open();
  t.ok(next.holds('uid-of-web'));
  wait.resolve();
  await cut;
  t.strictSame(await next.cdiDevicesOf(pod, containerOf({ name: 'x' }), signal), ['v/c=x']);
  t.strictSame(driver.calls, ['prepare x', 'prepare x']);
});

t.test('a claim of two pods is prepared once, and given back after the last', async (t) => {
  const driver = new Driver();
  const { agent, files } = await nodeOf(t, { d: driver }, [claimOf('x', ['a', 'b'])]);
  const [a, b] = [podOf('a', ['x']), podOf('b', ['x'])];
  const wait = Promise.withResolvers<void>();
  driver.wait = wait.promise;
  const both = [agent.prepare(a, signal), agent.prepare(b, signal)];
  await eventually('the driver to be asked', () => driver.calls.length === 1);
  wait.resolve();
  await Promise.all(both);
  await agent.release('uid-of-a', signal);
  t.strictSame([driver.calls, agent.podUids()], [['prepare x'], ['uid-of-b']]);
  await agent.release('uid-of-b', signal);
  t.strictSame([driver.calls, await files()], [['prepare x', 'unprepare x'], []]);
});

t.test('what one driver does not give back does not keep that of another', async (t) => {
  const [good, bad] = [new Driver(), new Driver()];
  const claims = [claimOf('x', ['web'], ['good']), claimOf('y', ['web'], ['bad']), claimOf('z', ['web'], ['bad'])];
  const { agent, files, there } = await nodeOf(t, { good, bad }, claims);
  await agent.prepare(podOf('web', ['x', 'y', 'z']), signal);
  bad.undone = () => ({ 'uid-of-y': { error: 'in use' } });
  const message = 'unprepare dynamic resources: NodeUnprepareResources failed for ResourceClaim y: in use';
  await t.rejects(agent.release('uid-of-web', signal), { message });
  t.strictSame(await files(), ['uid-of-y.json', 'uid-of-z.json']);
  there.delete('bad');
  await t.rejects(agent.release('uid-of-web', signal), {
    message: 'unprepare dynamic resources: DRA driver bad is not registered',
  });
  bad.undone = (all) => Object.fromEntries(all.map(({ uid }) => [uid, { error: '' }]));
  there.set('bad', bad);
  await agent.release('uid-of-web', signal);
  t.strictSame([await files(), good.calls], [[], ['prepare x', 'unprepare x']]);
});

t.test('devices that a pod still uses after it was deleted by force are not given to another', async (t) => {
  const { agent, objects } = await nodeOf(t, { d: new Driver() }, [claimOf('x', ['old'])]);
  await agent.prepare(podOf('old', ['x']), signal);
  objects.set('x', claimOf('x', ['new'], ['d'], 'two'));
  await t.rejects(agent.prepare(podOf('new', ['x']), signal), {
    message: /devices of an earlier allocation of ResourceClaim x are still in use \(previous pod force-deleted\?!\)$/,
  });
  const again = claimOf('x', ['new']);
  objects.set('x', { ...again, metadata: { ...again.metadata, uid: 'another' } });
  await t.rejects(agent.prepare(podOf('new', ['x']), signal), {
    message:
      /old ResourceClaim with same name x and different UID uid-of-x still exists \(previous pod force-deleted\?!\)$/,
  });
  t.notOk(agent.holds('uid-of-new'));
  await agent.release('uid-of-old', signal);
  await agent.prepare(podOf('new', ['x']), signal);
  t.ok(agent.holds('uid-of-new'));
});

t.test('a damaged record is told of, and does not keep the others from being read', async (t) => {
  const { agent, open, directory, log } = await nodeOf(t, { d: new Driver() }, [claimOf('x', ['web'])]);
  await agent.prepare(podOf('web', ['x']), signal);
  const other = { namespace: 'n', name: 'x', uid: 'elsewhere', fingerprint: '', pods: [], devices: {} };
  for (const [name, text] of Object.entries({ cut: '{"uid":', other: JSON.stringify(other), list: '[]', none: '{}' }))
    await writeFile(path.join(directory, `${name}.json`), text);
  t.strictSame((await open()).podUids(), ['uid-of-web']);
  t.equal(log.count('ignoring unreadable record of prepared devices'), 4);
});

t.test('a uid that is no name of a file is refused', async (t) => {
  const claim = claimOf('x', ['web']);
  const { agent, files } = await nodeOf(t, { d: new Driver() }, [
    { ...claim, metadata: { ...claim.metadata, uid: '../x' } },
  ]);
  await t.rejects(agent.prepare(podOf('web', ['x']), signal), { message: /invalid uid of a claim: "..\/x"$/ });
  t.strictSame(await files(), []);
});

t.test('the status of a container has the health of its devices, by the request that it names', async (t) => {
  const driver = new Driver();
  const devices = [
    deviceOf('v/c=a', 'a'),
    { ...deviceOf('', 'b'), deviceName: 'two' },
    { ...deviceOf('v/c=a', 'a'), deviceName: 'same id' },
  ];
  driver.answer = () => ({ 'uid-of-x': { devices, error: '' } });
  const { agent, health } = await nodeOf(t, { d: driver }, [claimOf('x', ['web'])]);
  const pod = podOf('web', ['x']);
  const withContainers = (...containers: Container[]): Pod => ({ ...pod, spec: { ...pod.spec, containers } });
  const plain = withContainers(containerOf({ name: 'x' }), { name: 'none' });
  t.equal(agent.statusOf(plain).size, 0, 'nothing before it is prepared');
  await agent.prepare(pod, signal);
  const resources = [
    { resourceID: 'v/c=a', health: 'Unknown' },
    { resourceID: 'd/p/two', health: 'Unknown' },
  ];
  t.strictSame([...agent.statusOf(plain)], [['main', [{ name: 'claim:x', resources }]]]);
  health.report('d', [
    { device: { poolName: 'p', deviceName: 'one' }, health: 'UNHEALTHY', healthCheckTimeoutSeconds: 0, message: 'hot' },
  ]);
  t.strictSame(agent.statusOf(withContainers(containerOf({ name: 'x', request: 'a' }))).get('main'), [
    { name: 'claim:x/a', resources: [{ resourceID: 'v/c=a', health: 'Unhealthy', message: 'hot' }] },
  ]);
  t.strictSame(agent.podsUsing('d'), ['uid-of-web']);
});
