/** Staging and expansion, which no current volume type uses, with a type made for the test. */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type Test } from 'tap';
import type { VolumeRunner } from '../../../agent/volumes/framework/volume-runner.ts';
import { eventually } from '../../support/wait.ts';
import { podOf, sharedVolume, volumeOf, worldOf, type Step } from './shared-volume.ts';

const { signal } = new AbortController();
const helper = async () => [];
const at = { helper, mounted: new Set<string>(), signal };

async function rootOf(t: Test): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'agent-volumes-'));
  t.teardown(() => rm(root, { recursive: true }));
  return root;
}

const publish = async (runner: VolumeRunner, uid: string, path: string) =>
  runner.publish(podOf(uid, path), volumeOf(path), (await runner.published(uid)).get('data'), at);

/** Kills the agent with SIGKILL in the middle of the step. */
const killedIn = (root: string, step: Step): Promise<NodeJS.Signals | null> =>
  new Promise((resolve, reject) => {
    const program = join(import.meta.dirname, 'killed-in-step.ts');
    execFile(process.execPath, [program, root, step], (error, _stdout, stderr) =>
      error?.signal ? resolve(error.signal) : reject(error ?? new Error(`not killed: ${stderr}`)),
    );
  });

test('pods with the same export share the staged volume, and the last one unstages it', async (t) => {
  const root = await rootOf(t);
  const { runner, steps } = sharedVolume({ root });
  await Promise.all(['a', 'b'].map((uid) => publish(runner, uid, '/export')));
  await publish(runner, 'c', '/other');
  t.equal((await readdir(join(root, 'staging'))).length, 2);
  const [staged = ''] = await readdir(join(root, 'staging'));
  t.match(JSON.parse(await readFile(join(root, 'staging', staged, 'record.json'), 'utf8')), { type: 'nfs' });

  await runner.unpublish('a', at);
  t.notOk(steps.includes('unstage'), 'still used by a pod');
  t.match(
    await worldOf(root),
    ['published/_pods_b', 'published/_pods_b', 'published/_pods_c'].map((name) => new RegExp(name)),
  );
  await Promise.all(['b', 'c'].map((uid) => runner.unpublish(uid, at)));
  t.equal(steps.filter((step) => step === 'unstage').length, 2);
  t.same(await worldOf(root), []);
  t.same(await readdir(join(root, 'staging')), []);
  await runner.unpublish('a', at);
  t.same(await runner.published('a'), new Map(), 'nothing is left');
});

for (const step of ['resolve', 'stage', 'publish', 'unpublish', 'unstage'] as const)
  test(`an agent killed in the middle of ${step} leaves nothing that the next one does not clean up or adopt`, async (t) => {
    const root = await rootOf(t);
    t.equal(await killedIn(root, step), 'SIGKILL');
    const left = await worldOf(root);
    t.equal(left.length > 0, step !== 'resolve', `left: ${left.join(', ')}`);

    const wanted = await rootOf(t);
    await cp(root, wanted, { recursive: true });

    // The pod was deleted meanwhile.
    const { runner, steps } = sharedVolume({ root });
    await runner.unpublish('killed', at);
    await runner.unstageUnused(helper, signal);
    t.same(await worldOf(root), []);
    t.same(await readdir(join(root, 'staging')).catch(() => []), []);
    t.notOk(steps.includes('resolve'), 'neither the pod nor the API is needed');

    // The pod still exists.
    if (step !== 'stage' && step !== 'publish') return;
    const next = sharedVolume({ root: wanted });
    await next.runner.unstageUnused(helper, signal);
    t.same(next.steps, [], 'its record says that the volume is in use');
    await publish(next.runner, 'killed', '/export');
    t.same(next.steps, ['stage', 'publish'], 'and the resolved attributes');
    t.equal((await worldOf(wanted)).filter((name) => !name.endsWith('.half')).length, 2);
  });

