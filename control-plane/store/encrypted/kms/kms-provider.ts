/**
 * One provider `kms` of a configuration, version 2: values are encrypted here, with keys that are derived from a seed, and the plugin encrypts
 * the seed. There is a seed per start of a server and key of the service, so that the plugin is asked once and not with each write.
 * https://kubernetes.io/docs/tasks/administer-cluster/kms-provider/
 */
import { hash, randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { DeadlineError, withDeadline } from '../../../../client/deadline.ts';
import type { Logger } from '../../../../client/logger.ts';
import { Outage } from '../../../../client/outage.ts';
import { SettingValueError } from '../../../../daemon/setting-rules.ts';
import type { Cipher } from '../providers.ts';
import { cipherOf, SEED_BYTES } from './data-cipher.ts';
import {
  decodeEnvelope,
  encodeEnvelope,
  encodeSource,
  HKDF_SEED,
  keyIdProblem,
  sourceKey,
  sourceProblem,
  type EncryptedSource,
} from './envelope.ts';
import type { KmsMetrics } from './metrics.ts';
import { KmsPlugin, type PluginStatus } from './plugin.ts';

/** Upstream's: how often the plugin is asked for its status, after a good and a bad answer, and how long a seed is good without a good one. */
const HEALTHY_INTERVAL_MS = 60_000;
const FAILING_INTERVAL_MS = 10_000;
const SEED_LIMIT_MS = 180_000;
/** How long a start, or a new configuration, waits for the plugin. */
const START_LIMIT_MS = 15_000;
const START_INTERVAL_MS = 500;
/** Seeds that are kept decrypted: about one per start of a server, as long as what has been written with it is there. */
const MAX_SEEDS = 4096;
const DECRYPT_ATTEMPTS = 2;
/** A plugin that has not answered is not asked again for so long: thousands of objects may need it. */
const DOWN_MS = 1_000;
const MAX_FAILURES = 1024;
const VERSIONS: readonly string[] = ['v2', 'v2beta1'];

export interface KmsTimes {
  /** From one status to the next, after a good and after a bad one. */
  readonly healthy: number;
  readonly failing: number;
  /** How long a plugin has to be ready. */
  readonly start: number;
}

export interface KmsOptions {
  readonly name: string;
  /** `unix:///run/kms.sock` */
  readonly endpoint: string;
  readonly timeoutMs: number;
  readonly metrics: KmsMetrics;
  readonly logger: Logger;
  /** Others than upstream's, for tests. */
  readonly timesMs?: KmsTimes;
}

/** The seed that is written with. */
interface Current {
  readonly source: EncryptedSource;
  readonly encoded: Buffer;
  readonly cipher: Cipher;
  readonly key: string;
  /** On the monotonic clock. */
  readonly until: number;
}

export interface Opened {
  readonly value: Buffer;
  /** Of the key in the service with which it was stored. */
  readonly keyId: string;
  readonly isStale: boolean;
}

const idOf = (source: EncryptedSource): string => hash('sha256', sourceKey(source), 'base64');

export class KmsProvider implements Disposable {
  readonly name: string;
  readonly #options: KmsOptions;
  readonly #plugin: KmsPlugin;
  readonly #outage: Outage;
  /** By the hash of what is stored of them, the least recently used first. */
  readonly #seeds = new Map<string, Cipher>();
  readonly #fetching = new Map<string, Promise<void>>();
  /** Why seeds could not be decrypted, likewise. */
  readonly #failures = new Map<string, string>();
  #current: Current | undefined;
  #version: string | undefined;
  #failure: string | undefined = 'has not been asked yet';
  #polling: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #downUntil = -Infinity;
  #isClosed = false;

  private constructor(options: KmsOptions) {
    const { name, endpoint, timeoutMs, metrics, logger } = options;
    this.name = name;
    this.#options = options;
    this.#outage = new Outage({ logger, level: 'error' });
    this.#plugin = new KmsPlugin({
      endpoint,
      timeoutMs,
      called: (method, code, seconds) => metrics.called(name, method, code, seconds),
    });
  }

  /** Resolves when values can be written. Rejects with SettingValueError when the plugin is not ready for some time. */
  static async open(options: KmsOptions): Promise<KmsProvider> {
    const provider = new KmsProvider(options);
    const what = `waiting for the KMS plugin ${options.name}`;
    try {
      await withDeadline({ what, limitMs: options.timesMs?.start ?? START_LIMIT_MS }, async (signal) => {
        for (;;) {
          await provider.poll();
          if (provider.failure === undefined) return;
          await delay(START_INTERVAL_MS, undefined, { signal });
        }
      });
      return provider;
    } catch (error) {
      provider[Symbol.dispose]();
      if (!(error instanceof DeadlineError)) throw error;
      throw new SettingValueError(
        `the KMS plugin ${JSON.stringify(options.name)} at ${options.endpoint} is not ready: ${provider.failure}`,
        { cause: error },
      );
    }
  }

  /** What is wrong with the plugin; undefined when nothing is. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Of the key that is written with, in the service. */
  get keyId(): string {
    return this.#current?.source.keyId ?? '';
  }

  /** Asks the plugin for its status, and makes a new seed when it has a new key. Does not reject. */
  poll(): Promise<void> {
    this.#polling ??= this.#poll().finally(() => {
      this.#polling = undefined;
      this.#schedule();
    });
    return this.#polling;
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    const { healthy = HEALTHY_INTERVAL_MS, failing = FAILING_INTERVAL_MS } = this.#options.timesMs ?? {};
    const polled = (): void => void this.poll();
    this.#timer = setTimeout(polled, this.#failure === undefined ? healthy : failing).unref();
  }

  async #poll(): Promise<void> {
    const { name } = this.#options;
    try {
      // From before the call, so that a seed is never used for longer than allowed.
      const until = performance.now() + SEED_LIMIT_MS;
      const status = await this.#plugin.status();
      const problem = this.#statusProblem(status);
      // A plugin that says that it is not well may still encrypt: upstream goes on, too, and tells.
      if (keyIdProblem(status.keyId) === undefined) await this.#useKey(status.keyId, until);
      if (problem !== undefined) throw new Error(problem);
      this.#failure = undefined;
      this.#outage.ended({ provider: name }, 'KMS plugin is healthy again');
    } catch (error) {
      if (this.#isClosed) return;
      this.#failure = messageOf(error);
      this.#outage.failed(error, { provider: name }, 'KMS plugin is not healthy');
    }
  }

  #statusProblem({ version, healthz, keyId }: PluginStatus): string | undefined {
    const { name, metrics } = this.#options;
    const badKey = keyIdProblem(keyId);
    if (badKey !== undefined) {
      metrics.invalidKeyId(name, keyId === '' ? 'empty' : 'too_long');
      return `got invalid KMSv2 KeyID: ${badKey}`;
    }
    if (healthz !== 'ok') return `got unexpected healthz status: ${healthz.slice(0, 200)}`;
    if (!VERSIONS.includes(version)) return `expected KMSv2 API version v2, got ${version.slice(0, 200)}`;
    this.#version ??= version;
    return version === this.#version
      ? undefined
      : `KMSv2 API version should not change after the initial status response version ${this.#version}, got ${version}`;
  }

  async #useKey(keyId: string, until: number): Promise<void> {
    if (this.#current?.source.keyId === keyId) {
      this.#current = { ...this.#current, until };
      return;
    }
    const seed = randomBytes(SEED_BYTES);
    const { ciphertext, keyId: used, annotations } = await this.#plugin.encrypt(seed, randomUUID());
    const source: EncryptedSource = {
      type: HKDF_SEED,
      ciphertext,
      keyId: used,
      annotations: new Map(Object.entries(annotations)),
    };
    const problem = sourceProblem(source);
    if (problem !== undefined) throw new Error(problem);
    if (used !== keyId) throw new Error('the plugin encrypts with another key than its status says');
    const cipher = cipherOf(HKDF_SEED, seed);
    const key = idOf(source);
    this.#current = { source, encoded: encodeSource(source), cipher, key, until };
    this.#keep(key, cipher);
  }

  /** Throws an Error when no seed may be used: the plugin has not been well for some minutes. */
  encrypt(plain: Buffer, context: Buffer): Buffer {
    const current = this.#current;
    if (!current || performance.now() > current.until)
      throw new Error(`the KMS plugin ${JSON.stringify(this.name)} is not healthy: ${this.#failure ?? 'no answer'}`);
    return encodeEnvelope(current.cipher.encrypt(plain, context), current.encoded);
  }

  /** Resolves when the plugin has been asked for what `decrypt` needs; undefined when nothing is needed. Does not reject. */
  prepare(stored: Buffer): Promise<void> | undefined {
    const source = sourceIn(stored);
    if (!source) return undefined;
    const key = idOf(source);
    if (this.#cipherFor(key)) return undefined;
    const fetching = this.#fetching.get(key);
    if (fetching) return fetching;
    const fetched = this.#fetch(key, source).finally(() => this.#fetching.delete(key));
    this.#fetching.set(key, fetched);
    return fetched;
  }

  /** After `prepare`. Throws an Error that says why, and nothing of the value. */
  decrypt(stored: Buffer, context: Buffer): Opened {
    const { data, source } = decodeEnvelope(stored);
    const key = idOf(source);
    const cipher = this.#cipherFor(key);
    if (!cipher) throw new Error(`failed to decrypt DEK, error: ${this.#failures.get(key) ?? 'not asked for'}`);
    const value = cipher.decrypt(data, context);
    const current = this.#current?.source;
    return { value, keyId: source.keyId, isStale: source.keyId !== current?.keyId || source.type !== current.type };
  }

  #cipherFor(key: string): Cipher | undefined {
    const current = this.#current;
    if (current?.key === key) return current.cipher;
    const cipher = this.#seeds.get(key);
    if (!cipher) return undefined;
    this.#seeds.delete(key);
    this.#seeds.set(key, cipher);
    return cipher;
  }

  async #fetch(key: string, { type, ciphertext, keyId, annotations }: EncryptedSource): Promise<void> {
    const request = { ciphertext, keyId, annotations: Object.fromEntries(annotations) };
    for (let attempt = 1; ; attempt++) {
      try {
        if (performance.now() < this.#downUntil) throw new Error(this.#failure ?? 'the plugin has not answered');
        this.#keep(key, cipherOf(type, await this.#plugin.decrypt({ ...request, uid: randomUUID() })));
        this.#failures.delete(key);
        return;
      } catch (error) {
        if (attempt < DECRYPT_ATTEMPTS && performance.now() >= this.#downUntil) continue;
        if (error instanceof DeadlineError) this.#downUntil = performance.now() + DOWN_MS;
        if (this.#failures.size >= MAX_FAILURES) this.#failures.clear();
        this.#failures.set(key, messageOf(error));
        return;
      }
    }
  }

  #keep(key: string, cipher: Cipher): void {
    this.#seeds.delete(key);
    for (const oldest of this.#seeds.keys()) {
      if (this.#seeds.size < MAX_SEEDS) break;
      this.#seeds.delete(oldest);
    }
    this.#seeds.set(key, cipher);
    this.#options.metrics.cached(this.name, this.#seeds.size);
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#plugin[Symbol.dispose]();
  }
}

/** Undefined for what is no envelope: `decrypt` says so. */
function sourceIn(stored: Buffer): EncryptedSource | undefined {
  try {
    return decodeEnvelope(stored).source;
  } catch {
    return undefined;
  }
}

const MAX_MESSAGE = 500;

/** A plugin's words may be long. */
const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).slice(0, MAX_MESSAGE);
