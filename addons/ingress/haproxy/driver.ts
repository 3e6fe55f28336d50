/** Makes the proxy do what the model says: at run time where that is possible, or else by a new worker. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DeadlineError, withDeadline } from '../../../client/deadline.ts';
import type { Logger } from '../../../client/logger.ts';
import type { Model } from '../model/model.ts';
import { changesBetween, type Changes } from './changes.ts';
import { configurationWithin, newConfiguration, render, type Configuration } from './configuration.ts';
import type { HaproxyProcess } from './process.ts';
import { ConfigurationRefusedError, findRefused } from './refused.ts';
import { RuntimeApi, RuntimeApiError } from './runtime-api.ts';
import type { ProxySettings } from './settings.ts';
import { mapWord } from './text.ts';

export interface DriverOptions {
  readonly process: HaproxyProcess;
  readonly settings: ProxySettings;
  /** Its own; sockets are in it, so that its path has to be short. */
  readonly directory: string;
  readonly logger: Logger;
  /** Called when the proxy has ended by itself. */
  readonly onExit: () => void;
}

/** How the model was put into effect. */
export type Effect = 'nothing' | 'told' | 'reloaded';

export interface Applied {
  readonly effect: Effect;
  /** The Ingresses and routes that the proxy refuses. */
  readonly refused: ReadonlySet<string>;
}

const READY_LIMIT_MS = 30_000;
const READY_POLL_MS = 5;
const ASK_AGAIN_MS = 3_000;

export class ProxyDriver {
  readonly #options: DriverOptions;
  /** What the running worker has. */
  #now: Configuration | undefined;
  #generation = 0;
  #reloads = 0;

  constructor(options: DriverOptions) {
    this.#options = options;
  }

  /** Of the running worker; undefined before the first. */
  get api(): RuntimeApi | undefined {
    return this.#now && new RuntimeApi(this.#socketOf(this.#generation));
  }

  get reloads(): number {
    return this.#reloads;
  }

  /** Whether this model needs a new worker. */
  needsReload(model: Model): boolean {
    return this.#within(model) === undefined;
  }

  /** The Ingress's own section by the name of a section of the running worker. */
  ownerOf(section: string): string {
    for (const [name, spare] of this.#now?.sections.spares ?? []) if (spare === section) return name;
    return section;
  }

  /**
   * @param compileWithout the model when some Ingresses are left out, for the case that the proxy refuses it as a whole
   * @throws ConfigurationRefusedError, or the error of a system call
   */
  async apply(
    model: Model,
    compileWithout: (refused: ReadonlySet<string>) => Model,
    signal: AbortSignal,
  ): Promise<Applied> {
    const none: ReadonlySet<string> = new Set();
    const { logger } = this.#options;
    const wanted = this.#within(model);
    if (this.#now && wanted) {
      try {
        const effect = await this.#tell(changesBetween(this.#now, wanted), signal);
        this.#now = wanted;
        return { effect, refused: none };
      } catch (error) {
        if (!(error instanceof RuntimeApiError || error instanceof DeadlineError || isOfSocket(error))) throw error;
        signal.throwIfAborted();
        logger.warn({ err: error }, 'proxy could not be changed at run time, reloading');
      }
    }
    const refused = await findRefused([...model.served, ...model.routing.routes].sort(), (without) =>
      this.#problemOf(without.size === 0 ? model : compileWithout(without), signal),
    );
    await this.#reload(refused.size > 0 ? compileWithout(refused) : model, signal);
    return { effect: 'reloaded', refused };
  }

  /** What the running worker can be told; undefined when there is none, or it cannot do it. */
  #within(model: Model): Configuration | undefined {
    const { process, settings } = this.#options;
    return this.#now && process.isRunning ? configurationWithin(this.#now, model, settings) : undefined;
  }

