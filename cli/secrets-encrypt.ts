import { randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import { isMap, isSeq, parseDocument, type Document } from 'yaml';
import { StatusError } from '../api/machinery/status-error.ts';
import { withDeadline } from '../client/deadline.ts';
import type { ApiClient } from '../client/api-client.ts';
import { readEncryptionConfiguration } from '../control-plane/store/encrypted/configuration.ts';
import type { EncryptionStatus, Reencrypted } from '../control-plane/store/encrypted/encrypted-store.ts';
import { writeFileAtomically } from '../daemon/atomic-file.ts';
import { KUBECONFIG_HELP, openCluster } from './cluster-access.ts';
import { SettingsError } from './settings.ts';
import { printable } from './output.ts';

const PATH = '/encryption';
/** A server looks at its file once a minute where the kernel does not tell it of changes. */
const RELOAD_LIMIT_MS = 90_000;
const LOOK_MS = 500;
/** A call reads everything, or writes for a third of this. */
const CALL_LIMIT_MS = 60_000;
const KEY_BYTES = 32;

interface Options {
  readonly kubeconfig?: string;
}

interface RotateOptions extends Options {
  readonly file: string;
}

async function call<T>(client: ApiClient, method: 'GET' | 'POST'): Promise<T> {
  try {
    const { body } = await client.request(method, PATH, { timeoutMs: CALL_LIMIT_MS });
    return JSON.parse(body) as T;
  } catch (error) {
    if (!(error instanceof StatusError) || error.code !== 404) throw error;
    throw new SettingsError(
      'the server encrypts nothing: it runs without --encryption-provider-config (docs/encryption.md)',
      { cause: error },
    );
  }
}

function print({ entries, objects, stale, unreadable }: EncryptionStatus): void {
  for (const { resources, writes, reads } of entries)
    console.log(`${resources.join(', ')}: written with ${printable(writes)}, read with ${reads.join(', ')}`);
  for (const [way, count] of Object.entries(objects)) console.log(`objects stored with ${printable(way)}: ${count}`);
  console.log(`objects to be encrypted again: ${stale.count}`);
  for (const key of stale.first) console.log(`  ${printable(key)}`);
  if (stale.count > stale.first.length) console.log(`  and ${stale.count - stale.first.length} more`);
  for (const { key, why } of unreadable) console.log(`cannot be read: ${printable(key)}: ${printable(why)}`);
}

async function status({ kubeconfig }: Options): Promise<void> {
  await using cluster = await openCluster(kubeconfig);
  print(await call<EncryptionStatus>(cluster.client, 'GET'));
}

async function reencrypt(client: ApiClient): Promise<void> {
  let count = 0;
  for (;;) {
    const { reencrypted, isComplete } = await call<Reencrypted>(client, 'POST');
    count += reencrypted;
    if (isComplete) break;
  }
  console.log(`objects encrypted again: ${count}`);
}

/** The text of a configuration with a new key in front of those of each first provider. Comments stay. Throws SettingsError. */
export function withNewKey(text: string, name: string, secret: string): string {
  readEncryptionConfiguration(text);
  const document: Document = parseDocument(text);
  const resources = document.get('resources');
  let added = 0;
  for (const entry of isSeq(resources) ? resources.items : []) {
    const providers = isMap(entry) ? entry.get('providers') : undefined;
    const first = isSeq(providers) ? providers.items[0] : undefined;
    for (const provider of ['aesgcm', 'aescbc', 'secretbox']) {
      const keys = isMap(first) ? first.getIn([provider, 'keys']) : undefined;
      if (!isSeq(keys)) continue;
      keys.items.unshift(document.createNode({ name, secret }));
      added++;
    }
  }
  if (added === 0)
    throw new SettingsError(
      'no entry has a key to be replaced: its first provider must be aesgcm, aescbc or secretbox',
    );
  const changed = document.toString({ lineWidth: 0 });
  readEncryptionConfiguration(changed);
  return changed;
}

/** Who has the keys that are written with: services, by their names, or the file itself. Throws SettingValueError. */
function keepersOf(text: string): { readonly services: readonly string[]; readonly hasKeys: boolean } {
  const { resources = [] } = readEncryptionConfiguration(text);
  const first = resources.flatMap(({ providers = [] }) => providers[0] ?? []);
  return {
    services: first.flatMap(({ kms }) => kms?.name ?? []),
    hasKeys: first.some(({ aesgcm, aescbc, secretbox }) => aesgcm ?? aescbc ?? secretbox),
  };
}

async function rotate({ kubeconfig, file }: RotateOptions): Promise<void> {
  await using cluster = await openCluster(kubeconfig);
  const { client } = cluster;
  await call<EncryptionStatus>(client, 'GET');
  const text = await readFile(file, 'utf8');
  const { services, hasKeys } = keepersOf(text);
  if (services.length > 0) console.log(`keys of ${services.join(', ')} are turned in the service itself`);
  if (hasKeys || services.length === 0) await addKey(client, file, text);
  await reencrypt(client);
  const now = await call<EncryptionStatus>(client, 'GET');
  const used = Object.keys(now.objects);
  // What a service has stored names the key, too.
  const isUsed = (way: string): boolean => used.some((one) => one === way || one.startsWith(`${way}:`));
  const unused = new Set(now.entries.flatMap(({ reads }) => reads.filter((one) => one !== 'identity' && !isUsed(one))));
  print(now);
  if (unused.size > 0)
    console.log(
      `no object uses ${[...unused].join(', ')} any more: remove them from ${file} in ten minutes, when the history is gone, too`,
    );
}

/** Adds a key to the configuration. Resolves when the server writes with it. */
async function addKey(client: ApiClient, file: string, text: string): Promise<void> {
  const name = `key-${new Date().toISOString().replace(/\D/g, '').slice(0, 14)}`;
  const changed = withNewKey(text, name, randomBytes(KEY_BYTES).toString('base64'));
  await writeFileAtomically(file, changed, (await stat(file)).mode & 0o777);
  console.log(`added ${name} to ${file}`);
  await withDeadline(
    { what: 'waiting for the server to use the new key', limitMs: RELOAD_LIMIT_MS },
    async (signal) => {
      for (;;) {
        const { entries } = await call<EncryptionStatus>(client, 'GET');
        if (entries.some(({ writes }) => writes.endsWith(`:${name}`))) return;
        await delay(LOOK_MS, undefined, { signal });
      }
    },
  );
}

/** `kedge secrets-encrypt`: the keys with which objects are encrypted in the store. */
export function secretsEncryptCommand(): Command {
  const subcommand = (name: string, description: string): Command =>
    new Command(name).description(description).option('--kubeconfig <file>', KUBECONFIG_HELP);
  return new Command('secrets-encrypt')
    .description('say which objects are encrypted with which keys, and change these')
    .addCommand(
      subcommand('status', 'show the keys, and which objects still use an old one').action((options: Options) =>
        status(options),
      ),
    )
    .addCommand(
      subcommand('reencrypt', 'store again what is not stored with the first key').action(
        async ({ kubeconfig }: Options) => {
          await using cluster = await openCluster(kubeconfig);
          await reencrypt(cluster.client);
        },
      ),
    )
    .addCommand(
      subcommand(
        'rotate',
        "on the server's host: add a new key to the configuration, and store everything again with it",
      )
        .requiredOption('--file <file>', 'the file of --encryption-provider-config')
        .action((options: RotateOptions) => rotate(options)),
    );
}
