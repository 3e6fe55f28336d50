import { mkdir, mkdtemp, readdir, readlink, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import { carryOut, type UpgradeHost } from '../../../agent/upgrade/carry-out.ts';
import { Versions } from '../../../agent/upgrade/versions.ts';
import { Log } from '../../support/log.ts';

const [OLD, NEW, OLDER] = ['1.0.0-aaaaaaaa', '1.1.0-bbbbbbbb', '0.9.0-cccccccc'];
const UNITS = ['kedge-server.service', 'kedge-agent.service'];

interface World {
  /** What is wrong with a version. */
  readonly bad?: ReadonlyMap<string, string>;
  /** The step at which the process is killed. */
  readonly killedAt?: number;
}

/** A host on which OLD runs and an upgrade to NEW has been recorded. */
async function recorded(t: Test) {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'kedge-carry-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const versions = new Versions(path.join(folder, 'kedge'));
  for (const id of [OLD, NEW, OLDER]) await mkdir(path.join(versions.folder, id), { recursive: true });
  await versions.switchTo(OLD);
  await versions.setPrevious(OLDER);
  await versions.setRecord({ from: OLD, to: NEW, healthySeconds: 0.001 });
  /** The version that each daemon runs, and the one whose unit files are in place. */
  const runs = new Map(UNITS.map((unit) => [unit, OLD]));
  let [units, pid, steps] = [OLD, 100, 0];
  const carry = async ({ bad = new Map(), killedAt = Infinity }: World) => {
    steps = 0;
    const step = (): void => {
      if (++steps > killedAt) throw new Error('killed');
    };
    const host: UpgradeHost = {
      units: async () => UNITS,
      installUnits: async (from) => {
        step();
        units = path.basename(from);
      },
      restart: async (unit) => {
        step();
        runs.set(unit, path.basename(await readlink(versions.link)));
        pid++;
        step();
      },
      state: async () => {
        step();
        return { active: 'active', enabled: 'enabled', mainPid: pid, status: '' };
      },
      command: async () => [`${versions.pathOf(runs.get(UNITS[0]!)!)}/bin/node`, 'x'],
      unhealthy: async (unit) => bad.get(runs.get(unit)!),
    };
    const outcome = await carryOut(versions, host, new Log(), new AbortController().signal, {
      lookMs: 1,
      settledMs: 0,
    });
    return { outcome, steps };
  };
  const state = async () => ({
    runs: [...new Set(runs.values())],
    units,
    current: await versions.current(),
    previous: await versions.previous(),
    record: await versions.record(),
    left: (await readdir(versions.folder)).sort(),
  });
  return { carry, state, versions };
}

const UPGRADED = {
  ...{ runs: [NEW], units: NEW, current: NEW, previous: OLD, record: undefined },
  left: [OLD, NEW, 'last-upgrade.json', 'previous'],
};
const GONE_BACK = {
  ...{ runs: [OLD], units: OLD, current: OLD, previous: OLDER, record: undefined },
  left: [OLDER, OLD, 'last-upgrade.json', 'previous'],
};
const BAD = new Map([[NEW, 'no answer']]);

t.test('a version that is well stays, and the one before is kept to go back to', async (t) => {
  const { carry, state } = await recorded(t);
  t.strictSame((await carry({})).outcome, { from: OLD, to: NEW });
  t.strictSame(await state(), UPGRADED);
  t.equal((await carry({})).outcome, undefined, 'there is nothing to carry out any more');
});

t.test('a version that is not well gives way to the one before', async (t) => {
  const { carry, state } = await recorded(t);
  t.strictSame((await carry({ bad: BAD })).outcome, { from: OLD, to: NEW, reason: 'no answer' });
  t.strictSame(await state(), GONE_BACK);
});

t.test('killed at any step, an upgrade comes to the same end when it is carried out again', async (t) => {
  for (const [bad, end] of [
    [new Map<string, string>(), UPGRADED],
    [BAD, GONE_BACK],
  ] as const) {
    const { steps } = await (await recorded(t)).carry({ bad });
    t.ok(steps > 5);
    // What is looked at until time is up, is looked at again and again.
    for (let killedAt = 0; killedAt < Math.min(steps, 40); killedAt++) {
      const { carry, state } = await recorded(t);
      const killed = await carry({ bad, killedAt }).then(
        () => undefined,
        (error: Error) => error.message,
      );
      if (killedAt < 6) t.equal(killed, 'killed');
      await carry({ bad });
      t.strictSame(await state(), end, `killed at step ${killedAt}`);
    }
  }
});

t.test('of two upgrades at once one begins, and the other changes nothing', async (t) => {
  const { versions } = await recorded(t);
  await versions.finish({ from: OLDER, to: OLD });
  const begun = await Promise.allSettled([
    versions.begin({ from: OLD, to: NEW, healthySeconds: 1 }),
    versions.begin({ from: OLD, to: OLDER, healthySeconds: 1 }),
  ]);
  t.strictSame(begun.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  const record = await versions.record();
  t.equal(record?.to, begun[0].status === 'fulfilled' ? NEW : OLDER);
  await t.rejects(versions.begin({ from: OLD, to: NEW, healthySeconds: 2 }), /another upgrade is being carried out/);
  t.strictSame(await versions.record(), record);
});

t.test('an upgrade does not begin with what another one has made the past', async (t) => {
  const { carry, versions } = await recorded(t);
  await carry({});
  for (const late of [
    { from: OLD, to: NEW, healthySeconds: 1 },
    { from: NEW, to: OLDER, healthySeconds: 1 },
  ])
    await t.rejects(versions.begin(late), /carried out meanwhile/);
  t.equal(await versions.record(), undefined, 'none is left to be carried out');
});

t.test('a version that has gone is not switched to', async (t) => {
  const { carry, state, versions } = await recorded(t);
  await rm(versions.pathOf(NEW), { recursive: true });
  t.match((await carry({})).outcome, { to: NEW, reason: /is not on this host any more/ });
  t.strictSame(await state(), GONE_BACK);
});
