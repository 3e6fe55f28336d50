/** The images that a node carries, on a real containerd. */
import { chmod, copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'tap';
import { CriClient } from '../../../agent/cri/client.ts';
import { HELLO_IMAGE, PAUSE_IMAGE } from '../../../agent/images/bundled.ts';
import { digestNames, importImageArchives, retryImageArchives } from '../../../agent/images/image-archives.ts';
import { containerdServing } from '../../../agent/host/containerd-program.ts';
import { startContainerd } from '../../support/containerd.ts';
import { eventually } from '../../support/wait.ts';

const { signal } = new AbortController();

test('images get one digest name, whatever their registry', (t) => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const listing = [
    'REF TYPE DIGEST SIZE PLATFORMS LABELS',
    `kedge.local/hello:1.0 application/x ${digest} 1.2 MiB linux/amd64 -`,
    `localhost:5000/app application/x ${digest} 1.2 MiB linux/amd64 -`,
    `pulled.io/x:1 application/x ${digest} 1.2 MiB linux/amd64 -`,
    `pulled.io/x@${digest} application/x ${digest} 1.2 MiB linux/amd64 -`,
    `${digest} application/x ${digest} 1.2 MiB linux/amd64 -`,
    '',
  ].join('\n');
  t.same(digestNames(listing), [
    ['kedge.local/hello:1.0', `kedge.local/hello@${digest}`],
    ['localhost:5000/app', `localhost:5000/app@${digest}`],
  ]);
  t.end();
});

test('bundled images are found by tag and digest, and failed imports do not stop the others', async (t) => {
  await using containerd = await startContainerd({ name: 'image-archives' });
  const cri = new CriClient(containerd.socket);
  t.teardown(() => cri.close());
  t.match(await containerdServing(containerd.socket), /\/containerd$/);
  const warnings: string[] = [];
  const note = (fields: object, message: string): void => void warnings.push(`${message} ${JSON.stringify(fields)}`);
  const logger = { debug: () => undefined, info: () => undefined, warn: note, error: note };
  const directory = path.join(containerd.directory, 'carried');
  await mkdir(directory);
  for (const name of ['pause.tar', 'hello.tar'])
    await copyFile(path.join(containerd.imageDirectory, name), path.join(directory, name));
  await writeFile(path.join(directory, 'broken.tar'), 'no archive');
  const options = { cri, directory, recordFile: path.join(containerd.directory, 'imported.json'), logger, retryMs: 50 };

  // A ctr of another version on the PATH: it needs services that this containerd does not have.
  const bin = path.join(containerd.directory, 'bin');
  await mkdir(bin);
  await writeFile(
    path.join(bin, 'ctr'),
    '#!/bin/sh\necho "unknown service containerd.services.streaming.v1.Streaming" >&2\nexit 1\n',
  );
  await chmod(path.join(bin, 'ctr'), 0o755);
  const listing = await containerd.ctr('images', 'ls');
  const before = process.env.PATH;
  process.env.PATH = `${bin}:${before}`;
  // Before containerd is disposed of, with its own ctr.
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(async () => void (process.env.PATH = before));

  t.equal(await importImageArchives(options, signal), false, 'one file is no archive');
  t.match(warnings.join('\n'), /failed to import images.*broken\.tar/);
  for (const image of [PAUSE_IMAGE, HELLO_IMAGE]) {
    const line = listing.split('\n').find((each) => each.startsWith(`${image} `));
    const [digest] = line?.match(/sha256:[0-9a-f]{64}/) ?? [''];
    const name = `${image.replace(/:[^:]*$/, '')}@${digest}`;
    const found = await eventually(`${name} to be known`, () => cri.imageStatus(name));
    t.ok(found.repoTags.includes(image), 'the same image');
  }
  await rm(path.join(directory, 'broken.tar'));
  await retryImageArchives(options, AbortSignal.timeout(20_000));
  const record = await readFile(options.recordFile, 'utf8');
  t.match(record, /pause\.tar/);
  t.equal(await importImageArchives(options, signal), true);
  t.equal(await readFile(options.recordFile, 'utf8'), record, 'nothing is imported twice');
});

test('a missing ctr and an unreadable directory are warnings', async (t) => {
  const warnings: string[] = [];
  const note = (_fields: object, message: string): void => void warnings.push(message);
  const logger = { debug: () => undefined, info: () => undefined, warn: note, error: note };
  const cri = new CriClient('/nowhere/containerd.sock');
  t.teardown(() => cri.close());
  const directory = t.testdir({ 'pause.tar': 'x', file: 'x' });
  const recordFile = path.join(directory, 'record');
  t.equal(await importImageArchives({ cri, directory, recordFile, logger }, signal), false);
  t.equal(
    await importImageArchives({ cri, directory: path.join(directory, 'file'), recordFile, logger }, signal),
    false,
  );
  t.equal(warnings.length, 2);
});
