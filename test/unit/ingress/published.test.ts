/**
 * `kedge ingress check` over manifests as people publish them: what is said about each annotation. The annotation `expected` of each says it, but for
 * what is taken as it is.
 */
import { execFile } from 'node:child_process';
import { glob, readFile } from 'node:fs/promises';
import path from 'node:path';
import t, { test } from 'tap';
import { parseAllDocuments } from 'yaml';
import type { CheckedIngress } from '../../../addons/ingress/check.ts';
import type { Ingress } from '../../../api/types/networking/v1.gen.ts';

t.setTimeout(120_000);
const FOLDER = path.join(import.meta.dirname, 'published');
const MAIN = path.join(import.meta.dirname, '../../../cli/main.ts');
const PREFIX = 'nginx.ingress.kubernetes.io/';
const files = (await Array.fromAsync(glob(`${FOLDER}/*.yaml`))).sort();

/** The exit code and output of the command. */
async function check(...args: string[]): Promise<{ code: unknown; stdout: string }> {
  const { promise, resolve } = Promise.withResolvers<{ code: unknown; stdout: string }>();
  execFile(process.execPath, [MAIN, 'ingress', 'check', ...args], { timeout: 60_000 }, (error, stdout) =>
    resolve({ code: error === null ? 0 : error.code, stdout }),
  );
  return promise;
}

test('a hundred manifests get the verdicts that they should', async (t) => {
  const { code, stdout } = await check('--output', 'json', ...files);
  t.equal(code, 2, 'some of it is refused');
  const checked = new Map((JSON.parse(stdout) as CheckedIngress[]).map((each) => [each.name, each.findings]));
  const manifests: Ingress[] = [];
  for (const file of files)
    for (const document of parseAllDocuments(await readFile(file, 'utf8'))) manifests.push(document.toJS() as Ingress);
  t.ok(manifests.length >= 100);
  t.equal(checked.size, manifests.length, 'each once');
  for (const { metadata } of manifests) {
    const findings = checked.get(`default/${metadata?.name}`) ?? [];
    const { expected = '', ...annotations } = metadata?.annotations ?? {};
    const said = findings
      .filter(({ verdict }) => verdict !== 'taken')
      .map(({ verdict, subject }) => `${verdict} ${subject.replace(PREFIX, '')}`);
    t.strictSame(new Set(said), new Set(expected.split(', ').filter((each) => each !== '')), metadata?.name ?? '');
    const subjects = new Set(findings.map(({ subject }) => subject));
    t.ok(
      Object.keys(annotations).every((name) => subjects.has(name)),
      'every annotation is spoken of',
    );
  }
});

test('the command exits with 0 when nothing is refused', async (t) => {
  const { code, stdout } = await check(path.join(FOLDER, 'plain.yaml'));
  t.equal(code, 0);
  t.match(stdout, 'Ingress default/blog\n  no annotations, nothing to say');
});
