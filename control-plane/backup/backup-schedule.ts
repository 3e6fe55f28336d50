/** Backups that the server makes by itself: when a schedule says so, with retention, metrics, and failures in the log. */
import { parseSchedule, type CronSchedule } from '../../api/kinds/batch/cron-schedule.ts';
import { nextTime } from '../../api/domain/next-time.ts';
import { MAX_TIMER_MS } from '../../client/deadline.ts';
import type { Logger } from '../../client/logger.ts';
import { Exposition } from '../../daemon/metrics/exposition.ts';
import type { ServerConfig } from '../config.ts';
import type { BackupSecret } from './archive/envelope.ts';
import { isOf, type Destination } from './destinations/destination.ts';
import { openDestination } from './destinations/open-destination.ts';
import { saveBackup, superfluous, type SavedBackup } from './save.ts';
import { readSecret } from './secret-file.ts';
import { serverFiles, type ServerFiles } from './server-files.ts';
import type { RecordSource } from './store-pages.ts';

export interface ScheduleOptions {
  readonly schedule: CronSchedule;
  readonly source: RecordSource;
  readonly destination: Destination;
  readonly secret: BackupSecret | undefined;
  readonly retention: number;
  /** Read for each backup: certificates are renewed. */
  readonly files: () => Promise<ServerFiles>;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

export class BackupSchedule implements AsyncDisposable {
  readonly #options: ScheduleOptions;
  readonly #now: () => number;
  readonly #stopping = new AbortController();
  readonly #signal: AbortSignal;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #succeeded = 0;
  #failed = 0;
  /** Milliseconds since the epoch; 0: there has been none. */
  #lastGoodAt = 0;
  #lastBytes = 0;
  #lastSeconds = 0;

  constructor(options: ScheduleOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#signal = AbortSignal.any([options.signal, this.#stopping.signal]);
  }

  /** Looks at what is there; from then on backups are made. A destination that cannot be reached is logged: it may be later. */
  async start(): Promise<this> {
    const { destination, files, logger } = this.#options;
    try {
      const { caHash } = await files();
      const latest = (await destination.list(this.#signal)).filter(({ name }) => isOf(caHash, name)).at(-1);
      this.#lastGoodAt = latest?.createdAt ?? 0;
      this.#lastBytes = latest?.bytes ?? 0;
    } catch (error) {
      logger.error({ err: error, destination: destination.where }, 'backups cannot be listed');
    }
    if (!this.#options.secret)
      logger.warn(
        { destination: destination.where },
        "backups are not encrypted: they hold the keys of the cluster's CA",
      );
    this.#wait();
    return this;
  }

  /** Timers are bounded: a schedule once a year takes several of them. */
  #wait(): void {
    if (this.#signal.aborted) return;
    const now = this.#now();
    const { schedule } = this.#options;
    const at = nextTime(schedule, now, schedule.timeZone ?? 'UTC');
    if (at === undefined) return;
    const isDue = at - now <= MAX_TIMER_MS;
    const then = (): void => {
      if (!isDue) return this.#wait();
      this.#running = this.run().finally(() => this.#wait());
    };
    this.#timer = setTimeout(then, Math.min(at - now, MAX_TIMER_MS)).unref();
  }

  /** Makes one backup now, and removes those that are too many. Does not reject. */
  async run(): Promise<void> {
    const { source, destination, secret, files, logger } = this.#options;
    const startedAt = performance.now();
    let saved: SavedBackup;
    let caHash: string;
    try {
      const contents = await files();
      ({ caHash } = contents);
      saved = await saveBackup({
        ...{ contents: { source, ...contents }, destination, secret },
        ...{ now: this.#now(), signal: this.#signal },
      });
    } catch (error) {
      if (this.#signal.aborted) return;
      this.#failed++;
      logger.error({ err: error, destination: destination.where }, 'backup failed: the ones before are kept');
      return;
    }
    this.#succeeded++;
    this.#lastSeconds = (performance.now() - startedAt) / 1000;
    this.#lastGoodAt = Date.parse(saved.manifest.createdAt);
    this.#lastBytes = saved.bytes;
    const { name, bytes, manifest } = saved;
    const { objects, revision } = manifest;
    logger.info({ destination: destination.where, name, bytes, objects, revision }, 'backup saved and verified');
    await this.#removeOld(caHash, name);
  }

  async #removeOld(caHash: string, saved: string): Promise<void> {
    const { destination, retention, logger } = this.#options;
    try {
      for (const { name } of superfluous(await destination.list(this.#signal), caHash, retention, saved)) {
        await destination.delete(name, this.#signal);
        logger.info({ destination: destination.where, name }, 'old backup removed');
      }
    } catch (error) {
      if (!this.#signal.aborted)
        logger.error({ err: error, destination: destination.where }, 'old backups cannot be removed');
    }
  }

  /** In Prometheus' text format. */
  readonly metrics = (): string =>
    new Exposition()
      .family('kedge_backup_runs_total', 'counter', 'Backups by the schedule, by their result.')
      .sample('kedge_backup_runs_total', { result: 'success' }, this.#succeeded)
      .sample('kedge_backup_runs_total', { result: 'failure' }, this.#failed)
      .single(
        'kedge_backup_last_success_timestamp_seconds',
        'gauge',
        'When the latest good backup was made, in seconds since the epoch; 0: there is none.',
        this.#lastGoodAt / 1000,
      )
      .single('kedge_backup_last_size_bytes', 'gauge', 'Size of the latest good backup.', this.#lastBytes)
      .single('kedge_backup_last_duration_seconds', 'gauge', 'How long the latest good backup took.', this.#lastSeconds)
      .toString();

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    this.#stopping.abort();
    await this.#running;
  }
}

/** Undefined without a schedule. Throws BackupError or SettingValueError for settings that cannot be used. */
export async function startBackups({
  config,
  source,
  logger,
  signal,
}: {
  readonly config: ServerConfig;
  readonly source: RecordSource;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}): Promise<BackupSchedule | undefined> {
  if (config.backupSchedule === '') return undefined;
  const secret = await readSecret(config.backupKeyFile, config.backupPassphraseFile);
  const backups = new BackupSchedule({
    schedule: parseSchedule(config.backupSchedule),
    source,
    destination: await openDestination(config.backupDestination, config.backupS3Config),
    secret,
    retention: config.backupRetention,
    files: () => serverFiles(config, undefined, secret !== undefined),
    logger,
    signal,
  });
  return backups.start();
}