  async #tell({ servers, maps, certificates }: Changes, signal: AbortSignal): Promise<Effect> {
    const { api } = this;
    if (!api) throw new RuntimeApiError('there is no worker');
    if (servers.length + maps.length + certificates.length === 0) return 'nothing';
    await api.tell(servers, signal);
    const directory = this.#directoryOf(this.#generation);
    for (const [map, entries] of maps) {
      const file = path.join(directory, `${map}.map`);
      const version = /New version created: (\d+)/.exec(await api.ask(`prepare map ${file}`, signal))?.[1];
      if (version === undefined) throw new RuntimeApiError(`map ${map} has no new version`);
      for (const part of payloads(entries)) await api.expectNothing(`add map @${version} ${file}`, signal, part);
      await api.expectNothing(`commit map @${version} ${file}`, signal);
    }
    for (const [name, pem] of certificates) {
      const file = path.join(directory, name);
      await api.ask(`set ssl cert ${file}`, signal, pem);
      const answer = await api.ask(`commit ssl cert ${file}`, signal);
      if (!answer.includes('Success')) throw new RuntimeApiError(`certificate not replaced: ${answer.slice(0, 200)}`);
    }
    return 'told';
  }

  /** What the proxy says against a model; undefined when it accepts it. */
  async #problemOf(model: Model, signal: AbortSignal): Promise<string | undefined> {
    const { process, logger, directory, settings } = this.#options;
    const trial = path.join(directory, 'trial');
    const file = await this.#write(model, newConfiguration(model, settings), trial, path.join(directory, 'trial.sock'));
    const { ok, said } = await process.check(file, signal);
    await rm(trial, { recursive: true, force: true });
    if (ok) return undefined;
    logger.warn({ said }, 'proxy refuses its configuration');
    return said;
  }

  /** Writes the files of a configuration into a new directory. Returns the main one. */
  async #write(model: Model, wanted: Configuration, directory: string, socket: string): Promise<string> {
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const { main, others } = render(model, this.#options.settings, wanted, directory, socket);
    const file = path.join(directory, 'haproxy.cfg');
    const options = { mode: 0o600 };
    await Promise.all([
      writeFile(file, main, options),
      ...[...others].map(([name, content]) => writeFile(path.join(directory, name), content, options)),
    ]);
    return file;
  }

  async #reload(model: Model, signal: AbortSignal): Promise<void> {
    const { process, directory, settings, onExit } = this.#options;
    const before = this.#generation;
    const generation = before + 1;
    const wanted = newConfiguration(model, settings);
    const written = await this.#write(model, wanted, this.#directoryOf(generation), this.#socketOf(generation));
    const current = path.join(directory, 'haproxy.cfg');
    await rename(written, current);
    this.#generation = generation;
    this.#reloads++;
    const isReload = process.isRunning;
    if (isReload) process.reload();
    else process.start(current, onExit);
    await this.#ready(this.#socketOf(generation), this.#socketOf(before), isReload, signal);
    this.#now = wanted;
    await rm(this.#directoryOf(before), { recursive: true, force: true });
    await rm(this.#socketOf(before), { force: true });
  }

  /**
   * The socket is the new worker's alone: who answers there serves with the new configuration. The worker before takes no connections
   * any more when its own socket is closed.
   */
  async #ready(socket: string, before: string, isReload: boolean, signal: AbortSignal): Promise<void> {
    const { process } = this.#options;
    const api = new RuntimeApi(socket);
    let askedAt = performance.now();
    await withDeadline({ what: 'start of a worker', limitMs: READY_LIMIT_MS, signal }, async (stop) => {
      for (;;) {
        if (!process.isRunning) throw new ConfigurationRefusedError('the proxy has ended while it started');
        if ((await isAnswered(api, stop)) && !(await isAnswered(new RuntimeApi(before), stop))) return;
        await delay(READY_POLL_MS, undefined, { signal: stop });
        // A master that is just starting itself anew may miss the signal; one that starts for the first time would be killed by it.
        if (!isReload || performance.now() - askedAt < ASK_AGAIN_MS) continue;
        askedAt = performance.now();
        process.reload();
      }
    });
  }

  #directoryOf(generation: number): string {
    return path.join(this.#options.directory, `g${generation}`);
  }

  #socketOf(generation: number): string {
    return path.join(this.#options.directory, `w${generation}.sock`);
  }
}

async function isAnswered(api: RuntimeApi, signal: AbortSignal): Promise<boolean> {
  try {
    return (await api.ask('show info', signal)).includes('Pid:');
  } catch (error) {
    if (!isOfSocket(error)) throw error;
    return false;
  }
}

const isOfSocket = (error: unknown): boolean =>
  ['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '');

const MAX_PAYLOAD = 8_000;
/** Entries of a map, as many as fit into one request. */
function* payloads(entries: readonly (readonly [string, string])[]): Generator<string> {
  let part = '';
  for (const [key, value] of entries) {
    const line = `${mapWord(key)} ${mapWord(value)}\n`;
    if (part !== '' && part.length + line.length > MAX_PAYLOAD) {
      yield part;
      part = '';
    }
    part += line;
  }
  if (part !== '') yield part;
}
