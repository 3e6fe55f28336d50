/**
 * Writes `docs/settings.md`, the list of all settings of the daemons, from what the daemons declare. With `--check` it writes nothing and
 * fails when the list is stale.
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { ingressSettings } from '../addons/ingress/config.ts';
import { agentSettings } from '../agent/config.ts';
import { hollowSettings } from '../agent/hollow/config.ts';
import { kebab } from '../cli/setting-names.ts';
import { serverSettings } from '../control-plane/config.ts';
import { own } from '../api/machinery/own.ts';

const FILE = path.resolve(import.meta.dirname, '../docs/settings.md');

const HEADER = `# Settings

Generated from the settings that the daemons declare by \`npm run generate\`; \`kedge server --help\` and the others print the same.

A setting is a flag (\`--node-labels a=1,b=2\`), a key of the YAML file that \`--config\` names (\`node-labels: [a=1, b=2]\`) or a variable
(\`KEDGE_NODE_LABELS=a=1,b=2\`); the first of these that gives it a value counts. \`kedge hollow\` reads no variables. The units read
\`/etc/kedge/server.yaml\` and \`/etc/kedge/agent.yaml\`. Lists are YAML lists in the file, and separated by commas elsewhere. What is
misspelled is refused, but in a variable, of which the log warns. Daemons read their settings when they start ([host-life.md](host-life.md)).
`;

interface Declaration {
  readonly defaults: Readonly<Record<string, unknown>>;
  readonly help: Readonly<Record<string, string>>;
}

/** Other documents are beside this one. */
const linked = (help: string): string => help.replaceAll(/docs\/([\w-]+\.md)/g, '[$1]($1)').replaceAll('|', '\\|');
const shown = (value: unknown): string => {
  const text = Array.isArray(value) ? value.join(',') : String(value);
  return text === '' ? '' : `\`${text}\``;
};

const table = ([title, { defaults, help }]: readonly [string, Declaration]): string =>
  `\n## \`${title}\`\n\n| setting | default | |\n| --- | --- | --- |\n${Object.entries(defaults)
    .map(([name, value]) => `| \`${kebab(name)}\` | ${shown(value)} | ${linked(own(help, name) ?? '')} |\n`)
    .join('')}`;

const text =
  HEADER +
  (
    [
      ['kedge server', serverSettings],
      ['kedge agent', agentSettings],
      ['kedge ingress-controller', ingressSettings],
      ['kedge hollow', hollowSettings],
    ] as const
  )
    .map(table)
    .join('');

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
if (!values.check) {
  await writeFile(FILE, text);
} else if ((await readFile(FILE, 'utf8').catch(() => '')) !== text) {
  console.error('docs/settings.md is stale: run `npm run generate`');
  process.exitCode = 1;
}
