/** Drivers of devices register, are updated and go away; what nobody would prepare is not offered any more. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import type { ReportedHealth } from '../../../agent/devices/device-health.ts';
import { DraDrivers } from '../../../agent/devices/dra-drivers.ts';
import { SliceCleanup } from '../../../agent/devices/slice-cleanup.ts';
import { PluginRegistrations } from '../../../agent/plugins/plugin-registrations.ts';
import { DraTestDriver, type DraTestDriverOptions } from '../../support/dra-driver.ts';
import { Log } from '../../support/log.ts';
import { eventually } from '../../support/wait.ts';

const DRIVER = 'gpu.example.com';
const claim = { namespace: 'n', name: 'x', uid: 'u' };
const { signal: never } = new AbortController();

/** An agent without pods, and the ResourceSlices that it has removed. */
async function agentOf(t: Test, graceMs = 100) {
  const directory = await mkdtemp(path.join(tmpdir(), 'kedge-dra-'));
  const registrations = path.join(directory, 'plugins_registry');
  await mkdir(registrations);
  const log = new Log();
  const removed: string[] = [];
  const calls: string[] = [];
  const reports: (readonly ReportedHealth[] | undefined)[] = [];
  const client = {
    async deleteCollection(_resource: unknown, { fieldSelector = '' }: { fieldSelector?: string } = {}) {
      removed.push(fieldSelector);
      return {};
    },
  };
  const drivers: DraDrivers = new DraDrivers({
    onChange: (driver) => cleanup.changed(driver),
    onHealth: (_driver, devices) => void reports.push(devices),
    metrics: { draCalled: (driver, method, code) => calls.push(`${driver} ${method} ${code}`) },
  });
  const cleanup = new SliceCleanup({
    ...{ client, nodeName: 'n1', logger: log, graceMs },
    isUsable: (driver) => drivers.isUsable(driver),
  });
  const plugins = new PluginRegistrations({ directory: registrations, handlers: { DRAPlugin: drivers }, logger: log });
  const stop = new AbortController();
  const running = Promise.all([plugins.run(stop.signal), cleanup.run(stop.signal)]);
  const started: DraTestDriver[] = [];
  t.teardown(async () => {
    stop.abort(new Error('the test is over'));
    await running.catch(() => undefined);
    drivers[Symbol.dispose]();
    for (const driver of started) await driver[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });
  const start = async (more: Partial<DraTestDriverOptions> = {}): Promise<DraTestDriver> => {
    const driver = await DraTestDriver.start({
      name: DRIVER,
      kubeletDirectory: directory,
      devicesOf: () => [],
      ...more,
    });
    started.push(driver);
    await eventually('an answer to the registration', () => driver.registrations.length > 0);
    return driver;
  };
  return { drivers, removed, calls, reports, start };
}

for (const version of ['v1', 'v1beta1'] as const)
  t.test(`a driver of ${version} prepares and unprepares claims`, async (t) => {
    const { drivers, start, calls } = await agentOf(t);
    const device = { requestNames: ['r'], poolName: 'p', deviceName: 'd', cdiDeviceIds: ['v/c=d'] };
    await start({ version, devicesOf: () => [device] });
    t.strictSame(await drivers.plugin(DRIVER).prepare([claim], never), { u: { devices: [device], error: '' } });
    t.strictSame(await drivers.plugin(DRIVER).unprepare([claim], never), { u: { error: '' } });
    const service = `k8s.io.kubelet.pkg.apis.dra.${version}.DRAPlugin`;
    const methods = ['NodePrepareResources', 'NodeUnprepareResources'];
    t.strictSame(
      calls,
      methods.map((method) => `${DRIVER} /${service}/${method} OK`),
    );
  });

t.test('what is no driver is refused, in upstream’s words where it has some', async (t) => {
  const drivers = new DraDrivers({ onChange: () => undefined, onHealth: () => undefined });
  const cases: [name: string, endpoint: string, versions: string[], message: RegExp][] = [
    ['../gpu', '/s', ['v1.DRAPlugin'], /is no name of a DRA driver/],
    ['a'.repeat(64), '/s', ['v1.DRAPlugin'], /is no name of a DRA driver/],
    ['gpu', 's', ['v1.DRAPlugin'], /has no absolute path/],
    [
      'gpu',
      '/s',
      [],
      /^invalid supported gRPC versions of DRA driver plugin gpu at endpoint \/s: empty list of supported gRPC services \(aka supported versions\)$/,
    ],
    [
      'gpu',
      '/s',
      ['v9.DRAPlugin'],
      /: none of services supported by the plugin \(\["v9.DRAPlugin"\]\) are supported by the kubelet \(\["v1.DRAPlugin" "v1beta1.DRAPlugin"\]\)$/,
    ],
  ];
  for (const [name, endpoint, supportedVersions, message] of cases)
    await t.rejects(drivers.register({ type: 'DRAPlugin', name, endpoint, supportedVersions }), { message });
  t.throws(() => drivers.plugin('gpu'), { message: 'DRA driver gpu is not registered' });
});

t.test('while a driver is updated, its newest plugin that answers is called', async (t) => {
  const { drivers, removed, start } = await agentOf(t);
  const asked = async (): Promise<void> => void (await drivers.plugin(DRIVER).prepare([claim], never));
  const old = await start({ instance: 'old' });
  const next = await start({ instance: 'next' });
  await eventually('the new plugin to be called', async () => {
    await asked();
    return next.callsOf('NodePrepareResources').length > 0;
  });
  await next.stop('killed');
  const before = old.calls.length;
  await eventually('the old plugin to be called', async () => {
    await asked();
    return old.calls.length > before;
  });
  await old.stop();
  await eventually('the driver to be unusable', () => !drivers.isUsable(DRIVER));
  await eventually('its slices to be removed', () => removed.includes(`spec.nodeName=n1,spec.driver=${DRIVER}`));
});

t.test('slices are removed when the agent starts, and when a driver stays away', async (t) => {
  const { drivers, removed, start } = await agentOf(t);
  const driver = await start();
  await eventually('the first removal', () => removed.length > 0);
  t.strictSame(removed, ['spec.nodeName=n1']);
  await eventually('the driver to be usable', () => drivers.isUsable(DRIVER));
  await driver.stop('killed');
  await eventually('its slices to be removed', () => removed.length > 1);
  t.strictSame(removed, ['spec.nodeName=n1', `spec.nodeName=n1,spec.driver=${DRIVER}`]);
});

t.test('a driver that comes back in time keeps its slices, and has all of the time again', async () => {
  const removed: string[] = [];
  let usable = true;
  let now = 0;
  const client = {
    async deleteCollection(_resource: unknown, { fieldSelector = '' }: { fieldSelector?: string } = {}) {
      removed.push(fieldSelector);
      return {};
    },
  };
  const cleanup = new SliceCleanup({
    ...{ client, nodeName: 'n', logger: new Log(), graceMs: 50 },
    isUsable: () => usable,
    now: () => now,
  });
  const stop = new AbortController();
  const running = cleanup.run(stop.signal);
  const change = (to: boolean, at: number): void => {
    [usable, now] = [to, at];
    cleanup.changed(DRIVER);
  };
  change(false, 0);
  change(true, 40);
  change(false, 45);
  // The first timer ends now: 5 of 50 ms are over by the clock.
  now = 50;
  await eventually('the slices of all', () => removed.length === 1);
  now = 100;
  await eventually('those of the driver', () => removed.length === 2);
  stop.abort(new Error('the test is over'));
  await running;
});

t.test('what the new plugin of a driver says of devices stays when the old one goes', async (t) => {
  const { drivers, reports, start } = await agentOf(t);
  const health = (message: string): ReportedHealth[] => [
    { device: { poolName: 'p', deviceName: 'd' }, health: 'HEALTHY', healthCheckTimeoutSeconds: 5, message },
  ];
  const old = await start({ instance: 'old', health: health('old') });
  await eventually('a report', () => reports.length === 1);
  const next = await start({ instance: 'next', health: health('next') });
  await eventually('the next report', () => reports.length === 2);
  await old.stop();
  await eventually('the new plugin to be called', () => drivers.plugin(DRIVER).endpoint.endsWith('next.sock'));
  next.reportHealth(health('again'));
  await eventually('one more', () => reports.at(-1)?.[0]?.message === 'again');
  t.notOk(reports.includes(undefined));
});

t.test('a driver reports the health of its devices for as long as it is there', async (t) => {
  const { reports, start } = await agentOf(t);
  const sick = { health: 'UNHEALTHY', healthCheckTimeoutSeconds: 5, message: 'hot' } as const;
  const one = { device: { poolName: 'p', deviceName: 'one' }, ...sick };
  const driver = await start({ health: [one] });
  await eventually('a report', () => reports.length > 0);
  t.strictSame(reports, [[one]]);
  driver.reportHealth([]);
  await eventually('the next report', () => reports.length > 1);
  await driver.stop();
  await eventually('the end of reports', () => reports.at(-1) === undefined);
});
