/** Makes a story of records: sentences with their times, what came between, and causes that other records have. Pure state. */
import { exitMeaning } from '../inspect/why/exit-code.ts';
import type { ReadRecord } from './read-records.ts';
import { OUT_OF_MEMORY, sentence, took, type Known } from './sentences.ts';
import type { LifeRecord, Moment, ReportRecord, StoredRecord } from './stored.ts';

export interface StoryLine {
  /** In ms since the epoch, by the clock as it was then; undefined for what came between. */
  readonly at: number | undefined;
  /** The pod; empty for the node. */
  readonly subject: string;
  readonly text: string;
}

/** What lasts longer is told. */
const GAP_MS = 5_000;
/** A clock that is slewed changes by half a thousandth at most, and two records are not made at one instant. */
const STEP_MS = 2_000;
const SLEW = 0.001;
/** Ids of containers that are remembered. */
const MAX_KNOWN = 10_000;
const SHORT_ID = 12;

interface Place extends Moment {
  readonly boot: string | undefined;
}

export class Story implements Known {
  readonly #names = new Map<string, string>();
  readonly #outOfMemory = new Set<string>();
  /** By pod and container: why the agent stops it. */
  readonly #stops = new Map<string, string>();
  #before: Place | undefined;
  #toldBefore: Place | undefined;
  #life: LifeRecord | undefined;
  /** The last life has said that it ends. */
  #hasEnded = false;

  /** Every record has to pass here; of those that are not selected, only what they explain is kept. */
  *tell({ record, life }: ReadRecord, isSelected: boolean): Generator<StoryLine> {
    const place: Place = { at: record.at, mono: record.mono, boot: life?.boot };
    const before = this.#before;
    this.#before = place;
    if (record.kind !== 'life' && record.kind !== 'lost') this.#learn(record);
    const step = clockStep(before, place);
    const text = this.#textOf(record);
    if (!isSelected || text === undefined) return;
    if (step !== undefined) yield { at: record.at, subject: '', text: step };
    const gap = gapBetween(this.#toldBefore, place);
    if (gap !== undefined) yield { at: undefined, subject: '', text: gap };
    this.#toldBefore = place;
    yield { at: record.at, subject: 'pod' in record ? (record.pod ?? '') : '', text };
  }

  nameOf(id: string): string {
    return this.#names.get(id) ?? id.slice(0, SHORT_ID);
  }

  causeOf({
    id,
    container,
    pod,
    podUID,
    reason,
    exitCode,
  }: Extract<ReportRecord, { readonly kind: 'exit' }>): string | undefined {
    if (reason === 'OOMKilled' || this.#outOfMemory.has(id)) return 'OOM killed';
    const stopped = this.#stops.get(`${pod} ${podUID} ${container}`);
    if (stopped !== undefined) return `stopped by the agent: ${stopped}`;
    return exitMeaning(exitCode);
  }

  #textOf(record: StoredRecord): string | undefined {
    if (record.kind === 'lost') return `${record.count} records could not be written before this: ${record.why}`;
    if (record.kind === 'life') return this.#begin(record);
    const text = sentence(record, this);
    if (record.kind === 'exit') this.#stops.delete(`${record.pod} ${record.podUID} ${record.container}`);
    return text;
  }

  /** A life begins with its first segment. */
  #begin(life: LifeRecord): string | undefined {
    const before = this.#life;
    const hasEnded = this.#hasEnded;
    this.#life = life;
    this.#hasEnded = false;
    if (before?.agentAt === life.agentAt && before.boot === life.boot) return undefined;
    const begins = `agent ${life.version} (process ${life.pid}) begins to record`;
    if (!before) return begins;
    const end = hasEnded
      ? ''
      : `; the one before it (process ${before.pid}) has ended without a word, as when it is killed`;
    return before.boot === life.boot ? `${begins}${end}` : `${begins}; the host has been booted${end}`;
  }

  #learn(record: ReportRecord): void {
    const { kind } = record;
    if (kind === 'agent') this.#hasEnded = record.what !== 'started';
    else if (kind === 'cri' && record.id !== undefined && record.target !== undefined)
      this.#name(record.id, record.target);
    else if ((kind === 'seen' || kind === 'exit') && record.id !== undefined) {
      if (record.container !== undefined) this.#name(record.id, record.container);
      if (kind === 'seen' && record.what === OUT_OF_MEMORY) this.#outOfMemory.add(record.id);
    } else if (kind === 'plan')
      for (const { action, container, why } of record.actions) {
        const key = `${record.pod} ${record.podUID} ${container}`;
        if (action === 'stopContainer') this.#stops.set(key, why);
        if (action === 'startContainer') this.#stops.delete(key);
      }
  }

  #name(id: string, name: string): void {
    if (this.#names.size >= MAX_KNOWN) this.#names.clear();
    this.#names.set(id, name);
  }
}

function clockStep(before: Place | undefined, { at, mono, boot }: Place): string | undefined {
  if (!before || boot === undefined || before.boot !== boot) return undefined;
  const passed = mono - before.mono;
  const step = at - before.at - passed;
  if (Math.abs(step) <= STEP_MS + Math.abs(passed) * SLEW) return undefined;
  return step > 0
    ? `the clock went ${took(step)} ahead of the time that passed: it was set, or the host was suspended`
    : `the clock was set back by ${took(-step)}: times above are later than they seem`;
}

/** By the monotonic clock where it is one boot. */
function gapBetween(before: Place | undefined, { at, mono, boot }: Place): string | undefined {
  if (!before) return undefined;
  const ms = before.boot === boot ? mono - before.mono : at - before.at;
  return ms >= GAP_MS ? `... ${took(ms)} later` : undefined;
}
