import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import { loadSettings, SettingsError } from '../../cli/settings.ts';

const defaults = { dataDir: '/var/lib/x', port: 6443, tlsSan: [] as readonly string[], verbose: false };

t.test('a flag wins over the file, the file over the environment, the environment over the default', async (t) => {
  const file = path.join(t.testdir({}), 's.yaml');
  await writeFile(file, 'port: 2\ndata-dir: /file\ntls-san: [a, b]\n');
  const environment = { KEDGE_PORT: '3', KEDGE_DATA_DIR: '/env', KEDGE_VERBOSE: 'true' };
  t.same(await loadSettings(defaults, { config: file, port: '1' }, environment), {
    port: 1,
    dataDir: '/file',
    tlsSan: ['a', 'b'],
    verbose: true,
  });
  t.same(await loadSettings(defaults, {}, {}), defaults);
});

t.test('what cannot be used is one sentence that says where', async (t) => {
  const folder = t.testdir({ unknown: 'data-dri: /x\n', list: '- a\n', broken: 'a: [', type: 'port: many\n' });
  const load = (name: string) => loadSettings(defaults, { config: path.join(folder, name) }, {});
  await t.rejects(
    load('unknown'),
    new SettingsError(`${folder}/unknown: there is no setting "data-dri"; the nearest is "data-dir"`),
  );
  await t.rejects(load('list'), new SettingsError(`${folder}/list must hold settings as "key: value" lines`));
  await t.rejects(load('broken'), { message: /is not valid YAML/ });
  await t.rejects(load('type'), new SettingsError(`${folder}/type: port must be a number, not "many"`));
  await t.rejects(load('missing'), { message: /cannot read the settings file .*missing/ });
  await t.rejects(
    loadSettings(defaults, {}, { KEDGE_PORT: '' }),
    new SettingsError('KEDGE_PORT must be a number, not ""'),
  );
});
