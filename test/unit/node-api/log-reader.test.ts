import { appendFile, mkdir, mkdtemp, open, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import t from 'tap';
import type { LogFormat } from '../../../agent/server/log-formatter.ts';
import { readLog, type LogSource } from '../../../agent/server/log-reader.ts';
import { tailOffset } from '../../../agent/server/log-tail.ts';

const ALL: LogFormat = { timestamps: false, stream: 'All' };
const never = new AbortController().signal;

async function logFile(test: { teardown(fn: () => unknown): void }, text: string): Promise<string> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'nodeapi-log-'));
  test.teardown(() => rm(directory, { recursive: true }));
  const file = path.join(directory, '0.log');
  await writeFile(file, text);
  return file;
}

async function read(path: string, options: Partial<LogSource> = {}): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of readLog({ path, format: ALL, signal: never, ...options })) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

/** Collects a followed log; `seen` waits for this much of it. */
function follow(path: string, options: Partial<LogSource> = {}) {
  const { promise, resolve: stop } = Promise.withResolvers<void>();
  let text = '';
  let look = (): void => undefined;
  const done = (async () => {
    const source = { path, format: ALL, signal: never, stopped: () => promise, ...options };
    for await (const piece of readLog(source)) {
      text += piece.toString();
      look();
    }
    return text;
  })();
  const seen = (end: string): Promise<void> =>
    new Promise((resolve) => {
      look = () => text.endsWith(end) && resolve();
      look();
    });
  return { done, seen, stop };
}

const line = (second: number, rest: string): string =>
  `2026-01-01T00:00:${String(second).padStart(2, '0')}.5Z ${rest}\n`;

t.test('a line in parts (P, F) is joined, with one timestamp', async (t) => {
  const file = await logFile(
    t,
    line(1, 'stdout P one ') + line(2, 'stdout P two ') + line(3, 'stdout F three') + line(4, 'stderr F four'),
  );
  t.equal(await read(file), 'one two three\nfour\n');
  t.equal(
    await read(file, { format: { ...ALL, timestamps: true } }),
    '2026-01-01T00:00:01.500000000Z one two three\n2026-01-01T00:00:04.500000000Z four\n',
  );
  t.equal(await read(file, { tailLines: 2 }), 'one two three\nfour\n', 'tail counts it once');
  t.equal(await read(file, { tailLines: 1 }), 'four\n');
  t.equal(await read(file, { tailLines: 0 }), '');
  t.equal(await read(file, { format: { ...ALL, stream: 'Stderr' } }), 'four\n');
  t.equal(await read(file, { format: { ...ALL, stream: 'Stdout' } }), 'one two three\n');
  t.equal(await read(file, { format: { ...ALL, limitBytes: 6 } }), 'one tw');
  t.equal(await read(file, { format: { ...ALL, sinceMs: Date.parse('2026-01-01T00:00:04Z') } }), 'four\n');
});

t.test('empty lines, arbitrary bytes and an incomplete last line are preserved', async (t) => {
  const file = await logFile(
    t,
    line(1, 'stdout F ') + line(2, 'stdout F  a  b ') + '2026-01-01T00:00:03Z stdout F cut',
  );
  t.equal(await read(file), '\n a  b \ncut');
  t.equal(await read(file, { tailLines: 1 }), 'cut');
});

t.test('tailLines is found from the end, whatever the block boundaries', async (t) => {
  const lines = Array.from({ length: 20_000 }, (_, i) => line(i % 60, `stdout F ${i} ${'x'.repeat(i % 97)}`));
  const file = await logFile(t, lines.join(''));
  const handle = await open(file);
  t.teardown(() => handle.close());
  const { size } = await handle.stat();
  for (const count of [1, 2, 63, 999, 5_000, 19_999, 20_000, 30_000]) {
    const expected = size - lines.slice(-count).join('').length;
    t.equal(await tailOffset(handle, size, count), expected, `${count} lines`);
  }
});

t.test('without follow the log ends where it was at the request', async (t) => {
  const lines = Array.from({ length: 4000 }, (_, index) => `line ${index} ${'x'.repeat(40)}`);
  for (const tailLines of [undefined, 3000]) {
    const file = await logFile(t, lines.map((text) => line(1, `stdout F ${text}`)).join(''));
    const reading = readLog({ path: file, format: ALL, signal: never, tailLines });
    // The reader has sent its first chunk, and has read the file's size before that.
    let text = String((await reading.next()).value);
    await appendFile(file, line(2, 'stdout F more') + line(3, 'stdout F and more'));
    for await (const piece of reading) text += piece.toString();
    t.equal(text, `${lines.slice(-(tailLines ?? lines.length)).join('\n')}\n`);
  }
});

t.test('follow continues across rotation, in order, and ends with the container', async (t) => {
  const file = await logFile(t, line(1, 'stdout F before'));
  const { done, seen, stop } = follow(file);
  await seen('before\n');
  const old = await open(file, 'a');
  await rename(file, `${file}.20260101-000000`);
  // The runtime writes to the old file until it reopens the log.
  await old.write(line(2, 'stdout F late'));
  await seen('late\n');
  await writeFile(file, line(3, 'stdout F after'));
  await old.close();
  await seen('after\n');
  await appendFile(file, line(4, 'stdout P half '));
  await appendFile(file, line(5, 'stdout F whole'));
  await seen('half whole\n');
  await truncate(file, 0);
  await appendFile(file, line(6, 'stdout F again'));
  await seen('again\n');
  await appendFile(file, line(7, 'stdout F last words'));
  stop();
  t.equal(await done, 'before\nlate\nafter\nhalf whole\nagain\nlast words\n');
});

t.test('follow goes on though no notice of a change comes', async (t) => {
  const file = await logFile(t, line(1, 'stdout F one'));
  const following = follow(file);
  await following.seen('one\n');
  // The directory that is watched is not the one of the path any more.
  const directory = path.dirname(file);
  await rename(directory, `${directory}.old`);
  t.teardown(() => rm(`${directory}.old`, { recursive: true }));
  await mkdir(directory);
  await writeFile(`${file}.new`, line(2, 'stdout F two'));
  await rename(`${file}.new`, file);
  await following.seen('two\n');
  // Meanwhile the follower has found the end, and waits.
  for (let index = 0; index < 50; index++) await stat(file);
  await appendFile(file, line(3, 'stdout F three'));
  await following.seen('three\n');
  following.stop();
  t.equal(await following.done, 'one\ntwo\nthree\n');
});

t.test('follow starts at the tail and stops at once when the client leaves', async (t) => {
  const file = await logFile(t, line(1, 'stdout F one') + line(2, 'stdout F two'));
  const reader = new AbortController();
  const { done, seen } = follow(file, { tailLines: 1, signal: reader.signal });
  await seen('two\n');
  reader.abort();
  t.equal(await done, 'two\n');
});
