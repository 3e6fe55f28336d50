/** `kedge server join`: a host gets the keys and settings of a cluster from one of its servers, to become another one. */
import { access, readFile } from 'node:fs/promises';
import path from 'node:path';
import { Command } from 'commander';
import { stringify } from 'yaml';
import { fetchClusterCa } from '../agent/join/cluster-ca.ts';
import { JoinError } from '../agent/join/join-error.ts';
import { serverProblem, tokenProblem } from '../agent/join/join-format.ts';
import { API_SERVER_NAME } from '../api/domain/api-server-names.ts';
import { SERVER_JOIN_PATH, type ServerBundle, type SharedSetting } from '../api/domain/server-join.ts';
import { isJsonObject, own } from '../api/machinery/own.ts';
import { StatusError } from '../api/machinery/status-error.ts';
import { ApiClient } from '../client/api-client.ts';
import { withDeadline } from '../client/deadline.ts';
import { serverSettings } from '../control-plane/config.ts';
import { abandon, adopt, receive, sharedFile, standingOf } from '../control-plane/joining/adopt-bundle.ts';
import { agree, FILES, type Agreement } from '../control-plane/joining/shared-settings.ts';
import { serversProblem } from '../control-plane/store/etcd/servers.ts';
import { misspelledVariables } from './daemon-settings.ts';
import { INSTALLED as CONFIG } from './server-config.ts';
import { kebab } from './setting-names.ts';
import { checkSettings, givenSettings, settingsFlags, SettingsError } from './settings.ts';
import { complain, print } from './output.ts';

const LIMIT_MS = 60_000;
const CREATE_TOKEN = '"kedge token create --server" on one of its servers makes another one';

interface Flags extends Readonly<Record<string, unknown>> {
  readonly server?: string;
  readonly token?: string;
  readonly caHash?: string;
  readonly config?: string;
}

const isThere = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

export const serverJoinCommand = (): Command =>
  settingsFlags(
    new Command('join')
      .description('get the keys and settings of a cluster from one of its servers, to run another one on this host')
      .option('--server <url>', 'a server of the cluster, as https://10.0.0.1:6443')
      .option('--token <token>', 'from kedge token create --server; it is used up')
      .option('--ca-hash <hash>', "hash of the CA's public key, sha256:..., by which the server is known"),
    serverSettings,
  ).action(join);

async function join(flags: Flags): Promise<void> {
  for (const sentence of misspelledVariables(process.env)) complain(`${sentence}`);
  const { server = '', token = process.env['KEDGE_TOKEN'] ?? '', caHash = '' } = flags;
  if (!server || !caHash)
    throw new SettingsError(
      'joining takes --server, --token and --ca-hash: kedge token create --server --print-join-command prints them',
    );
  const problem = serverProblem(server);
  if (problem !== undefined) throw new JoinError(`server ${problem}`);
  const config = flags.config ?? process.env['KEDGE_CONFIG'] ?? CONFIG;
  // The file may be there already, with settings of this host.
  const file = (await isThere(config)) ? config : undefined;
  const given = await givenSettings(serverSettings, { ...flags, config: file }, { ...process.env, KEDGE_CONFIG: file });
  const values = new Map([...given].map(([name, { value }]) => [name, value]));
  const dataDir = path.resolve(String(values.get('dataDir') ?? serverSettings.defaults.dataDir));
  const standing = await standingOf(dataDir, caHash);
  if (standing === 'new') {
    try {
      await obtain({ server, token, caHash, dataDir, given: values });
    } catch (error) {
      await abandon(dataDir);
      throw error;
    }
  }
  if (standing !== 'joined') await adopt(dataDir, config);
  print(`this host has the keys of the cluster: kedge server --config ${config}`);
}

interface Wanted {
  readonly server: string;
  readonly token: string;
  readonly caHash: string;
  readonly dataDir: string;
  readonly given: ReadonlyMap<string, SharedSetting>;
}

interface Asked {
  readonly client: ApiClient;
  readonly token: string;
}

