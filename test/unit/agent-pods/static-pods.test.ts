/** Manifests found in practice in a static pod directory: copies, links, partial writes, pipes. */
import { spawnSync } from 'node:child_process';
import { mkdir, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import pino from 'pino';
import { test, type Test } from 'tap';
import { StaticPods } from '../../../agent/pods/sources/static-pods.ts';
import { eventually } from '../../support/wait.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly file: string;
  readonly pod?: string;
  /** Why a manifest was rejected, or what was ignored. */
  readonly err?: { readonly message: string };
  readonly problem?: string;
}

interface Folder {
  readonly directory: string;
  readonly lines: Line[];
  readonly warnings: string[];
  wanted(): readonly Pod[];
  /** Waits for these pods. */
  shows(...names: string[]): Promise<readonly Pod[]>;
  write(name: string, text: string): Promise<void>;
}

async function follow(
  t: Test,
  prepare: (directory: string) => void | Promise<void> = () => undefined,
  fileCheckFrequencyMs?: number,
): Promise<Folder> {
  const directory = path.join(t.testdir(), 'manifests');
  await prepare(directory);
  const lines: Line[] = [];
  const warnings: string[] = [];
  const write = (text: string): void => {
    const line = JSON.parse(text) as Line;
    lines.push(line);
    warnings.push(line.err?.message ?? line.problem ?? line.msg);
  };
  const logger = pino({ level: 'warn' }, { write });
  let last: readonly Pod[] | undefined;
  const end = new AbortController();
  const running = new StaticPods({ directory, nodeName: 'node-1', fileCheckFrequencyMs, logger }).run((wanted) => {
    last = wanted;
  }, end.signal);
  t.teardown(async () => {
    end.abort();
    await running;
  });
  await eventually('the directory to be read', () => last !== undefined);
  const names = () => (last ?? []).map(({ metadata }) => metadata?.name).join();
  return {
    directory,
    lines,
    warnings,
    wanted: () => last ?? [],
    shows: async (...expected) => {
      await eventually(
        `pods ${expected.join() || 'none'}`,
        () => {
          if (names() === expected.join()) return true;
          throw new Error(`${names()}; ${warnings.join('; ')}`);
        },
        15,
      );
      return last ?? [];
    },
    write: (name, text) => writeFile(path.join(directory, name), text),
  };
}

const manifest = (name: string, image = 'i', more = ''): string =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\nspec:\n  containers: [{name: a, image: ${image}}]\n${more}`;
const imageOf = (pod: Pod | undefined): string | undefined => pod?.spec?.containers[0]?.image;

test('a copy of a manifest does not replace its original', async (t) => {
  const folder = await follow(t);
  await folder.write('a.yaml-bak', manifest('a', 'old'));
  await folder.write('a.yaml', manifest('a', 'new'));
  const pods = await eventually('the copy to be rejected', () =>
    imageOf(folder.wanted()[0]) === 'new' && folder.warnings.length > 0 ? folder.wanted() : undefined,
  );
  t.equal(pods.length, 1);
  t.match(folder.warnings, [/^pod default\/a-node-1 is already defined in .*\/a\.yaml$/]);
});

test('an invalid edit keeps the pod for a while, until the file is deleted', async (t) => {
  const folder = await follow(t);
  await folder.write('a.yaml', manifest('a'));
  await folder.write('b.yaml', manifest('b'));
  await folder.shows('a-node-1', 'b-node-1');
  for (const broken of ['', 'apiVersion: v1\nkind: Pod\nmeta', manifest('Bad_Name'), 'x'.repeat(11 * 1024 * 1024)]) {
    const told = folder.warnings.length;
    await folder.write('a.yaml', broken);
    await eventually('the manifest to be rejected', () => folder.warnings.length > told, 15);
    await folder.shows('a-node-1', 'b-node-1');
  }
  await folder.write('a.yaml', manifest('a', 'other'));
  await eventually('the corrected manifest to be applied', () => imageOf(folder.wanted()[0]) === 'other', 15);
  await rm(path.join(folder.directory, 'a.yaml'));
  await folder.shows('b-node-1');
});

test('a manifest that stays invalid loses its pod until it is corrected', async (t) => {
  const folder = await follow(t, undefined, 300);
  await folder.write('a.yaml', manifest('a'));
  await folder.write('b.yaml', manifest('b'));
  await folder.shows('a-node-1', 'b-node-1');
  await folder.write('a.yaml', manifest('Bad_Name'));
  await folder.shows('b-node-1');
  const file = path.join(folder.directory, 'a.yaml');
  t.match(folder.lines, [
    {
      msg: 'static pod manifest rejected, removing its pod unless the manifest is corrected',
      file,
      pod: 'default/a-node-1',
      err: { message: /Bad_Name/ },
      removedAfterMs: 300,
    },
    { msg: 'removing static pod: its manifest is still invalid', file, pod: 'default/a-node-1' },
  ]);
  t.equal(folder.lines.length, 2, 'each is logged once');
  await folder.write('a.yaml', manifest('a'));
  await folder.shows('a-node-1', 'b-node-1');
});

test('the log distinguishes rejected manifests from partly ignored ones', async (t) => {
  const folder = await follow(t);
  const told = async (name: string, text: string): Promise<Line | undefined> => {
    const before = folder.lines.length;
    await folder.write(name, text);
    await eventually(`${name} in the log`, () => folder.lines.length > before, 15);
    t.equal(folder.lines.length, before + 1);
    return folder.lines[before];
  };
  const rejected = { level: 50, msg: 'static pod manifest rejected' };
  const ignored = { level: 40, msg: 'static pod runs, part of its manifest is ignored' };
  const at = (name: string) => path.join(folder.directory, name);
  t.match(await told('a.yaml', manifest('Bad_Name')), {
    ...rejected,
    file: at('a.yaml'),
    err: { message: /Bad_Name/ },
  });
  t.match(await told('b.yaml', manifest('b', 'i', '  nonsense: 1\n')), {
    ...ignored,
    file: at('b.yaml'),
    pod: 'default/b-node-1',
    problem: /unknown field "spec\.nonsense"/,
  });
  t.match(await told('c.yaml', `# of a chart\n---\n${manifest('c')}---\n${manifest('d')}`), {
    ...ignored,
    file: at('c.yaml'),
    pod: 'default/c-node-1',
    problem: 'only the first YAML document of a file is read',
  });
  await folder.shows('b-node-1', 'c-node-1');
  await folder.write('e.yaml', `---\n${manifest('e')}---\n# the end\n...\n`);
  await folder.shows('b-node-1', 'c-node-1', 'e-node-1');
  t.equal(folder.lines.length, 3, 'an empty document is not a second one');
});

