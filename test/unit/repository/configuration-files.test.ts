/** Configuration files in the documents are accepted by what reads them. */
import { glob, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'tap';
import { readAuthenticationConfiguration } from '../../../control-plane/apiserver/access/authentication/oidc/configuration.ts';
import { readAuthorizationConfiguration } from '../../../control-plane/apiserver/access/authorization/configuration.ts';
import { AuditPolicy } from '../../../control-plane/apiserver/audit/policy.ts';
import { loadKubeconfig } from '../../../client/kubeconfig.ts';
import { loadS3Settings } from '../../../control-plane/backup/destinations/s3-settings.ts';
import { readInventory } from '../../../control-plane/inventory.ts';
import { readSchedulerConfiguration } from '../../../control-plane/scheduler/configuration/settings.ts';
import { readEncryptionConfiguration } from '../../../control-plane/store/encrypted/configuration.ts';
import { readTracingConfiguration } from '../../../daemon/tracing/configuration.ts';
import { codeOf } from '../../support/markdown.ts';

const ROOT = path.join(import.meta.dirname, '../../..');

/** Each reader rejects or throws when there is something wrong. */
interface Kind {
  /** What only blocks of this kind have. */
  readonly has: RegExp;
  readonly read: (text: string) => unknown;
}

/** @param folder for what is read from a file */
function kindsIn(folder: string): Kind[] {
  const fromFile = (read: (file: string) => unknown) => async (text: string) => {
    const [file, named] = [path.join(folder, 'configuration'), path.join(folder, 'named')];
    // What it names in turn.
    await writeFile(named, 'PEM');
    await writeFile(file, text.replaceAll(/\/etc\/kedge\/[\w.-]+/g, named));
    return read(file);
  };
  // 32 bytes.
  const key = `${'A'.repeat(43)}=`;
  return [
    { has: /^kind: AuthenticationConfiguration$/m, read: readAuthenticationConfiguration },
    { has: /^kind: AuthorizationConfiguration$/m, read: readAuthorizationConfiguration },
    {
      has: /^kind: EncryptionConfiguration$/m,
      read: (text) => readEncryptionConfiguration(text.replace('secret: ...', `secret: ${key}`)),
    },
    { has: /^kind: KubeSchedulerConfiguration$/m, read: readSchedulerConfiguration },
    { has: /^kind: TracingConfiguration$/m, read: readTracingConfiguration },
    { has: /^apiVersion: audit\.k8s\.io\/v1\nkind: Policy$/m, read: (text) => AuditPolicy.read(text) },
    { has: /^kind: Config$/m, read: fromFile(loadKubeconfig) },
    { has: /^hosts:$/m, read: readInventory },
    { has: /^secret-access-key: /m, read: fromFile(loadS3Settings) },
  ];
}

test('configuration files in the documents are valid', async (t) => {
  const kinds = kindsIn(t.testdir({}));
  const found = new Set<Kind>();
  for await (const file of glob('{docs/,}*.md', { cwd: ROOT }))
    for (const { language, text, line } of codeOf(await readFile(path.join(ROOT, file), 'utf8')).blocks) {
      const kind = kinds.find(({ has }) => language === 'yaml' && has.test(text));
      if (!kind) continue;
      found.add(kind);
      const read = async (): Promise<void> => void (await kind.read(text));
      await t.resolves(read, `${file}:${line}`);
    }
  t.equal(found.size, kinds.length, 'each kind has an example');
});