/** Throws JoinError, SettingsError, PkiError, ConnectionError or DeadlineError with a sentence for the operator. */
async function obtain({ server, token, caHash, dataDir, given }: Wanted): Promise<void> {
  const wrongToken = tokenProblem(token);
  if (wrongToken !== undefined) throw new JoinError(`token ${wrongToken}`);
  const ca = await within(`reading the CA of ${server}`, (signal) => fetchClusterCa(server, caHash, signal));
  // By the name that no node's certificate has, although it is of the same CA: what is sent is worth the keys of the cluster.
  await using client = new ApiClient({ server, ca, token, serverName: API_SERVER_NAME });
  const asked = { client, token };
  // Before the token is used up.
  const { settings } = agreed(given, (await ask(asked, 'GET')).settings);
  const bundle = await ask(asked, 'POST');
  const files = new Map<string, string>();
  const paths = new Map<string, SharedSetting>();
  for (const [name, text] of Object.entries(bundle.files)) {
    if (!FILES.has(name)) throw new JoinError(`${server} has a file for ${kebab(name)}, which is no file here`);
    if (name === 'encryptionProviderConfig' && given.has(name)) await mustBeTheClusters(String(given.get(name)), text);
    if (given.has(name)) continue;
    files.set(kebab(name), text);
    paths.set(name, sharedFile(dataDir, kebab(name)));
  }
  for (const [name, value] of given) if (FILES.has(name)) paths.set(name, value);
  const whole = { ...settings, ...Object.fromEntries(paths), dataDir };
  const ofCluster = (name: string): string => `${kebab(name)}, as in the cluster,`;
  checkSettings(serverSettings, { ...serverSettings.defaults, ...whole }, ofCluster);
  const lines = Object.entries(whole).map(([name, value]) => [kebab(name), value]);
  const configuration = stringify(Object.fromEntries(lines));
  const { pki, etcdMembers = [] } = bundle;
  if (!Array.isArray(etcdMembers) || serversProblem(etcdMembers) !== undefined)
    throw new JoinError(`${server} gives members of etcd that are no URLs`);
  await receive({ dataDir, caHash, pki, files, configuration, etcdMembers });
}

/** Other files may differ for a while; with other keys, this server could not read what the others store, nor they what it does. */
async function mustBeTheClusters(file: string, text: string): Promise<void> {
  if ((await readFile(path.resolve(file), 'utf8').catch(() => undefined)) === text) return;
  throw new JoinError(
    `${file} is not what encryption-provider-config of the cluster has: copy it from a server, or leave the setting out here, then the cluster's is taken. ` +
      'It takes another token: kedge token create --server --print-join-command',
  );
}

const within = <T>(what: string, run: (signal: AbortSignal) => Promise<T>): Promise<T> =>
  withDeadline({ what, limitMs: LIMIT_MS }, run);

async function ask({ client, token }: Asked, method: 'GET' | 'POST'): Promise<ServerBundle> {
  let body: string;
  try {
    ({ body } = await within('asking the server for keys and settings', (signal) =>
      client.request(method, SERVER_JOIN_PATH, { signal }),
    ));
  } catch (error) {
    throw sentenceFor(error, client.server, token);
  }
  const found: unknown = JSON.parse(body);
  if (isBundle(found)) return found;
  throw new JoinError(`${client.server} gives something else than keys and settings: is it of another version?`);
}

const isTexts = (value: unknown): boolean =>
  isJsonObject(value) && Object.values(value).every((text) => typeof text === 'string');

function isBundle(value: unknown): value is ServerBundle {
  if (!isJsonObject(value)) return false;
  const [settings, files, pki] = ['settings', 'files', 'pki'].map((name) => own<unknown>(value, name));
  return isJsonObject(settings) && isTexts(files) && isTexts(pki);
}

function sentenceFor(error: unknown, server: string, token: string): unknown {
  if (!(error instanceof StatusError)) return error;
  // The part before the dot is the token's ID, not its secret.
  const id = token.slice(0, token.indexOf('.'));
  if (error.code === 401)
    return new JoinError(
      `${server} does not accept the token ${id}: it is invalid, has expired or has been used; ${CREATE_TOKEN}`,
      { cause: error },
    );
  if (error.code === 403) return new JoinError(`the token ${id} is not for servers: ${CREATE_TOKEN}`, { cause: error });
  if (error.code === 404)
    return new JoinError(`${server} is of a version that other servers cannot join`, { cause: error });
  return error;
}

const shown = (value: SharedSetting): string => JSON.stringify(typeof value === 'object' ? value.join(',') : value);

/** Throws SettingsError with all that is in the way. */
function agreed(given: Wanted['given'], cluster: ServerBundle['settings']): Agreement {
  const agreement = agree(given, cluster);
  const problems = [
    ...agreement.unknown.map((name) => `the cluster has ${kebab(name)}, which this version of kedge does not know`),
    ...agreement.contradictions.map(
      ({ name, here, inCluster }) => `${kebab(name)} is ${shown(here)} here, but ${shown(inCluster)} in the cluster`,
    ),
  ];
  if (problems.length > 0)
    throw new SettingsError(`${problems.join('; ')}: the servers of a cluster have these settings alike`);
  return agreement;
}
