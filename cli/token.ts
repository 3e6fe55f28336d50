import { Command } from 'commander';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { secrets } from '../api/kinds/core/secret.ts';
import { BOOTSTRAP_TOKEN_NAMESPACE, JOINING_SERVERS_GROUP } from '../api/domain/bootstrap-token.ts';
import { publicKeyHash } from '../api/domain/public-key-hash.ts';
import { humanDuration, parseDuration } from '../api/machinery/duration.ts';
import { StatusError } from '../api/machinery/status-error.ts';
import { timeOf } from '../api/machinery/time.ts';
import {
  newBootstrapToken,
  secretNameOf,
  secretOf,
  tokenOf,
  tokenText,
  type BootstrapToken,
} from './bootstrap-token.ts';
import { advertisedServer, KUBECONFIG_HELP, openCluster } from './cluster-access.ts';
import { SettingsError } from './settings.ts';
import { UsageError } from './usage.ts';
import { printTable } from './table.ts';
import type { Secret } from '../api/types/core/v1.gen.ts';
import { print } from './output.ts';

interface TokenOptions {
  readonly kubeconfig?: string;
}

interface CreateOptions extends TokenOptions {
  readonly server?: true;
  readonly ttl?: string;
  readonly description: string;
  readonly printJoinCommand?: true;
}

/**
 * When a token created at `now` expires, in milliseconds since the epoch; undefined for the ttl `0`: never. Throws
 * SettingsError.
 */
function expiryOf(ttl: string, now: number): number | undefined {
  const ms = parseDuration(ttl);
  if (ms === undefined || ms < 0) throw new UsageError(`--ttl must be a duration such as 24h or 90m, not "${ttl}"`);
  return ms === 0 ? undefined : now + ms;
}

/** Of a token that gives the keys of the cluster. */
const SERVER_TTL = '1h';
const LONGEST_SERVER_TTL = '24h';

/** Throws SettingsError. */
function newToken({ server, ttl, description }: CreateOptions): BootstrapToken {
  const now = Date.now();
  if (!server) return newBootstrapToken(description, expiryOf(ttl ?? '24h', now));
  const expiresAt = expiryOf(ttl ?? SERVER_TTL, now);
  if (expiresAt === undefined || expiresAt > now + (parseDuration(LONGEST_SERVER_TTL) ?? 0))
    throw new UsageError(`--ttl of a token for servers must be between 1s and ${LONGEST_SERVER_TTL}, not "${ttl}"`);
  return newBootstrapToken(description, expiresAt, JOINING_SERVERS_GROUP);
}

async function create(options: CreateOptions): Promise<void> {
  const { kubeconfig, printJoinCommand, server: isForServer } = options;
  const token = newToken(options);
  await using cluster = await openCluster(kubeconfig);
  const { client, ca } = cluster;
  await client.create<Secret>(secrets, secretOf(token));
  if (!printJoinCommand) return print(tokenText(token));
  const server = await advertisedServer(client);
  const words = `--server ${server} --token ${tokenText(token)} --ca-hash ${publicKeyHash(ca)}`;
  print(`${await installer()} ${isForServer ? '--control-plane ' : ''}${words}`);
}

/** The command that sets hosts up, as the package of this program has it. */
async function installer(): Promise<string> {
  const file = path.join(path.dirname(process.argv[1] ?? ''), 'installer');
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'scripts/install.sh';
    throw error;
  }
}

function remaining({ expiresAt }: BootstrapToken, now: number): string {
  if (expiresAt === undefined) return '<forever>';
  return expiresAt > now ? humanDuration(expiresAt - now) : '<expired>';
}

async function list({ kubeconfig }: TokenOptions): Promise<void> {
  await using cluster = await openCluster(kubeconfig);
  const found = await cluster.client.listAll<Secret>(secrets, { namespace: BOOTSTRAP_TOKEN_NAMESPACE });
  const now = Date.now();
  const rows = found
    .map((secret) => tokenOf(secret))
    .filter((token) => token !== undefined)
    .map((token) => [
      tokenText(token),
      remaining(token, now),
      token.expiresAt === undefined ? '<never>' : timeOf(token.expiresAt),
      token.description || '<none>',
      token.groups.join(','),
    ]);
  printTable([['TOKEN', 'TTL', 'EXPIRES', 'DESCRIPTION', 'EXTRA GROUPS'], ...rows]);
}

async function remove(token: string, { kubeconfig }: TokenOptions): Promise<void> {
  const name = secretNameOf(token);
  if (!name) throw new UsageError('token must be ID or ID.SECRET, with 6 and 16 lower-case letters and digits');
  await using cluster = await openCluster(kubeconfig);
  const [id] = token.split('.');
  try {
    await cluster.client.delete(secrets, BOOTSTRAP_TOKEN_NAMESPACE, name);
  } catch (error) {
    if (error instanceof StatusError && error.code === 404)
      throw new SettingsError(`token ${id} does not exist; kedge token list shows the tokens`, { cause: error });
    throw error;
  }
  print(`bootstrap token "${id}" deleted`);
}

/** `kedge token`: manages bootstrap tokens. */
export function tokenCommand(): Command {
  const subcommand = (name: string, description: string): Command =>
    new Command(name).description(description).option('--kubeconfig <file>', KUBECONFIG_HELP);
  return new Command('token')
    .description('create, list and delete bootstrap tokens for joining hosts')
    .addCommand(
      subcommand('create', 'create a token and print it')
        .option('--server', 'for one more server of the cluster, which gets the keys of its CAs; good for one')
        .option(
          '--ttl <duration>',
          `lifetime of the token; 0: never expires (default: 24h, or ${SERVER_TTL} with --server)`,
        )
        .option('--description <text>', 'what the token is for', '')
        .option('--print-join-command', 'print the full command for joining a host, to be run there as root')
        .action((options: CreateOptions) => create(options)),
    )
    .addCommand(subcommand('list', 'list the tokens').action((options: TokenOptions) => list(options)))
    .addCommand(
      subcommand('delete', 'delete a token, so that no host can join with it')
        .argument('<token>', 'ID or ID.SECRET')
        .action((token: string, options: TokenOptions) => remove(token, options)),
    );
}
