import { spawnSync } from 'node:child_process';
import path from 'node:path';
import t from 'tap';

const LOGGER = path.resolve(import.meta.dirname, '../../../daemon/daemon-logger.ts');

t.test('a daemon logs one JSON object per line, levels by name and times in RFC 3339 with milliseconds', async (t) => {
  const script = `
    import { daemonLogger } from ${JSON.stringify(LOGGER)};
    const logger = daemonLogger('kedge-agent', 'debug');
    for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal'])
      logger[level]({ pod: 'default/a', err: new Error('two\\nlines') }, 'said');`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  t.equal(stderr, '');
  const lines = stdout.trim().split('\n');
  t.strictSame(
    lines.map((line) => (JSON.parse(line) as { level: string }).level),
    ['debug', 'info', 'warn', 'error', 'fatal'],
  );
  for (const line of lines) {
    t.match(JSON.parse(line), {
      time: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
      name: 'kedge-agent',
      pod: 'default/a',
      err: { type: 'Error', message: 'two\nlines', stack: /^Error: two\nlines/ },
      msg: 'said',
    });
  }
});

t.test('an error that quotes an object does not put it into the log', async (t) => {
  const script = `
    import { daemonLogger } from ${JSON.stringify(LOGGER)};
    import { invalidPatch } from ${JSON.stringify(path.resolve(import.meta.dirname, '../../../api/machinery/decode.ts'))};
    const secret = JSON.stringify({ data: 'x'.repeat(100_000) });
    daemonLogger('kedge-server', 'info').error({ err: invalidPatch(secret, 'no') }, 'failed');`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  t.equal(stderr, '');
  t.ok(stdout.length < 20_000, `${stdout.length} characters`);
  t.match(JSON.parse(stdout), { err: { message: /^ ?.* is invalid: patch: .*\.\.\. \(\d+ characters\)$/s } });
});

t.test('an error says once what its causes say', async (t) => {
  const script = `
    import { daemonLogger } from ${JSON.stringify(LOGGER)};
    const logger = daemonLogger('kedge-agent', 'info');
    const root = new Error('no such file');
    const quoting = new Error('mounting failed: no such file', { cause: root });
    const circular = new Error('a');
    circular.cause = new Error('b', { cause: circular });
    const errors = [quoting, new Error('outer', { cause: quoting }), new Error('text', { cause: 'no error' }), circular];
    for (const err of errors) logger.warn({ err }, 'failed');`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  t.equal(stderr, '');
  const logged = stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { err: { message: string; stack: string } }).err);
  t.strictSame(
    logged.map(({ message }) => message),
    ['mounting failed: no such file', 'outer: mounting failed: no such file', 'text', 'a: b'],
  );
  t.match(logged[0]?.stack, /caused by: Error: no such file/);
});

t.test('in the journal each line begins with its priority, and nowhere else', async (t) => {
  const script = `
    import { daemonLogger } from ${JSON.stringify(LOGGER)};
    import { fstatSync } from 'node:fs';
    const { dev, ino } = fstatSync(1, { bigint: true });
    process.env.JOURNAL_STREAM = process.argv[1] === 'journal' ? \`\${dev}:\${ino}\` : '1:1';
    const logger = daemonLogger('kedge-agent', 'debug');
    for (const level of ['debug', 'info', 'warn', 'error', 'fatal']) logger.child({ pod: 'a' })[level]('said');`;
  const lines = (where: string): string[] =>
    spawnSync(process.execPath, ['--input-type=module', '-e', script, where], { encoding: 'utf8' })
      .stdout.trim()
      .split('\n');
  t.strictSame(
    lines('journal').map((line) => [line.slice(0, 3), (JSON.parse(line.slice(3)) as { level: string }).level]),
    [
      ['<7>', 'debug'],
      ['<6>', 'info'],
      ['<4>', 'warn'],
      ['<3>', 'error'],
      ['<2>', 'fatal'],
    ],
  );
  t.ok(lines('file').every((line) => line.startsWith('{')));
});