test("comments, blanks and the order of fields do not change a pod's uid", async (t) => {
  const folder = await follow(t);
  await folder.write('a.yaml', manifest('a'));
  const [first] = await folder.shows('a-node-1');
  await folder.write(
    'a.yaml',
    `# a note\nkind: Pod\napiVersion: v1\n\nspec:\n  containers:\n  - image: i\n    name: a\nmetadata:\n  name: a\n`,
  );
  await folder.write('b.yaml', manifest('b'));
  const [second] = await folder.shows('a-node-1', 'b-node-1');
  t.equal(second?.metadata?.uid, first?.metadata?.uid);
  await folder.write('a.yaml', manifest('a', 'other'));
  await eventually('another pod', () => folder.wanted()[0]?.metadata?.uid !== first?.metadata?.uid, 15);
});

test('symbolic links are followed; pipes, directories and broken links block no other manifest', async (t) => {
  const folder = await follow(t, async (directory) => {
    await mkdir(path.join(directory, 'folder'), { recursive: true });
    await symlink('/nowhere', path.join(directory, 'dangling.yaml'));
    await writeFile(path.join(directory, '../elsewhere'), manifest('linked'));
    await symlink('../elsewhere', path.join(directory, 'link.yaml'));
    t.equal(spawnSync('mkfifo', [path.join(directory, 'pipe.yaml')]).status, 0);
    await symlink('/dev/zero', path.join(directory, 'device.yaml'));
    await writeFile(path.join(directory, 'huge.yaml'), '');
    await truncate(path.join(directory, 'huge.yaml'), 2 ** 40);
    await symlink('loop.yaml', path.join(directory, 'loop.yaml'));
  });
  await folder.write('.hidden.yaml', manifest('hidden'));
  await folder.write('#z.yaml#', manifest('z', 'unsaved'));
  await folder.write('z.yaml', manifest('z'));
  const [, z] = await folder.shows('linked-node-1', 'z-node-1');
  t.equal(imageOf(z), 'i', 'a file being edited is not the saved one');
  t.match(folder.warnings.sort(), [
    'broken symbolic link: its target /nowhere does not exist',
    /^cannot read the file: ELOOP: too many symbolic links/,
    /^cannot read the file: larger than \d+ bytes/,
    'cannot read the file: not a regular file',
    'cannot read the file: not a regular file',
  ]);
  const files = folder.lines.map(({ msg, file }) => `${msg}: ${path.basename(file)}`).sort();
  t.strictSame(
    files,
    ['dangling', 'device', 'huge', 'loop', 'pipe'].map((name) => `static pod manifest rejected: ${name}.yaml`),
  );
  await rm(path.join(folder.directory, '../elsewhere'));
  await folder.write('w.yaml', manifest('w'));
  await folder.shows('w-node-1', 'z-node-1');
});

