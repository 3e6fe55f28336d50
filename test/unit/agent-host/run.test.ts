/** Programs that write more than anybody wants to know. */
import { test } from 'tap';
import { excerptOf } from '../../../agent/host/excerpt.ts';
import { ProgramError, run } from '../../../agent/host/run.ts';

test('of a long text, the beginning and the end are kept', (t) => {
  const rows: [text: string, excerpt: string][] = [
    ['', ''],
    ['abc', 'abc'],
    ['abcdef', 'abcdef'],
    ['abcdefg', 'abc\n[1 characters]\nefg'],
    [`abc${'-'.repeat(1_000_000)}xyz`, 'abc\n[1000000 characters]\nxyz'],
  ];
  for (const [text, excerpt] of rows) t.equal(excerptOf(text, 3), excerpt);
  t.end();
});

test('what a failing program says without end is neither kept nor shown whole', async (t) => {
  const script = 'echo first >&2; yes | head -c 50000000 >&2; echo last >&2; exit 3';
  const error = await run('sh', ['-c', script]).catch((reason: unknown) => reason as ProgramError);
  t.ok(error instanceof ProgramError);
  t.match(error, { exitCode: 3, stderr: /^first\n[^]*\n\[\d+ characters\]\n[^]*\nlast\n$/ });
  t.ok((error as ProgramError).stderr.length < 100_000);
  t.match((error as ProgramError).message, /exit code 3: first\n[^]*last$/);
  t.ok((error as ProgramError).message.length < 4_000);
});

test('a program that prints without end is killed', async (t) => {
  await t.rejects(run('yes', [], { maxStdout: 1_000_000 }), {
    name: 'ProgramError',
    exitCode: null,
    message: 'yes: wrote more than 1000000 characters to stdout',
  });
  t.equal((await run('sh', ['-c', 'yes | head -c 1000000'], { maxStdout: 1_000_000 })).stdout.length, 1_000_000);
});
