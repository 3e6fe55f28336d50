/**
 * How parts of the agent tell the flight recorder what they have decided, done and seen. It goes over a channel of Node.js' own,
 * because programs are run by plain functions that many parts call: nothing is handed a recorder, and where nobody listens (in
 * commands and tests) a report costs a comparison. Nothing may be decided by what is reported here.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { channel } from 'node:diagnostics_channel';

/** On whose behalf something is done: the fields by which log lines name a pod (`pods/log-fields.ts`). */
export interface Subject {
  /** `NAMESPACE/NAME` */
  readonly pod: string;
  readonly podUID: string | undefined;
}

/** An action of a plan. */
export interface PlannedAction {
  readonly action: string;
  readonly container?: string;
  readonly why: string;
}

/** How something went. Durations are in milliseconds. */
interface Outcome {
  readonly ms: number;
  readonly error?: string;
}

/** Rules of one owner, or of one table, in one transaction. */
export interface WrittenRules {
  readonly owner: string;
  /** Of each kind, how many were written and removed. */
  readonly changed: string;
}

/** What happened. Texts may come from anywhere and be of any length: the recorder takes secrets and control characters out. */
export type Report =
  | { readonly kind: 'agent'; readonly what: string; readonly version?: string; readonly error?: string }
  | { readonly kind: 'log'; readonly level: string; readonly message: string; readonly error?: string }
  | { readonly kind: 'plan'; readonly operation: string; readonly actions: readonly PlannedAction[] }
  | { readonly kind: 'action'; readonly action: string; readonly container?: string; readonly error: string }
  /** `target`: what the call is about, beside the container or sandbox of this id. */
  | ({
      readonly kind: 'cri';
      readonly server?: string;
      readonly call: string;
      readonly target?: string;
      readonly id?: string;
    } & Outcome)
  | ({
      readonly kind: 'program';
      readonly args: readonly string[];
      readonly exit: number | null;
    } & Outcome)
  /** A container that has ended, and what follows from it. */
  | {
      readonly kind: 'exit';
      readonly container: string;
      readonly id: string;
      readonly exitCode: number;
      readonly reason: string;
      readonly ranMs: number;
      readonly next: string;
    }
  /** What a starting agent finds of a pod, and what happens to its sandboxes and containers without the agent's doing. */
  | { readonly kind: 'seen'; readonly what: string; readonly container?: string; readonly id?: string }
  | { readonly kind: 'probe'; readonly container: string; readonly probe: string; readonly healthy: boolean }
  | ({
      readonly kind: 'status';
      readonly phase: string;
      readonly ready: string;
      readonly waiting: readonly string[];
    } & Outcome)
  | ({ readonly kind: 'volume'; readonly step: string; readonly volume: string } & Outcome)
  | ({ readonly kind: 'rules'; readonly rules: readonly WrittenRules[] } & Outcome)
  | {
      readonly kind: 'node';
      readonly condition: string;
      readonly status: string;
      readonly reason: string;
      readonly message: string;
    }
  | {
      readonly kind: 'event';
      readonly type: string;
      readonly reason: string;
      /** `pod/shop/web` */
      readonly object: string;
      readonly message: string;
    };

export type Listener = (report: Report, about: Subject | undefined) => void;

interface Message {
  readonly report: Report;
  readonly about: Subject | undefined;
}

const reports = channel('kedge.agent.report');
const subject = new AsyncLocalStorage<Subject | undefined>();

/** `about`: the pod, where it is not the one on whose behalf the caller runs; null for what is no pod's. */
export function report(what: Report, about: Subject | null | undefined = subject.getStore()): void {
  if (reports.hasSubscribers) reports.publish({ report: what, about: about ?? undefined } satisfies Message);
}

/** What `act` does and waits for is done for this pod; for none when undefined: what it does is for several. */
export const onBehalfOf = <T>(pod: Subject | undefined, act: () => T): T => subject.run(pod, act);

/** Calls `listener` with every report, until it is disposed of. It must not throw. */
export function listen(listener: Listener): Disposable {
  const handle = (message: unknown): void => {
    const { report: what, about } = message as Message;
    listener(what, about);
  };
  reports.subscribe(handle);
  return { [Symbol.dispose]: () => void reports.unsubscribe(handle) };
}

/** Milliseconds since `startedAt`, of `performance.now()`. */
export const since = (startedAt: number): number => Math.round((performance.now() - startedAt) * 10) / 10;

export const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
