/** What is said of a device counts while it is fresh. */
import t, { type Test } from 'tap';
import { DeviceHealth, type ReportedHealth } from '../../../agent/devices/device-health.ts';
import { eventually } from '../../support/wait.ts';

const reported = (deviceName: string, more: Partial<ReportedHealth> = {}): ReportedHealth => ({
  ...{ device: { poolName: 'p', deviceName }, health: 'HEALTHY', healthCheckTimeoutSeconds: 0, message: '' },
  ...more,
});

function healthIn(t: Test) {
  const clock = { now: 0 };
  const changes: string[] = [];
  const health = new DeviceHealth({ onChange: (driver) => changes.push(driver), now: () => clock.now });
  t.teardown(() => health[Symbol.dispose]());
  return { clock, changes, health, of: (device: string) => health.of('d', 'p', device) };
}

t.test('a device is what its driver has said last, for 30 s or as long as the driver says', (t) => {
  const { clock, health, of } = healthIn(t);
  t.strictSame(of('one'), { health: 'Unknown' });
  const hot = reported('two', { health: 'UNHEALTHY', message: 'hot', healthCheckTimeoutSeconds: 60 });
  health.report('d', [reported('one'), hot]);
  t.strictSame([of('one'), of('two')], [{ health: 'Healthy' }, { health: 'Unhealthy', message: 'hot' }]);
  clock.now = 30_000;
  t.strictSame([of('one').health, of('two').health], ['Unknown', 'Unhealthy']);
  clock.now = 60_000;
  t.equal(of('two').health, 'Unknown');
  t.end();
});

t.test('only what differs is a change', (t) => {
  const { clock, changes, health } = healthIn(t);
  const report = (...devices: ReportedHealth[]): number => {
    health.report('d', devices);
    return changes.length;
  };
  t.equal(report(reported('one')), 1);
  t.equal(report(reported('one')), 1);
  t.equal(report(reported('one', { message: 'warm' })), 2);
  t.equal(report(), 2, 'one that is left out is believed until its time is over');
  clock.now = 30_000;
  t.equal(report(), 3);
  t.equal(report(reported('new', { health: 'UNKNOWN' }), { ...reported('no'), device: null }), 3);
  health.clear('d');
  health.clear('d');
  t.equal(changes.length, 4);
  t.end();
});

t.test('the end of its time is told without a report', async (t) => {
  const changes: string[] = [];
  const health = new DeviceHealth({ onChange: (driver) => changes.push(driver) });
  health.report('d', [reported('one', { healthCheckTimeoutSeconds: 0.02 })]);
  await eventually('the second change', () => changes.length === 2);
  t.equal(health.of('d', 'p', 'one').health, 'Unknown');
});

t.test('what a driver says that nobody knows is unknown', (t) => {
  const { health, of } = healthIn(t);
  // Of a later version of the API: a number that has no name yet.
  health.report('d', [reported('one', { health: 7 as unknown as 'UNKNOWN' })]);
  t.strictSame(of('one'), { health: 'Unknown' });
  t.end();
});

t.test('messages and the number of devices have a limit', (t) => {
  const { health, of } = healthIn(t);
  health.report('d', [reported('long', { message: 'ü'.repeat(600) })]);
  t.equal(of('long').message, `${'ü'.repeat(510)}...`);
  const many = Array.from({ length: 5000 }, (_, index) => reported(`d${index}`));
  health.report('d', many);
  t.strictSame([of('d4094').health, of('d4999').health], ['Healthy', 'Unknown']);
  t.end();
});
