/** Records requests as the policy says, and hands the events to the sinks. */
import type { Exposition } from '../../../daemon/metrics/exposition.ts';
import { Counter } from '../../../daemon/metrics/series.ts';
import type { Exchange } from '../http/exchange.ts';
import type { User } from '../http/user.ts';
import type { AuditPolicy } from './policy.ts';
import { AuditRecord, type AuditEvent } from './record.ts';
import type { AuditSink } from './sink.ts';
import { EventTexts } from './texts.ts';

const NOBODY: User = { name: '', groups: [] };

export class Auditor implements AsyncDisposable {
  readonly #policy: AuditPolicy;
  readonly #sinks: readonly AuditSink[];
  readonly #texts = new EventTexts();
  readonly #levels = new Counter(
    'apiserver_audit_level_total',
    'Requests by the audit level that the policy has for them.',
    ['level'],
  );
  #events = 0;

  constructor(policy: AuditPolicy, sinks: readonly AuditSink[]) {
    this.#policy = policy;
    this.#sinks = sinks;
  }

  /** The first stage of a request whose sender is known. From then on it has `audit`, if it is to be recorded. */
  received(exchange: Exchange, user: User): void {
    const record = this.#recordOf(exchange, user);
    if (!record) return;
    exchange.audit = record;
    record.received();
  }

  /** A request whose credentials are wrong. */
  refused(exchange: Exchange, code: number): void {
    this.#recordOf(exchange, NOBODY)?.refused(attemptedMethods(exchange), code);
  }

  #recordOf(exchange: Exchange, user: User): AuditRecord | undefined {
    const config = this.#policy.of(user, exchange.info);
    this.#levels.increase(config?.level ?? 'None');
    return config && new AuditRecord(exchange, user, config, this.#texts, this.#emit);
  }

  readonly #emit = (event: AuditEvent): void => {
    this.#events++;
    for (const sink of this.#sinks) sink.add(event);
  };

  readonly writeMetrics = (to: Exposition): void => {
    to.single('apiserver_audit_event_total', 'counter', 'Audit events made and handed to the backends.', this.#events);
    this.#levels.write(to);
    const errors = 'apiserver_audit_error_total';
    to.family(errors, 'counter', 'Audit events that a backend has lost.');
    for (const { name, lost } of this.#sinks) to.sample(errors, { plugin: name }, lost);
    const rejected = 'apiserver_audit_requests_rejected_total';
    to.single(rejected, 'counter', 'Requests rejected since the audit backend failed: none ever are.', 0);
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#sinks.map((sink) => sink[Symbol.asyncDispose]()));
  }
}

/** Upstream's words. */
function attemptedMethods({ request, info }: Exchange): string {
  const authorization = request.headers.authorization?.trim() ?? '';
  const attempted = [
    ...(/^basic /i.test(authorization) ? ['basic'] : []),
    ...(/^bearer /i.test(authorization) ? ['bearer'] : []),
    ...(info.query.get('access_token') ? ['access_token'] : []),
    ...('getPeerX509Certificate' in request.socket && request.socket.getPeerX509Certificate() ? ['x509'] : []),
  ];
  return attempted.length > 0
    ? `Authentication failed, attempted: ${attempted.join(', ')}`
    : 'Authentication failed, no credentials provided';
}
