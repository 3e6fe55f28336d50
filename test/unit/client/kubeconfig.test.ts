import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { stringify } from 'yaml';
import { KubeconfigError, loadKubeconfig, parseKubeconfig } from '../../../client/kubeconfig.ts';

const pem = '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n';
const base64 = Buffer.from(pem).toString('base64');
const file = (cluster: object, user: object, more: object = {}): string =>
  stringify({
    'current-context': 'main',
    contexts: [{ name: 'main', context: { cluster: 'c', user: 'u', namespace: 'team' } }],
    clusters: [{ name: 'c', cluster: { server: 'https://host:6443', ...cluster } }],
    users: [{ name: 'u', user }],
    ...more,
  });

t.test('reads inline data, files relative to the kubeconfig, and tokens', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'client-kubeconfig-'));
  t.teardown(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'ca.crt'), pem);
  const path = join(folder, 'config');
  await writeFile(
    path,
    file(
      { 'certificate-authority': 'ca.crt' },
      { 'client-certificate-data': base64, 'client-key-data': base64, tokenFile: 'token' },
    ),
  );
  t.match(await loadKubeconfig(path), {
    server: 'https://host:6443',
    ca: pem,
    cert: pem,
    key: pem,
    tokenFile: join(folder, 'token'),
    namespace: 'team',
  });
});

t.test('errors are one sentence with the name of the file', async (t) => {
  const wrong = async (text: string, message: string | RegExp, context?: string) =>
    t.rejects(parseKubeconfig(text, '/k', context), { name: KubeconfigError.name, message });
  await wrong('a: [', /is not valid YAML/);
  await wrong('', 'kubeconfig /k: is empty');
  await wrong('clusters: []', 'kubeconfig /k: has no current-context');
  await wrong(file({}, {}), 'kubeconfig /k: has no context "other"', 'other');
  await wrong(
    file({}, {}, { clusters: [] }),
    'kubeconfig /k: context "main" names the cluster "c", which does not exist',
  );
  await wrong(file({ server: 'nonsense' }, {}), 'kubeconfig /k: the server "nonsense" is not a URL');
  await wrong(
    file({ 'certificate-authority': '/nope' }, {}),
    'certificate-authority of kubeconfig /k: /nope does not exist',
  );
  await wrong(
    file({ 'certificate-authority-data': 'AAAA' }, {}),
    'kubeconfig /k: certificate-authority-data is not PEM in base64',
  );
  await wrong(
    file({}, { 'client-key-data': base64 }),
    'kubeconfig /k: user "u" has a client key without a certificate',
  );
  await t.rejects(loadKubeconfig('/nope/config'), {
    message: 'kubeconfig: /nope/config does not exist',
  });
});
