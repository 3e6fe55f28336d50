/**
 * Writes `docs/api-resources.md`, the list of what the api-server serves, from the registry of kinds. With `--check` it writes nothing and
 * fails when the list is stale.
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { kinds } from '../api/registry.ts';
import { apiVersionOf } from '../api/machinery/define-kind.ts';
import type { Kind } from '../api/machinery/kind.ts';

const FILE = path.resolve(import.meta.dirname, '../docs/api-resources.md');

const HEADER = `# API resources

Generated from \`api/registry.ts\` by \`npm run generate\`. These resources are served by every api-server; CustomResourceDefinitions and
APIServices add others.

| API version | resource | kind | short names | scope | verbs | subresources |
| --- | --- | --- | --- | --- | --- | --- |
`;

const row = (kind: Kind): string =>
  [
    apiVersionOf(kind),
    kind.plural,
    kind.kind,
    kind.shortNames.join(', '),
    kind.namespaced ? 'namespace' : 'cluster',
    [...kind.verbs].sort().join(', '),
    kind.subresources
      .map(({ name }) => name)
      .sort()
      .join(', '),
  ].join(' | ');

const text = `${HEADER}${kinds
  .map((kind) => `| ${row(kind)} |\n`)
  .sort()
  .join('')}`;

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
if (!values.check) {
  await writeFile(FILE, text);
} else if ((await readFile(FILE, 'utf8').catch(() => '')) !== text) {
  console.error('docs/api-resources.md is stale: run `npm run generate`');
  process.exitCode = 1;
}
