/**
 * What a daemon tells systemd about itself: ready, status, reload, stop, and that it is alive. Nothing is told where no service manager
 * has asked (`NOTIFY_SOCKET`). https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
 *
 * Node.js has no datagram sockets of the Unix family, so that systemd's own program sends: it knows all forms of the address, and
 * waits until systemd has read the message, which names its sender by then. Messages are few: one per change, and one in 30 s, at 30 ms of CPU time each.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { withDeadline } from '../client/deadline.ts';
import type { Logger } from '../client/logger.ts';
import { Outage } from '../client/outage.ts';

/** The part of a daemon that says how it is. */
export interface DaemonLife {
  /** It serves. Later calls change nothing. */
  ready(): void;
  /** One line on what it does or waits for, to act on: `systemctl status` shows it. */
  status(sentence: string): void;
  /**
   * Called before each sign of life; what it resolves with is why there is none. While its answers are such, or none come in time, or the
   * event loop does not run, the watchdog's time runs.
   */
  watch(whyNot: () => Promise<string | undefined>): void;
  /** SIGHUP (`systemctl reload`): a daemon that has no such handler ends by it. Rejections are logged. */
  onReload(reload: () => Promise<void>): void;
}

/** For what runs without a service manager. */
export const UNMANAGED: DaemonLife = { ready() {}, status() {}, watch() {}, onReload() {} };

/** Resolves when the manager has the message: `NAME=VALUE` each. */
export type SendNotification = (assignments: readonly string[]) => Promise<void>;

export interface ServiceManagerOptions {
  /** Undefined: nobody has asked. */
  readonly send: SendNotification | undefined;
  /** Milliseconds; undefined without a watchdog. */
  readonly watchdogMs: number | undefined;
  readonly logger: Logger;
}

const SEND_LIMIT_MS = 10_000;
/** Signs of life per period of the watchdog: two may be missed. */
const SIGNS_PER_PERIOD = 3;
/** systemd shows a line; what others say may be long. */
const MAX_STATUS_CHARS = 300;
/** `systemctl status` prints it as it is: nothing that others say is to move the cursor of a terminal. */
const UNPRINTABLE = /[\s\p{Cc}\p{Cf}]+/gu;
const execute = promisify(execFile);

/**
 * Takes what the manager has said for this process from the environment: programs that it starts are not to speak for it.
 * @param pid of this process
 */
export function takeServiceManager(
  environment: NodeJS.ProcessEnv,
  pid: number,
): Pick<ServiceManagerOptions, 'send' | 'watchdogMs'> {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: period = '', WATCHDOG_PID: watched } = environment;
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) Reflect.deleteProperty(environment, name);
  if (!socket) return { send: undefined, watchdogMs: undefined };
  const isWatched = (watched === undefined || watched === String(pid)) && /^[1-9]\d{0,15}$/.test(period);
  return {
    watchdogMs: isWatched ? Number(period) / 1000 : undefined,
    send: (assignments) =>
      withDeadline({ what: 'systemd-notify', limitMs: SEND_LIMIT_MS }, async (signal) => {
        const env = { PATH: environment['PATH'], NOTIFY_SOCKET: socket };
        await execute('systemd-notify', assignments, { env, signal, killSignal: 'SIGKILL' });
      }),
  };
}

export class ServiceManager implements DaemonLife, AsyncDisposable {
  readonly #options: ServiceManagerOptions;
  readonly #outage: Outage;
  /** What has not been sent yet, the last of each name: one message at a time. */
  readonly #waiting = new Map<string, string>();
  #sending: Promise<void> | undefined;
  #isReady = false;
  #status = '';
  #signs: NodeJS.Timeout | undefined;
  #lastReload: Promise<void> = Promise.resolve();

  constructor(options: ServiceManagerOptions) {
    this.#options = options;
    this.#outage = new Outage({ logger: options.logger });
  }

  ready(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    this.#tell('READY', '1');
  }

  status(sentence: string): void {
    const line = sentence.replace(UNPRINTABLE, ' ').trim().slice(0, MAX_STATUS_CHARS);
    if (line === this.#status) return;
    this.#status = line;
    this.#tell('STATUS', line);
  }

  watch(whyNot: () => Promise<string | undefined>): void {
    const { watchdogMs, logger } = this.#options;
    if (watchdogMs === undefined || this.#signs) return;
    const everyMs = watchdogMs / SIGNS_PER_PERIOD;
    const silent = new Outage({ logger });
    const look = async (): Promise<void> => {
      try {
        const reason = await withDeadline({ what: 'the check for the watchdog', limitMs: everyMs }, whyNot);
        if (reason !== undefined) throw new Error(reason);
        silent.ended({}, 'alive again');
        this.#tell('WATCHDOG', '1');
      } catch (error) {
        silent.failed(error, { watchdogMs }, 'no sign of life to the watchdog');
      }
    };
    // systemd counts from READY=1; threads that have just been started are still loading their parts.
    this.#signs = setInterval(() => void look(), everyMs);
    this.#signs.unref();
  }

  onReload(reload: () => Promise<void>): void {
    const { logger } = this.#options;
    const run = async (): Promise<void> => {
      this.#tell('RELOADING', '1');
      try {
        await reload();
      } catch (error) {
        logger.error({ err: error }, 'reload failed');
      }
      this.#tell('READY', '1');
    };
    process.on('SIGHUP', () => {
      this.#lastReload = this.#lastReload.then(run);
    });
  }

  /** It stops, from now on. */
  stopping(): void {
    this.#tell('STOPPING', '1');
  }

  /** Resolves when all has been sent. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#signs);
    await this.#sending;
  }

  #tell(name: string, value: string): void {
    if (!this.#options.send) return;
    // A reload that is over before its begin was told is none, and the other way round.
    if (name === 'READY') this.#waiting.delete('RELOADING');
    if (name === 'RELOADING') this.#waiting.delete('READY');
    this.#waiting.set(name, value);
    this.#sending ??= this.#send(this.#options.send).finally(() => (this.#sending = undefined));
  }

  async #send(send: SendNotification): Promise<void> {
    while (this.#waiting.size > 0) {
      const assignments = Array.from(this.#waiting, ([name, value]) => `${name}=${value}`);
      this.#waiting.clear();
      try {
        await send(assignments);
        this.#outage.ended({}, 'the service manager is told again');
      } catch (error) {
        this.#outage.failed(error, { assignments }, 'failed to tell the service manager');
      }
    }
  }
}
