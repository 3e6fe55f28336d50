/**
 * Runs test files in this process, one after the other, so that what they import is loaded once. `test-process.ts` starts it
 * and sends the path of each file. A file's output ends with its totals, and with a line of its own when all its tests ended.
 */
import { once } from 'node:events';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { FILE_END } from './tap-output.ts';

const LIMIT_MS = Number(process.env['TAP_TIMEOUT']) * 1000;

/** The file that runs, by the totals at its start. */
let running: { readonly total: number; readonly pass: number; readonly fail: number } | undefined;
/** A file's own teardowns run at its end, not at the end of the process. */
const teardowns: (() => unknown)[] = [];
t.teardown = (teardown) => void teardowns.push(teardown);

function writeTotals(): void {
  if (!running) return;
  // tap holds back its last result, and comments after it, until any other line; this is its default.
  if (!t.ended) t.pragma({ strict: false });
  const { total, pass, fail } = t.counts;
  t.comment({ total: total - running.total, pass: pass - running.pass, fail: fail - running.fail });
}

async function run(file: string): Promise<void> {
  running = { ...t.counts };
  // Files may set another limit.
  t.setTimeout(LIMIT_MS);
  await import(pathToFileURL(path.resolve(file)).href);
  if (!t.idle) await once(t, 'idle');
  for (const teardown of teardowns.splice(0).reverse()) await teardown();
  // A failure outside of every test has ended tap, which takes no more tests: the process ends.
  if (t.ended) return;
  writeTotals();
  running = undefined;
  t.comment(FILE_END);
  process.channel?.ref();
}

process.on('exit', writeTotals);
process.on('message', ({ file }: { readonly file?: string }) => {
  // While a file runs, the channel must not keep the process alive: tap reports a test that nothing will end.
  process.channel?.unref();
  if (file === undefined) process.disconnect?.();
  else void run(file);
});