test('a volume whose staging fails is reported with the reason, and staged or unstaged later', async (t) => {
  const root = await rootOf(t);
  let isBroken = true;
  const { runner, steps } = sharedVolume({
    root,
    half: (step) => {
      if (step === 'stage' && isBroken) throw new Error('no route to files');
    },
  });
  const failure = {
    name: 'VolumeError',
    message: 'MountVolume.MountDevice failed for volume "data" : no route to files',
  };
  await t.rejects(publish(runner, 'a', '/export'), failure);
  t.same(await worldOf(root), ['staged/export.half']);
  isBroken = false;
  await publish(runner, 'a', '/export');
  t.same(steps, ['resolve', 'stage', 'stage', 'publish']);

  isBroken = true;
  await t.rejects(publish(runner, 'b', '/other'), failure);
  await runner.unpublish('b', at);
  t.same(
    (await worldOf(root)).filter((name) => name.includes('other')),
    [],
  );
});

test('a hanging step blocks neither its caller nor other volumes, and ends with its pod', async (t) => {
  const root = await rootOf(t);
  const hang = new Promise<void>(() => undefined);
  const options = { root, half: (step: Step) => (step === 'stage' ? hang : undefined) };
  const limited = sharedVolume({ ...options, stepLimitMs: 50 });
  await t.rejects(publish(limited.runner, 'a', '/dead'), /MountDevice timed out after 50 ms/);

  const { runner } = sharedVolume(options);
  const stop = new AbortController();
  const waiting = ['a', 'b'].map((uid) =>
    runner.publish(podOf(uid, '/dead'), volumeOf('/dead'), undefined, { ...at, signal: stop.signal }),
  );
  stop.abort(new Error('pod is terminating'));
  for (const pod of waiting)
    await t.rejects(pod, /pod is terminating/, 'the volume that stages, and the one waiting for it');

  await publish(sharedVolume({ root }).runner, 'c', '/dead');
  const hanging = new AbortController();
  const staging = runner.publish(podOf('d', '/dead'), volumeOf('/dead'), undefined, { ...at, signal: hanging.signal });
  await eventually('the record of volume d', async () => (await runner.published('d')).size === 1);
  await runner.unpublish('c', at);
  t.same(await runner.published('c'), new Map(), 'terminating does not wait for a pod that starts');
  hanging.abort(new Error('pod is terminating'));
  await t.rejects(staging, /pod is terminating/);
});

test('a failing unstage is logged once and retried', async (t) => {
  const root = await rootOf(t);
  await killedIn(root, 'unstage');
  const logged: string[] = [];
  let isBroken = true;
  const { runner } = sharedVolume({
    root,
    log: (_fields, message) => logged.push(message),
    half: () => {
      if (isBroken) throw new Error('device is busy');
    },
  });
  await runner.unstageUnused(helper, signal);
  await runner.unstageUnused(helper, signal);
  t.same(logged, ['failed to unstage unused volume']);
  isBroken = false;
  await runner.unstageUnused(helper, signal);
  t.same(await readdir(join(root, 'staging')), []);
});

test('a truncated record is logged once; the agent continues and the staged volume is kept', async (t) => {
  for (const content of [
    '',
    '{"type":"nf',
    'null',
    '[]',
    '{"type":"nfs","podUID":"a","volume":"data"}',
    '{"type":1}',
  ]) {
    const root = await rootOf(t);
    await publish(sharedVolume({ root }).runner, 'a', '/export');
    const record = join(root, 'pods/a/mounts/data.json');
    await writeFile(record, content);
    await writeFile(`${record}.tmp`, '{"half');
    const logged: object[] = [];
    const { runner, steps } = sharedVolume({ root, log: (fields) => logged.push(fields) });
    await publish(runner, 'a', '/export');
    t.same(steps, ['resolve', 'stage', 'publish'], 'the volume is resolved again, and its record is written');
    t.match(logged, [{ path: record, err: { name: 'DamagedRecord' } }]);
    t.equal((await runner.published('a')).size, 1);

    await truncate(record, 3);
    await runner.unpublish('a', at);
    await rm(join(root, 'pods/a'), { recursive: true });
    const [staged = ''] = await readdir(join(root, 'staging'));
    await runner.unstageUnused(helper, signal);
    t.same(
      (await worldOf(root)).filter((name) => name.startsWith('staged')),
      [],
    );
    t.same(await readdir(join(root, 'staging')), [], staged);
  }
});

