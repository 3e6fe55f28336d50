/** `kedge backup`: saves, checks and restores a cluster. Run on the server's host, where its keys and settings are. */
import { Command } from 'commander';
import { access, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { msSince } from '../client/clock.ts';
import { publicKeyHash } from '../api/domain/public-key-hash.ts';
import { parseSchedule } from '../api/kinds/batch/cron-schedule.ts';
import { nextTime } from '../api/domain/next-time.ts';
import { humanDuration } from '../api/machinery/duration.ts';
import { BackupError } from '../control-plane/backup/backup-error.ts';
import type { Destination } from '../control-plane/backup/destinations/destination.ts';
import type { BackupManifest } from '../control-plane/backup/manifest.ts';
import type { ServerConfig } from '../control-plane/config.ts';
import { daemonLogger } from '../daemon/daemon-logger.ts';
import { openCluster, KUBECONFIG_HELP } from './cluster-access.ts';
import { remoteSource } from './remote-records.ts';
import { serverConfigFile, serverConfigOf, SERVER_CONFIG } from './server-config.ts';
import { printTable } from './table.ts';
import { remark, print } from './output.ts';

interface Options {
  readonly config?: string;
  readonly dataDir?: string;
  readonly keyFile?: string;
  readonly passphraseFile?: string;
  readonly s3Config?: string;
}

interface SaveOptions extends Options {
  readonly to?: string;
  readonly kubeconfig?: string;
}

interface VerifyOptions extends Options {
  readonly encryptionProviderConfig?: string;
}

interface RestoreOptions extends VerifyOptions {
  readonly force?: true;
}

/** The settings of the server, with what the command line says instead. */
async function settings({ config, dataDir, keyFile, passphraseFile, s3Config }: Options): Promise<ServerConfig> {
  const given = await serverConfigOf({ config, dataDir });
  const isGiven = keyFile !== undefined || passphraseFile !== undefined;
  return {
    ...given,
    backupKeyFile: isGiven ? (keyFile ?? '') : given.backupKeyFile,
    backupPassphraseFile: isGiven ? (passphraseFile ?? '') : given.backupPassphraseFile,
    backupS3Config: s3Config ?? given.backupS3Config,
  };
}

async function secretOf({ backupKeyFile, backupPassphraseFile }: ServerConfig) {
  const { readSecret } = await import('../control-plane/backup/secret-file.ts');
  return readSecret(backupKeyFile, backupPassphraseFile);
}

/** Aborted by the signals that end a command: what is half done is then undone. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => controller.abort(new BackupError(`ended by ${signal}: nothing has been changed`)));
  return controller.signal;
}

function summary({ manifest, bytes }: { manifest: BackupManifest; bytes: number }): string {
  const { objects, revision, home, clusterId } = manifest;
  return `${objects} objects as of revision ${revision} (${home}), cluster ${clusterId || manifest.caHash}, ${bytes} bytes`;
}

async function save({ to, kubeconfig, ...options }: SaveOptions): Promise<void> {
  const config = await settings(options);
  const signal = interruption();
  const [{ saveBackup }, { serverFiles }, { openDestination }] = await Promise.all([
    import('../control-plane/backup/save.ts'),
    import('../control-plane/backup/server-files.ts'),
    import('../control-plane/backup/destinations/open-destination.ts'),
  ]);
  const secret = await secretOf(config);
  const files = await serverFiles(config, await serverConfigFile(options.config), secret !== undefined);
  const destination = await openDestination(to ?? config.backupDestination, config.backupS3Config);
  await using source = await recordsOf(config, files.caHash, kubeconfig, signal);
  const contents = { source: source.records, ...files };
  const saved = await saveBackup({ contents, destination, secret, now: Date.now(), signal });
  print(path.join(destination.where, saved.name).replace(/^s3:\//, 's3://'));
  print(`saved and verified: ${summary(saved)}`);
  for (const file of files.missing)
    print(`not in it: ${file}, which values in it are encrypted with: keep it elsewhere`);
  if (!secret)
    remark(
      "WARNING: the backup is NOT ENCRYPTED. It holds the private keys of the cluster's CA and all Secrets: whoever reads it is an " +
        'administrator of the cluster. Encrypt it with --key-file or --passphrase-file.',
    );
}

/** The server that runs, or the store itself when there is none. */
async function recordsOf(config: ServerConfig, caHash: string, kubeconfig: string | undefined, signal: AbortSignal) {
  const [{ openPlainStore, storeDirectory }, { sourceOf }, { isLocked }, { hasStore }] = await Promise.all([
    import('../control-plane/open-store.ts'),
    import('../control-plane/backup/store-pages.ts'),
    import('../control-plane/store/embedded/directory-lock.ts'),
    import('../control-plane/store/embedded/data-directory.ts'),
  ]);
  if (config.store === 'embedded' && (await isLocked(storeDirectory(config)))) {
    const cluster = await openCluster(kubeconfig ?? config.adminKubeconfig);
    if (publicKeyHash(cluster.ca) !== caHash)
      throw new BackupError(
        `the kubeconfig is of another cluster than the keys in ${config.dataDir}: give --kubeconfig`,
      );
    return {
      records: await remoteSource(cluster.client, signal),
      [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
    };
  }
  if (config.store === 'embedded' && !(await hasStore(storeDirectory(config))))
    throw new BackupError(`${storeDirectory(config)} has no store: there is nothing to save`);
  const logger = daemonLogger('kedge-backup', 'error');
  const { plain, keys } = await openPlainStore({ ...config, etcdCompactionIntervalSeconds: 0 }, signal, logger);
  return {
    records: sourceOf(plain, config.store === 'etcd' ? 'etcd' : 'embedded', keys.root),
    [Symbol.asyncDispose]: () => plain.close(),
  };
}

/** Calls `use` with a local file of what was named: a file, or a name in a destination. */
async function withFile<T>(config: ServerConfig, name: string, signal: AbortSignal, use: (file: string) => Promise<T>) {
  const { openDestination, isS3 } = await import('../control-plane/backup/destinations/open-destination.ts');
  if (!isS3(name)) return use(path.resolve(name));
  const at = name.lastIndexOf('/');
  const destination = await openDestination(name.slice(0, at), config.backupS3Config);
  return destination.use(name.slice(at + 1), use, signal);
}

async function verify(name: string, { encryptionProviderConfig, ...options }: VerifyOptions): Promise<void> {
  const config = await settings(options);
  const { verifyBackup } = await import('../control-plane/backup/verify.ts');
  const encryption = await textOf(encryptionProviderConfig);
  const secret = await secretOf(config);
  await withFile(config, name, interruption(), async (file) => {
    const { manifest, decoded, sealed } = await verifyBackup(file, secret, encryption);
    const { size } = await stat(file);
    print(`${name}: good, made ${manifest.createdAt}: ${summary({ manifest, bytes: size })}`);
    print(`${manifest.parts.length} parts with their SHA-256, ${decoded} objects decoded`);
    if (sealed > 0)
      print(`${sealed} values are encrypted and were not decoded: --encryption-provider-config FILE reads them, too`);
    for (const [kind, count] of Object.entries(manifest.kinds)) print(`  ${kind}: ${count}`);
    for (const file of manifest.missing) print(`not in it: ${file}`);
  });
}

async function list(where: string | undefined, options: Options): Promise<void> {
  const config = await settings(options);
  const { openDestination, isS3 } = await import('../control-plane/backup/destinations/open-destination.ts');
  const { isEncrypted } = await import('../control-plane/backup/archive/archive-file.ts');
  const destination = await openDestination(where ?? config.backupDestination, config.backupS3Config);
  const found = await destination.list(interruption());
  if (found.length === 0) return print(`no backups in ${destination.where}`);
  const isRemote = isS3(destination.where);
  const encryption = async (file: string): Promise<string> => {
    try {
      return (await isEncrypted(file)) ? 'yes' : 'NO';
    } catch (error) {
      // One that is none does not hide the others.
      if (error instanceof BackupError) return 'damaged';
      throw error;
    }
  };
  const rows = await Promise.all(
    found.map(async ({ name, bytes, createdAt }) => [
      name,
      String(bytes),
      humanDuration(msSince(createdAt)),
      isRemote ? '' : await encryption(path.join(destination.where, name)),
    ]),
  );
  printTable([['NAME', 'BYTES', 'AGE', isRemote ? '' : 'ENCRYPTED'], ...rows]);
}

async function restore(name: string, { force, encryptionProviderConfig, ...options }: RestoreOptions): Promise<void> {
  const config = await settings(options);
  const { restoreBackup } = await import('../control-plane/backup/restore/restore.ts');
  const signal = interruption();
  const secret = await secretOf(config);
  const encryption = await textOf(encryptionProviderConfig ?? (await existing(config.encryptionProviderConfig)));
  const logger = daemonLogger('kedge-backup', 'warn');
  await withFile(config, name, signal, async (file) => {
    const now = Date.now();
    const restored = await restoreBackup({
      file,
      secret,
      config,
      encryption,
      force: force === true,
      now,
      signal,
      logger,
    });
    const { manifest, firstRevision, kept, settings: directory } = restored;
    print(`restored ${manifest.objects} objects of ${manifest.createdAt} to ${whereOf(config)}, and compared them`);
    print(`revisions continue at ${firstRevision}: clients list again`);
    for (const one of kept) print(`what was there is in ${one}`);
    if (directory) print(`the settings of the server that was saved are in ${directory}`);
    if (manifest.encryptedValues > 0 && encryption === undefined)
      print(`${manifest.encryptedValues} values are encrypted: the server needs its encryption-provider-config`);
    print('start kedge server now');
  });
}

const whereOf = ({ store, dataDir, etcdServers }: ServerConfig): string =>
  store === 'etcd' ? `etcd at ${etcdServers.join(', ')}` : dataDir;

const textOf = (file: string | undefined): Promise<string> | undefined => (file ? readFile(file, 'utf8') : undefined);

/** A host that a backup is restored to need not have it yet. */
async function existing(file: string): Promise<string | undefined> {
  if (file === '') return undefined;
  return access(file).then(
    () => file,
    () => undefined,
  );
}

async function schedule(options: Options): Promise<void> {
  const config = await settings(options);
  const { openDestination } = await import('../control-plane/backup/destinations/open-destination.ts');
  const destination: Destination = await openDestination(config.backupDestination, config.backupS3Config);
  if (config.backupSchedule === '')
    throw new BackupError(
      'the server makes no backups by itself: set backup-schedule, as in backup-schedule: "0 3 * * *", and restart it (docs/backup.md)',
    );
  const times = parseSchedule(config.backupSchedule);
  const next = nextTime(times, Date.now(), times.timeZone ?? 'UTC');
  const found = await destination.list(interruption());
  const latest = found.at(-1);
  print(`schedule: ${config.backupSchedule}, to ${destination.where}, of which ${config.backupRetention} are kept`);
  print(`next: ${next === undefined ? 'never' : new Date(next).toISOString()}`);
  print(`latest: ${latest ? `${latest.name}, ${humanDuration(msSince(latest.createdAt))} ago` : 'none'}`);
}

/** `kedge backup`. */
export function backupCommand(): Command {
  const subcommand = (name: string, description: string): Command =>
    new Command(name)
      .description(description)
      .option('--config <file>', SERVER_CONFIG)
      .option('--data-dir <directory>', "the server's data-dir, where --config does not say")
      .option('--key-file <file>', 'encrypt, or decrypt, with the 32 bytes in the file')
      .option('--passphrase-file <file>', 'encrypt, or decrypt, with the passphrase in the file')
      .option('--s3-config <file>', 'YAML file of endpoint, region, access-key-id, secret-access-key and ca-file');
  const encryption = '--encryption-provider-config <file>';
  return new Command('backup')
    .description("save, check and restore the cluster: run it on the server's host (docs/backup.md)")
    .addCommand(
      subcommand('save', 'save all objects, certificates and keys, while the server runs or is stopped')
        .option('--to <destination>', 'directory or s3://BUCKET/PREFIX (default: backup-destination)')
        .option('--kubeconfig <file>', KUBECONFIG_HELP)
        .action((options: SaveOptions) => save(options)),
    )
    .addCommand(
      subcommand('verify', 'read all of a backup: sums, counts, every object')
        .argument('<backup>', 'file or s3://BUCKET/PREFIX/NAME')
        .option(encryption, 'decode values that are encrypted in the store, too')
        .action((name: string, options: VerifyOptions) => verify(name, options)),
    )
    .addCommand(
      subcommand('list', 'list backups')
        .argument('[destination]', 'directory or s3://BUCKET/PREFIX (default: backup-destination)')
        .action((where: string | undefined, options: Options) => list(where, options)),
    )
    .addCommand(
      subcommand('restore', 'restore a backup for a server that is stopped, to the store that its settings name')
        .argument('<backup>', 'file or s3://BUCKET/PREFIX/NAME')
        .option('--force', 'put what is in the data directory aside, under another name')
        .option(encryption, 'encrypt values with it; needed where encrypted ones go to another store')
        .action((name: string, options: RestoreOptions) => restore(name, options)),
    )
    .addCommand(
      subcommand('schedule', 'show when the server saves next by itself, and what it saved last').action(
        (options: Options) => schedule(options),
      ),
    );
}
