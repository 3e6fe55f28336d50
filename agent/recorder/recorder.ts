/**
 * The flight recorder: writes what the agent reports (`report.ts`) to segments in its data directory. It stops nothing: what cannot
 * be written is counted, and the next record that can says so. Nothing is fsynced: what was written survives the agent, not the host.
 */
import { kedgeVersion } from '../../api/version.ts';
import { DeadlineError, withDeadline } from '../../client/deadline.ts';
import type { Logger } from '../../client/logger.ts';
import { Outage } from '../../client/outage.ts';
import { readBootId } from '../host/boot-id.ts';
import { listen, report, wordsOf, type Report, type Subject } from './report.ts';
import { Repeats } from './repeats.ts';
import { recorderDirectory, SegmentWriter } from './segments.ts';
import { FORMAT, lineOf, type LifeRecord, type LostRecord, type Moment } from './stored.ts';

export interface RecorderOptions {
  readonly dataDir: string;
  /** Of all segments together. */
  readonly totalBytes: number;
  readonly logger: Logger;
}

/** Records are gathered for so long: a pod's start makes two dozen of them, most of them close together. */
const GATHER_MS = 25;
/** What waits for a disk that does not answer. */
const MAX_WAITING_CHARACTERS = 1024 * 1024;
/** A disk that is full is tried again after so long. */
const RETRY_MS = 1_000;

/** An agent that stops does not wait longer for its disk. */
const LAST_LIMIT_MS = 2_000;

const NS_PER_MS = 1e6;
/** Both clocks, to a tenth of a millisecond. */
export function momentNow(): Moment {
  const [seconds, nanoseconds] = process.hrtime();
  return { at: Date.now(), mono: Math.round((seconds * 1000 + nanoseconds / NS_PER_MS) * 10) / 10 };
}

export class Recorder implements AsyncDisposable {
  readonly #writer: SegmentWriter;
  readonly #repeats = new Repeats();
  readonly #outage: Outage;
  readonly #held = new DisposableStack();
  #waiting: string[] = [];
  #waitingCharacters = 0;
  #lost = 0;
  #lostWhy = '';
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #isReporting = false;

  constructor({ dataDir, totalBytes, logger }: RecorderOptions, boot: string) {
    const begun = momentNow();
    // Of a later segment, when that began.
    let isFirst = true;
    const life = (): string => {
      const moment = isFirst ? begun : momentNow();
      isFirst = false;
      const record: LifeRecord = {
        ...{
          kind: 'life',
          format: FORMAT,
          ...moment,
          boot,
          pid: process.pid,
          agentAt: begun.at,
          version: kedgeVersion,
        },
      };
      return `${JSON.stringify(record)}\n`;
    };
    this.#writer = new SegmentWriter(recorderDirectory(dataDir), totalBytes, life);
    this.#outage = new Outage({ logger });
    this.#held.use(listen((what, about) => this.#record(what, about)));
    const crashed = (error: Error): void =>
      report({ kind: 'agent', what: 'crashed', error: error.stack ?? error.message });
    const last = (): void => this.#writeLast();
    process.on('uncaughtExceptionMonitor', crashed).on('exit', last);
    this.#held.defer(() => process.off('uncaughtExceptionMonitor', crashed).off('exit', last));
  }

  /** Records from now on, until it is disposed of. Throws nothing for a disk that cannot be written. */
  static async open(options: RecorderOptions): Promise<Recorder> {
    const recorder = new Recorder(options, await readBootId());
    await recorder.#exclusively(() => recorder.#prepare());
    return recorder;
  }

  /** Stops recording, and writes what waits. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#held.dispose();
    clearTimeout(this.#timer);
    try {
      await withDeadline({ what: 'the last of the flight recorder', limitMs: LAST_LIMIT_MS }, async () => {
        await this.#writing;
        await this.#write();
        await this.#writer[Symbol.asyncDispose]();
      });
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
    }
    clearTimeout(this.#timer);
  }

  #record(what: Report, about: Subject | undefined): void {
    // What the recorder's own failure makes the log say.
    if (this.#isReporting) return;
    const moment = momentNow();
    const again = this.#repeats.leftOut(what, about, moment.mono);
    if (again === undefined) return;
    if (this.#waitingCharacters >= MAX_WAITING_CHARACTERS) {
      this.#lose(1, 'the disk does not keep up');
      return;
    }
    const line = lineOf(what, about, moment, again);
    this.#waiting.push(line);
    this.#waitingCharacters += line.length;
    this.#schedule(GATHER_MS);
  }

  #schedule(afterMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      // Otherwise the end of that write sees to the next one.
      if (!this.#writing) void this.#exclusively(() => this.#write());
    }, afterMs).unref();
  }

  #exclusively(act: () => Promise<void>): Promise<void> {
    this.#writing = act().finally(() => (this.#writing = undefined));
    return this.#writing;
  }

  /** So that there is a file when the process ends before the first write. */
  async #prepare(): Promise<void> {
    try {
      await this.#writer.prepare();
    } catch (error) {
      this.#failed(0, error);
    }
    if (this.#waiting.length > 0) this.#schedule(GATHER_MS);
  }

  #failed(count: number, error: unknown): void {
    this.#lose(count, wordsOf(error));
    this.#said(() =>
      this.#outage.failed(error, {}, 'flight recorder cannot write; what happens meanwhile is not recorded'),
    );
  }

  #lose(count: number, why: string): void {
    this.#lost += count;
    this.#lostWhy = why;
  }

  async #write(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const lines = this.#waiting;
    const lost = this.#lost;
    const text = this.#takeWaiting();
    try {
      await this.#writer.write(text);
      this.#lost -= lost;
      this.#said(() => this.#outage.ended({}, 'flight recorder writes again'));
      if (this.#waiting.length > 0) this.#schedule(GATHER_MS);
    } catch (error) {
      this.#failed(lines.length, error);
      this.#schedule(RETRY_MS);
    }
  }

  /** The lines that wait, after one that says how many were lost before them. */
  #takeWaiting(): string {
    const text = this.#waiting.join('');
    this.#waiting = [];
    this.#waitingCharacters = 0;
    if (this.#lost === 0) return text;
    const record: LostRecord = { kind: 'lost', ...momentNow(), count: this.#lost, why: this.#lostWhy };
    return `${JSON.stringify(record)}\n${text}`;
  }

  #said(log: () => void): void {
    this.#isReporting = true;
    log();
    this.#isReporting = false;
  }

  /** In the process' last moment nothing can be waited for. */
  #writeLast(): void {
    if (this.#waiting.length === 0) return;
    try {
      this.#writer.writeLast(this.#takeWaiting());
    } catch {
      // There is nobody left to tell.
    }
  }
}