test('a staged volume with a truncated record is unstaged by its directory', async (t) => {
  const root = await rootOf(t);
  const { runner } = sharedVolume({ root });
  await publish(runner, 'a', '/export');
  const [staged = ''] = await readdir(join(root, 'staging'));
  await truncate(join(root, 'staging', staged, 'record.json'), 5);
  await rm(join(root, 'pods/a'), { recursive: true });
  await runner.unstageUnused(helper, signal);
  t.same(await readdir(join(root, 'staging')), []);
});

test('a record with the path of another volume is invalid', async (t) => {
  for (const stolen of [
    { podUID: 'b', volume: 'data' },
    { podUID: 'a', volume: '../../../b/volumes/kubernetes.io~nfs/data' },
    { podUID: '../pods/b', volume: 'data' },
  ]) {
    const root = await rootOf(t);
    const logged: object[] = [];
    const { runner, steps } = sharedVolume({ root, log: (fields) => logged.push(fields) });
    for (const uid of ['a', 'b']) await publish(runner, uid, `/export-${uid}`);
    const before = (await worldOf(root)).filter((name) => name.includes('_pods_b_'));
    const path = join(root, 'pods/a/mounts/data.json');
    const record = JSON.parse(await readFile(path, 'utf8')) as object;
    await writeFile(path, JSON.stringify({ ...record, ...stolen }));
    await runner.unpublish('a', at);
    t.notOk(steps.includes('unpublish'));
    t.match(logged, [{ path, err: { name: 'DamagedRecord', message: /has its record elsewhere/ } }]);
    t.same(
      (await worldOf(root)).filter((name) => name.includes('_pods_b_')),
      before,
    );

    const [, other = ''] = await readdir(join(root, 'staging'));
    const stage = join(root, 'staging', other, 'record.json');
    await writeFile(stage, JSON.stringify({ type: 'nfs', key: '/export', attributes: {} }));
    for (const uid of ['a', 'b']) await rm(join(root, 'pods', uid), { recursive: true });
    await runner.unstageUnused(helper, signal);
    t.equal(steps.filter((step) => step === 'unstage').length, 1);
    t.match(logged[1], { path: stage, err: { message: 'nfs volume /export is staged elsewhere' } });
    t.same(await readdir(join(root, 'staging')), []);
  }
});

test('a volume is expanded once when its requested size grows', async (t) => {
  const root = await rootOf(t);
  let capacity = 1024;
  const options = { root, capacityBytes: () => capacity };
  const first = sharedVolume(options);
  const pod = podOf('a', '/export');
  const volume = volumeOf('/export');
  let record = await publish(first.runner, 'a', '/export');
  record = await first.runner.refresh(pod, volume, record, at);
  t.notOk(first.steps.some((step) => step.startsWith('expand')));
  capacity = 2048;
  record = await first.runner.refresh(pod, volume, record, at);
  await first.runner.refresh(pod, volume, record, at);
  t.same(
    first.steps.filter((step) => step.startsWith('expand')),
    ['expand to 2048'],
  );

  const second = sharedVolume(options);
  const known = await publish(second.runner, 'a', '/export');
  await second.runner.refresh(pod, volume, known, at);
  t.notOk(
    second.steps.some((step) => step.startsWith('expand')),
    'its record has the new size',
  );
  t.same(await second.runner.stats(volume, known, at), { bytes: 4096, inodes: 1 });
});