test('uid and other identity fields of a manifest are ignored', async (t) => {
  const folder = await follow(t);
  const forged =
    '{name: f, uid: ../../x, finalizers: [a.io/b], annotations: {kubernetes.io/config.mirror: x, mine: own}}';
  const text = manifest('f', 'i', '  priorityClassName: system-node-critical\n').replace('{name: f}', forged);
  await folder.write('f.yaml', text);
  const [pod] = await folder.shows('f-node-1');
  t.match(pod?.metadata?.uid, /^[0-9a-f]{32}$/);
  t.strictSame(Object.keys(pod?.metadata?.annotations ?? {}).sort(), [
    'kubernetes.io/config.hash',
    'kubernetes.io/config.seen',
    'kubernetes.io/config.source',
    'mine',
  ]);
  t.equal(pod?.metadata?.finalizers, undefined);
  t.equal(pod?.spec?.priority, 2_000_001_000, 'as resolved by the api-server');
});

test('a manifest is decoded like a request: YAML 1.1, defaults, validation', async (t) => {
  const folder = await follow(t);
  const spec = [
    '  hostNetwork: no',
    '  initContainers: [&i {name: i, image: x}, {<<: *i, name: j}]',
    '  volumes: [{name: d, downwardAPI: {defaultMode: 0440, items: [{path: l, fieldRef: {fieldPath: metadata.labels}}]}}]',
  ];
  await folder.write('odd.yaml', manifest('odd', 'i', `${spec.join('\n')}\n`));
  await folder.write('num.yaml', manifest('num', 'i, env: [{name: PORT, value: 8080}]'));
  await folder.write('policy.yaml', manifest('policy', 'i, imagePullPolicy: IfNotPresnt'));
  await folder.write('name.yaml', manifest('Bad_Name'));
  const [odd] = await folder.shows('odd-node-1');
  t.not(odd?.spec?.hostNetwork, true);
  t.match(odd?.spec, {
    restartPolicy: 'Always',
    initContainers: [{ image: 'x' }, { name: 'j', image: 'x' }],
    volumes: [{ downwardAPI: { defaultMode: 0o440 } }],
  });
  await eventually('three refusals', () => folder.warnings.length === 3);
});

test('a replaced directory is watched again', async (t) => {
  const folder = await follow(t);
  await folder.write('a.yaml', manifest('a'));
  await folder.shows('a-node-1');
  const next = `${folder.directory}.next`;
  await mkdir(next);
  await writeFile(path.join(next, 'b.yaml'), manifest('b'));
  await rm(folder.directory, { recursive: true });
  await folder.shows();
  await rename(next, folder.directory);
  await folder.shows('b-node-1');
  await folder.write('c.yaml', manifest('c'));
  await folder.shows('b-node-1', 'c-node-1');
});

test('an unreadable directory removes no pods', async (t) => {
  const directory = path.join(t.testdir({ file: '' }), 'file', 'manifests');
  const warnings: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => warnings.push(line) });
  const end = new AbortController();
  let calls = 0;
  const running = new StaticPods({ directory, nodeName: 'n', logger }).run(() => calls++, end.signal);
  await eventually('the failure in the log', () => warnings.length > 0);
  end.abort();
  await running;
  t.equal(calls, 0);
});

test('pods that reference API objects are rejected', async (t) => {
  const folder = await follow(t);
  const volume = (source: string) => manifest('a', 'i', `  volumes: [{name: v, ${source}}]\n`);
  const cases: [text: string, resource: string][] = [
    [manifest('a', 'i', '  serviceAccountName: web\n'), 'serviceaccounts'],
    [manifest('a', 'i', '  imagePullSecrets: [{name: s}]\n'), 'secrets'],
    [manifest('a', 'i', '  resourceClaims: [{name: c, resourceClaimName: c}]\n'), 'resourceclaims'],
    [volume('configMap: {name: c}'), 'configmaps'],
    [volume('persistentVolumeClaim: {claimName: c}'), 'persistentvolumeclaims'],
    [volume('projected: {sources: [{serviceAccountToken: {path: t}}]}'), 'serviceaccounts \\(via projected volumes\\)'],
  ];
  for (const [text, resource] of cases) {
    const told = folder.warnings.length;
    await folder.write('a.yaml', text);
    await eventually(`${resource} to be refused`, () => folder.warnings.length > told, 15);
    t.match(folder.warnings.at(-1), new RegExp(`^static pods may not reference ${resource}`));
  }
  t.strictSame(folder.wanted(), []);
});
