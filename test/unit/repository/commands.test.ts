/** Command lines, settings and paths that the documents name are those of the program, and all of its commands and settings are named. */
import { glob, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'tap';
import { parse } from 'yaml';
import { isJsonObject } from '../../../api/machinery/own.ts';
import { suggestion } from '../../../cli/nearest.ts';
import { environmentKey, kebab } from '../../../cli/setting-names.ts';
import { codeOf, type MarkdownCode } from '../../support/markdown.ts';
import {
  commandLinesOf,
  commandLinesOfMarkdown,
  commands,
  DAEMONS,
  isGroup,
  problemsOf,
  settingsProblems,
} from './command-lines.ts';

const ROOT = path.join(import.meta.dirname, '../../..');
const read = (file: string): Promise<string> => readFile(path.join(ROOT, file), 'utf8');
const filesOf = (...patterns: string[]): Promise<string[]> => Array.fromAsync(glob(patterns, { cwd: ROOT }));
const textOf = async (...patterns: string[]): Promise<string> =>
  (await Promise.all((await filesOf(...patterns)).map(read))).join('\n');

interface Document {
  readonly file: string;
  readonly text: string;
  readonly code: MarkdownCode;
}
const documents: Document[] = await Promise.all(
  (await filesOf('*.md', '{docs,addons,examples}/**/*.md')).map(async (file) => {
    const text = await read(file);
    return { file, text, code: codeOf(text) };
  }),
);

const settingNames = [...DAEMONS].flatMap(([, { defaults }]) => Object.keys(defaults));
const settingKeys: ReadonlySet<string> = new Set(settingNames.map(kebab));

test('the program takes every command line of the documents and units', async (t) => {
  // What processes of Kedge start each other with, and nobody types.
  const helpers = new Set([...(await read('cli/main.ts')).matchAll(/name === '([\w-]+)'/g)].map(([, name]) => name));
  const check = async (file: string, lines: ReturnType<typeof commandLinesOf>): Promise<void> => {
    for (const line of lines)
      if (!helpers.has(line.words[0]))
        t.same(await problemsOf(line), [], `${file}:${line.line}: kedge ${line.words.join(' ')}`);
  };
  for (const { file, text } of documents) await check(file, commandLinesOfMarkdown(text));
  for (const file of await filesOf('systemd/*', 'scripts/**/*.sh', 'examples/*')) {
    const text = await read(file);
    const plain = text.replaceAll(/^Exec\w+=[-+@!]*/gm, '');
    await check(file, commandLinesOf(plain, false, 1));
    await check(file, file.endsWith('.sh') ? [] : commandLinesOfMarkdown(text.replaceAll(/^#+ ?/gm, '')));
  }
});

test('what is wrong with a command line is found', async (t) => {
  const problems = async (text: string, isMention = false) =>
    (await Promise.all(commandLinesOf(text, isMention, 1).map(problemsOf))).flat();
  t.same(await problems('sudo kedge certs list | grep ca && kedge why pod web # why'), []);
  t.same(await problems('kedge certs list|rotate', true), []);
  t.same(await problems('kedge store migrate', true), []);
  t.same(await problems('kedge console token [--user NAME]', true), []);
  t.same(await problems('# kedge images\nkedge moves'), []);
  t.match(await problems('kedge server --oidc-isuer-url https://a'), [/unknown option '--oidc-isuer-url'/]);
  t.match(await problems('kedge agent --proxy-mode ebpf'), [/--proxy-mode must be one of/]);
  t.match(await problems('kedge server --port many', true), []);
  t.match(await problems('true; kedge token make'), [/too many arguments|unknown command/]);
  t.match(await problems('export T=$(kedge token create --tll 1h)'), [/unknown option '--tll'/]);
  t.match(await problems('kedge backup \\\n  save --from x'), [/unknown option '--from'/]);
  t.match(await problems('kedge token create --ttl'), [/argument missing/]);
  t.match(await problems('kedge store migrate --from etcd'), [/required option/]);
  t.match(await problems('kedge certs'), ['a subcommand is missing']);
  t.match(await problems('kedge ps web app', true), [/too many arguments/]);
});

test('README lists every command', async (t) => {
  const text = await read('README.md');
  const rows = text.slice(text.indexOf('\n## Commands'), text.indexOf('\n## Features')).split('\n');
  const listed = new Set<string>();
  for (const row of rows) {
    let path = '';
    for (const { text: code } of codeOf(/^\| (.*?) \| /.exec(row)?.[1] ?? '').inline) {
      // `kedge server join`, `leave`: the second one is beside the first.
      const words = code.startsWith('kedge ') ? code : `kedge ${path.split(' ').slice(0, -1).join(' ')} ${code}`;
      if (!code.startsWith('-')) path = '';
      for (const word of words.split(' ').slice(1))
        if (commands.has(`${path} ${word}`.trim())) path = `${path} ${word}`.trim();
      listed.add(path);
    }
  }
  for (const [name, command] of commands) if (!isGroup(command)) t.ok(listed.has(name), `kedge ${name}`);
});

/** What is written beside Kedge's own flags, as `--inspect` of Node.js: flags of others that stand alone. */
const FLAGS_OF_OTHERS: ReadonlySet<string> = new Set([
  // kube-apiserver's, of which a document says that they are not there.
  '--audit-log-mode',
  '--audit-log-truncate-enabled',
  '--etcd-servers-overrides',
  // etcd's.
  '--client-cert-auth',
  '--max-request-bytes',
  // The kubelet's and kube-controller-manager's.
  '--bootstrap-kubeconfig',
  '--kube-api-content-type',
  '--leader-elect',
  // Node.js'.
  '--trace-gc',
]);

test('flags that the documents name exist', async (t) => {
  const ours = new Set([...commands.values()].flatMap(({ options }) => options.flatMap(({ long }) => long ?? [])));
  const scripts = new Set((await textOf('scripts/**/*.{sh,ts}')).match(/(?<![\w-])--[a-z][\w-]*/g));
  const known = new Set([...ours, ...scripts, ...FLAGS_OF_OTHERS]);
  // Decisions tell of other programs.
  for (const { file, code } of documents.filter(({ file }) => !file.startsWith('docs/decisions/')))
    for (const { text, line } of code.inline) {
      // `--drop-...` are all that begin so.
      const [flag = '', end] = /^--[a-z][\w-]*?(?=(-(?:\.\.\.|\*))?$|[ =])/.exec(text) ?? [];
      const exists = end === undefined ? known.has(flag) : [...ours].some((each) => each.startsWith(`${flag}-`));
      if (text.startsWith('--')) t.ok(exists, `${file}:${line}: ${text}`);
    }
});

test('variables that the documents name are settings, or of the tests and benchmarks', async (t) => {
  const known = new Set([
    'KEDGE_CONFIG',
    ...settingNames.map(environmentKey),
    ...((await textOf('{bench,test,scripts}/**/*.ts')).match(/\bKEDGE_[A-Z]+(?:_[A-Z]+)*\b/g) ?? []),
  ]);
  for (const { file, text } of documents)
    for (const [name] of text.matchAll(/\bKEDGE_[A-Z]+(?:_[A-Z]+)*\b/g)) t.ok(known.has(name), `${file}: ${name}`);
});

/** Of the daemon whose settings they are; undefined when they are nobody's. */
const declarationOf = (keys: readonly string[]) =>
  [...DAEMONS.values()].find(({ defaults }) => Object.keys(defaults).some((name) => keys.includes(kebab(name))));
/** Each as a flag has it. Throws when a key is unknown. */
function asFlags(settings: Readonly<Record<string, unknown>>, where: string): Record<string, unknown> {
  const declaration = declarationOf(Object.keys(settings));
  const byKey = new Map(Object.keys(declaration?.defaults ?? {}).map((name) => [kebab(name), name]));
  return Object.fromEntries(
    Object.entries(settings).map(([key, value]) => {
      const name = byKey.get(key);
      if (name === undefined) throw new Error(`${where}: unknown setting ${key}${suggestion(key, byKey.keys())}`);
      return [name, value];
    }),
  );
}

/** What a block or a line of one is as settings, with where they are said to be written. */
function* settingsIn({ code }: Document): Generator<{ text: string; line: number }> {
  for (const { language, text, line } of code.blocks) {
    if (language === 'yaml' && !/^apiVersion:/m.test(text)) yield { text, line };
    for (const [, document = ''] of text.matchAll(/>\S*\.yaml <<END\n(.*?)\nEND$/gms)) yield { text: document, line };
    for (const [, setting = ''] of text.matchAll(/^echo '([^']*)' >>\S*\.yaml$/gm)) yield { text: setting, line };
  }
  for (const { text, line } of code.inline) if (/^[a-z][a-z-]*: [^:]+$/.test(text)) yield { text, line };
}

test('settings that the documents set exist, and have values that the daemons take', async (t) => {
  let count = 0;
  for (const document of documents)
    for (const { text, line } of settingsIn(document)) {
      const settings: unknown = parse(text, { logLevel: 'error' });
      const declaration = isJsonObject(settings) ? declarationOf(Object.keys(settings)) : undefined;
      if (!isJsonObject(settings) || !declaration) continue;
      count++;
      const where = `${document.file}:${line}`;
      t.same(await settingsProblems(declaration, asFlags(settings, where)), [], `${where}: ${text}`);
    }
  t.ok(count > 10);
});

test('tables of settings and what reads like a setting name settings', async (t) => {
  let rows = 0;
  for (const { file, text, code } of documents) {
    let isTable = false;
    for (const [index, line] of text.split('\n').entries()) {
      isTable = line.startsWith('|') && (isTable || /^\| setting(?: of the \w+)? \|/.test(line));
      if (!isTable) continue;
      for (const { text: key } of codeOf(line.split('|')[1] ?? '').inline) {
        rows++;
        t.ok(settingKeys.has(key.replace(/^--/, '').replace(/: .*/, '')), `${file}:${index + 1}: ${key}`);
      }
    }
    for (const { text: word, line } of code.inline)
      if (/^[a-z]+(?:-[a-z]+){2,}$/.test(word) && !settingKeys.has(word))
        t.equal(suggestion(word, settingKeys), '', `${file}:${line}: ${word}`);
  }
  t.ok(rows > 100);
});

test('messages and comments name commands and options that exist', async (t) => {
  let count = 0;
  for (const file of await filesOf('{agent,control-plane,cli,addons}/**/*.ts', 'scripts/*.sh', 'systemd/*'))
    // `kedge etcd recover --yes`, up to where prose goes on.
    for (const [whole, said = '', flags = ''] of (await read(file)).matchAll(
      /\bkedge((?: [a-z][a-z-]*)+)((?: --[a-z][a-z-]*[a-z](?![a-z-])(?: [A-Z]+)?)*)/g,
    )) {
      const words = said.trim().split(' ');
      const length = words.findLastIndex((_, index) => commands.has(words.slice(0, index + 1).join(' '))) + 1;
      const command = commands.get(words.slice(0, length).join(' '));
      if (!command) continue;
      count++;
      t.ok(length === words.length || !isGroup(command), `${file}: ${whole} has a subcommand`);
      if (length < words.length) continue;
      const options = new Set(['--help', ...command.options.map(({ long }) => long)]);
      for (const [flag] of flags.matchAll(/--[a-z-]+/g)) t.ok(options.has(flag), `${file}: ${whole}: ${flag}`);
    }
  t.ok(count > 100);
});

test('docs/settings.md has every setting', async (t) => {
  const text = await read('docs/settings.md');
  for (const [command, { defaults }] of DAEMONS) {
    const [, section = ''] = text.split(`\n## \`kedge ${command}\`\n`);
    const keys = [...(section.split('\n## ')[0] ?? '').matchAll(/^\| `([^`]+)` \|/gm)].map(([, key]) => key);
    t.same(keys, Object.keys(defaults).map(kebab), command);
  }
});

test('files that the documents name in the data directories are those of the code', async (t) => {
  const code = await textOf('{agent,control-plane,cli}/**/*.ts');
  const names = new Set(code.match(/(?<=['"`/])[\w.-]+(?=['"`/])/g));
  for (const { file, text } of documents)
    for (const [whole, below = ''] of text.matchAll(/\/var\/lib\/kedge\/(?:server|agent)\/([\w./-]*\w)/g))
      for (const part of below.split('/')) {
        // `ca.crt` may be made of `ca`; a file that all servers have is named as the setting that names it.
        const isKnown = names.has(part) || names.has(part.split('.')[0] ?? '') || settingKeys.has(part);
        t.ok(isKnown, `${file}: ${whole}`);
      }
});

test('files that the documents name in /etc/kedge are known to the code, or what a setting is said to name', async (t) => {
  const known = (await textOf('{agent,control-plane,cli}/**/*.ts', 'scripts/*.sh', 'systemd/*')).replaceAll(
    '$config/',
    '/etc/kedge/',
  );
  const named = /(?<=(?:--[a-z][a-z0-9-]+|[a-z][a-zA-Z-]*:)[ =])\/etc\/kedge\/[\w./-]*\w/g;
  const chosen = new Set(documents.flatMap(({ text }) => text.match(named) ?? []));
  for (const { file, text } of documents)
    for (const [whole] of text.matchAll(/\/etc\/kedge\/[\w./-]*\w/g))
      t.ok(known.includes(whole) || chosen.has(whole), `${file}: ${whole}`);
});
