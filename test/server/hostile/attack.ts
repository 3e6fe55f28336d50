/** Sends the rows of a table one after the other, and checks after each whether the server is still up. */
import type { Test } from 'tap';
import type { Attacked } from './attacked-process.ts';
import { send, sendBytes, type Answer } from './send.ts';
import type { Expected, HostileBytes, HostileRequest } from './table.ts';

interface Status {
  readonly kind?: string;
  readonly reason?: string;
  readonly message?: string;
}

const shown = (text: string): string => (text.length > 600 ? `${text.slice(0, 600)}...` : text);
const fits = (value: string, wanted: string | RegExp): boolean =>
  typeof wanted === 'string' ? value === wanted : wanted.test(value);

/** How a response differs from the expected one; empty when it does not. */
function differences({ code, headers, text }: Answer, expected: Expected): string[] {
  const found: string[] = [];
  const compare = (what: string, value: string, wanted: string | RegExp | undefined): void => {
    if (wanted !== undefined && !fits(value, wanted))
      found.push(`${what} ${JSON.stringify(shown(value))}, not ${wanted}`);
  };
  if (code !== expected.code) found.push(`code ${code}, not ${expected.code}: ${shown(text)}`);
  if (expected.reason !== undefined || expected.message !== undefined) {
    let body: Status = {};
    try {
      body = JSON.parse(text) as Status;
    } catch {
      found.push(`no JSON: ${shown(text)}`);
    }
    compare('kind', body.kind ?? '', 'Status');
    compare('reason', body.reason ?? '', expected.reason);
    compare('message', body.message ?? '', expected.message);
  }
  compare('body', text, expected.text);
  for (const [name, wanted] of Object.entries(expected.headers ?? {}))
    compare(name, [headers[name] ?? []].flat().join(', '), wanted);
  return found;
}

const unanswered = (error: unknown): string[] => [
  `no answer: ${error instanceof Error ? error.message : String(error)}`,
];

/** Asserts every row of a table. `started` is called for a server before each row: one that no longer responds is replaced. */
export async function attack(
  t: Test,
  started: () => Promise<Attacked>,
  rows: readonly (HostileRequest | HostileBytes)[],
): Promise<void> {
  for (const row of rows) {
    const server = await started();
    const found = 'bytes' in row ? await sendRawRow(server, row) : await sendRow(server, row);
    if (!(await server.stands())) found.push('the server no longer responds');
    found.push(...(await server.failures()).map((line) => `the log says ${shown(line)}`));
    t.strictSame(found, [], row.name);
  }
}

const sendRow = (server: Attacked, row: HostileRequest): Promise<string[]> =>
  send(server.target, row).then((answer) => differences(answer, row.expect), unanswered);

async function sendRawRow(server: Attacked, row: HostileBytes): Promise<string[]> {
  try {
    const { text, closed } = await sendBytes(server.target, row);
    const found = row.answer.test(text) ? [] : [`answer ${JSON.stringify(shown(text))}, not ${row.answer}`];
    if (row.closes && !closed) found.push('the connection stays open');
    return found;
  } catch (error) {
    return unanswered(error);
  }
}
