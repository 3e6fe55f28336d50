import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'tap';
import { readLogTail } from '../../../agent/pods/containers/termination-message.ts';

const TIME = '2026-01-01T00:00:00.123456789Z';
const full = (text: string): string => `${TIME} stdout F ${text}\n`;
const partial = (text: string): string => `${TIME} stderr P ${text}\n`;

test('the last words in a log are its last 80 lines and 2048 bytes, however it is written', async (t) => {
  const file = path.join(t.testdir({}), '0.log');
  const tail = async (log: string): Promise<string> => {
    await writeFile(file, log);
    return readLogTail(file);
  };
  t.equal(await tail(''), '');
  t.equal(await tail(full('one') + full('two')), 'one\ntwo\n');
  t.equal(await tail(partial('one ') + partial('and ') + full('the same')), 'one and the same\n');
  t.equal(await tail(full('whole') + `${TIME} stdout F cut o`), 'whole\ncut o');
  const lines = Array.from({ length: 200 }, (_, index) => `${index}`);
  t.equal(await tail(lines.map(full).join('')), `${lines.slice(-80).join('\n')}\n`);
  for (const length of [3000, 8200, 16_384, 100_000, 3_000_000]) {
    const long = `${'x'.repeat(length)}the end`;
    t.equal(await tail(full('before') + full(long)), `${long}\n`.slice(-2048), `a last line of ${length} bytes`);
    t.equal(
      await tail(full('before') + full(long) + full('panic')),
      `${long}\npanic\n`.slice(-2048).slice(length > 2e6 ? -6 : 0),
    );
  }
  const chunks = Array.from({ length: 300 }, () => partial('y'.repeat(16_384)));
  t.equal(await tail(chunks.join('') + full('done')), `${'y'.repeat(2043)}done\n`);
  const wide = await tail(full('\u20ac'.repeat(5000)));
  t.match(wide, /^\u20ac+\n$/, 'no character is cut');
  t.equal(await tail('not the format\n'.repeat(3)), '');
});
