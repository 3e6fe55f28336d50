import type { AuditEvent } from './record.ts';

/** Where events go. Nothing waits for it: a sink that cannot keep up, or fails, loses events, says so, and counts them. */
export interface AuditSink extends AsyncDisposable {
  /** For the metrics, as upstream calls it. */
  readonly name: 'log' | 'webhook';
  /** Events that have been lost since the start. */
  readonly lost: number;
  add(event: AuditEvent): void;
}
