/** `kedge store`: moves the objects of a cluster to another store. Run on the server's host, while its servers are stopped. */
import { Command } from 'commander';
import { readFile } from 'node:fs/promises';
import type { Home } from '../control-plane/backup/store-pages.ts';
import type { ServerConfig } from '../control-plane/config.ts';
import { daemonLogger } from '../daemon/daemon-logger.ts';
import { serverConfigOf, SERVER_CONFIG } from './server-config.ts';
import { SettingsError } from './settings.ts';
import { print } from './output.ts';
import { UsageError } from './usage.ts';

interface MigrateOptions {
  readonly from: string;
  readonly to: string;
  readonly config?: string;
  readonly dataDir?: string;
  readonly force?: true;
  readonly etcdServers?: string;
  readonly etcdCafile?: string;
  readonly etcdCertfile?: string;
  readonly etcdKeyfile?: string;
  readonly etcdPrefix?: string;
}

function homeOf(flag: string, text: string): Home {
  if (text === 'embedded' || text === 'etcd') return text;
  throw new UsageError(`${flag} must be embedded or etcd, not ${JSON.stringify(text)}`);
}

async function migrate({ from, to, force, ...flags }: MigrateOptions): Promise<void> {
  const [source, target] = [homeOf('--from', from), homeOf('--to', to)];
  // The settings of etcd are those of a server that has it as its store.
  const config = await serverConfigOf({ ...flags, store: 'etcd' });
  const { migrateStore } = await import('../control-plane/backup/restore/migrate.ts');
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () =>
      controller.abort(new SettingsError(`ended by ${signal}: run it again, or go on as before`)),
    );
  const file = config.encryptionProviderConfig;
  const { sum, lastRevision, wasDone } = await migrateStore({
    from: source,
    to: target,
    config,
    encryption: file === '' ? undefined : await readFile(file, 'utf8'),
    force: force === true,
    now: Date.now(),
    signal: controller.signal,
    logger: daemonLogger('kedge-store', 'warn'),
  });
  print(`${wasDone ? 'was moved before' : 'moved'}: ${sum.count} objects, ${sum.bytes} bytes, compared: ${sum.hash}`);
  print(`revisions continue above ${lastRevision}`);
  print(nextStep(target, config));
}

function nextStep(target: Home, { etcd, etcdServers }: ServerConfig): string {
  if (target === 'embedded')
    return "set store: embedded in the server's settings, and remove those of etcd; then start kedge server";
  return etcd === 'managed'
    ? 'start kedge server'
    : `set in the server's settings: store: etcd, etcd-servers: [${etcdServers.join(', ')}]; then start kedge server`;
}

/** `kedge store`. */
export const storeCommand = (): Command =>
  new Command('store').description('move the objects of the cluster to another store (docs/backup.md)').addCommand(
    new Command('migrate')
      .description("move all objects while the cluster's servers are stopped; pods run on")
      .requiredOption('--from <store>', 'embedded or etcd')
      .requiredOption('--to <store>', 'the other one')
      .option('--config <file>', SERVER_CONFIG)
      .option('--data-dir <directory>', "the server's data-dir, where --config does not say")
      .option('--etcd-servers <a,b,...>', 'as of kedge server')
      .option('--etcd-cafile <file>', 'likewise')
      .option('--etcd-certfile <file>', 'likewise')
      .option('--etcd-keyfile <file>', 'likewise')
      .option('--etcd-prefix <prefix>', 'likewise')
      .option(
        '--force',
        'put the objects that the target has aside (embedded), or replace what was moved away from it (etcd)',
      )
      .action((options: MigrateOptions) => migrate(options)),
  );
