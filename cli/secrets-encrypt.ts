import { randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import { StatusError } from '../api/machinery/status-error.ts';
import { withDeadline } from '../client/deadline.ts';
import type { ApiClient } from '../client/api-client.ts';
import { readEncryptionConfiguration } from '../control-plane/store/encrypted/configuration.ts';
import type { EncryptionStatus, Reencrypted } from '../control-plane/store/encrypted/encrypted-store.ts';
import { writeFileAtomically } from '../daemon/atomic-file.ts';
import { KUBECONFIG_HELP, openCluster, openServer, serversOf } from './cluster-access.ts';
import {
  newKeyName,
  nextStep,
  preparedKey,
  withKeyFirst,
  withNewKey,
  type RotationStep,
  type ServersKeys,
} from './encryption-keys.ts';
import { SettingsError } from './settings.ts';
import { print, printable } from './output.ts';

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

function tell({ entries, objects, stale, unreadable }: EncryptionStatus): void {
  for (const { resources, writes, reads } of entries)
    print(`${resources.join(', ')}: written with ${printable(writes)}, read with ${reads.join(', ')}`);
  for (const [way, count] of Object.entries(objects)) print(`objects stored with ${printable(way)}: ${count}`);
  print(`objects to be encrypted again: ${stale.count}`);
  for (const key of stale.first) print(`  ${printable(key)}`);
  if (stale.count > stale.first.length) print(`  and ${stale.count - stale.first.length} more`);
  for (const { key, why } of unreadable) print(`cannot be read: ${printable(key)}: ${printable(why)}`);
}

async function status({ kubeconfig }: Options): Promise<void> {
  await using cluster = await openCluster(kubeconfig);
  tell(await call<EncryptionStatus>(cluster.client, 'GET'));
}

async function reencrypt(client: ApiClient): Promise<void> {
  let count = 0;
  for (;;) {
    const { reencrypted, isComplete } = await call<Reencrypted>(client, 'POST');
    count += reencrypted;
    if (isComplete) break;
  }
  print(`objects encrypted again: ${count}`);
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
  if (services.length > 0) print(`keys of ${services.join(', ')} are turned in the service itself`);
  const isInFile = hasKeys || services.length === 0;
  const servers = await serversOf(client);
  if (isInFile && servers.length > 1) {
    if (!(await rotateTogether(kubeconfig, client, { file, text, servers }))) return;
  } else if (isInFile) await replace(client, file, makeKey(text, 'first'));
  await reencrypt(client);
  await tellOfUnused(client, file, servers.length > 1);
}

async function tellOfUnused(client: ApiClient, file: string, isShared: boolean): Promise<void> {
  const now = await call<EncryptionStatus>(client, 'GET');
  const used = Object.keys(now.objects);
  // What a service has stored names the key, too.
  const isUsed = (way: string): boolean => used.some((one) => one === way || one.startsWith(`${way}:`));
  const unused = new Set(now.entries.flatMap(({ reads }) => reads.filter((one) => one !== 'identity' && !isUsed(one))));
  tell(now);
  if (unused.size > 0)
    print(
      `no object uses ${[...unused].join(', ')} any more: remove them from ${file}${isShared ? ', on each server,' : ''} in ten minutes, when the history is gone, too`,
    );
}

interface Together {
  readonly file: string;
  readonly text: string;
  /** Addresses of the servers that are alive. */
  readonly servers: readonly string[];
}

/** One step of several; the same command does the next one. Resolves with true when all servers write with the new key. */
async function rotateTogether(
  kubeconfig: string | undefined,
  client: ApiClient,
  { file, text, servers }: Together,
): Promise<boolean> {
  const step = nextStep(text, await Promise.all(servers.map((server) => keysOf(kubeconfig, server))));
  if (step.kind === 'wait') throw new SettingsError(waitingSentence(step, file));
  if (step.kind === 'finish') return true;
  const made = step.kind === 'prepare' ? makeKey(text, 'second') : { ...step, changed: withKeyFirst(text, step.name) };
  await replace(client, file, made);
  const use = step.kind === 'prepare' ? 'reads' : 'writes';
  print(`this server ${use} with ${made.name} now. There are ${servers.length} servers: ${COPY(file)}`);
  return false;
}

const COPY = (file: string): string =>
  `copy ${file} to the file that encryption-provider-config names on each of the others (they read it again by themselves), and run this again here`;

const waitingSentence = ({ name, use, servers }: RotationStep & { kind: 'wait' }, file: string): string =>
  `${servers.join(', ')} ${servers.length === 1 ? 'does' : 'do'} not ${use} with ${name} yet: ${COPY(file)}`;

/** Throws SettingsError for a server that does not say. */
async function keysOf(kubeconfig: string | undefined, server: string): Promise<ServersKeys> {
  try {
    await using cluster = await openServer(kubeconfig, server);
    return { server, status: await call<EncryptionStatus>(cluster.client, 'GET') };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const sentence = `${server} does not say which keys it has, and could not read what is written with a new one: ${error.message}`;
    throw new SettingsError(sentence, { cause: error });
  }
}

interface MadeKey {
  readonly name: string;
  /** The configuration with it. */
  readonly changed: string;
}

function makeKey(text: string, place: 'first' | 'second'): MadeKey {
  const name = newKeyName(new Date());
  return { name, changed: withNewKey(text, name, randomBytes(KEY_BYTES).toString('base64'), place) };
}

/** Resolves when the server uses the configuration: it writes with the key, or reads with it where it is not the first one. */
async function replace(client: ApiClient, file: string, { name, changed }: MadeKey): Promise<void> {
  await writeFileAtomically(file, changed, (await stat(file)).mode & 0o777);
  print(`put ${name} into ${file}`);
  const isFirst = preparedKey(changed) !== name;
  await withDeadline(
    { what: 'waiting for the server to use the new key', limitMs: RELOAD_LIMIT_MS },
    async (signal) => {
      for (;;) {
        const { entries } = await call<EncryptionStatus>(client, 'GET');
        const ways = entries.flatMap(({ writes, reads }) => (isFirst ? [writes] : reads));
        if (ways.some((way) => way.endsWith(`:${name}`))) return;
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
