/** Upstream's text format of an audit event (`--audit-log-format legacy`): one line, a part of what the event has. */
import type { AuditedUser } from '../http/request-audit.ts';
import type { Stage } from './policy.ts';

export interface LegacyEvent {
  readonly receivedAt: string;
  readonly id: string;
  readonly stage: Stage;
  readonly ip: string | undefined;
  readonly verb: string;
  readonly user: AuditedUser;
  readonly impersonated: AuditedUser | undefined;
  readonly userAgent: string;
  readonly namespace: string;
  readonly uri: string;
  readonly code: number | undefined;
}

/** Everything from outside is quoted: it cannot begin a line or a field of its own. */
export function legacyLine(event: LegacyEvent): string {
  const { user, impersonated } = event;
  const quoted = JSON.stringify;
  const all = (texts: readonly string[]): string => texts.map((text) => quoted(text)).join();
  const groups = user.name && user.groups.length > 0 ? all(user.groups) : '<none>';
  return (
    `${event.receivedAt} AUDIT: id=${quoted(event.id)} stage=${quoted(event.stage)} ip=${quoted(event.ip ?? '<unknown>')}` +
    ` method=${quoted(event.verb)} user=${quoted(user.name || '<none>')} groups=${quoted(groups)}` +
    ` as=${quoted(impersonated?.name ?? '<self>')} asgroups=${quoted(impersonated ? all(impersonated.groups) : '<lookup>')}` +
    ` user-agent=${quoted(event.userAgent)} namespace=${quoted(event.namespace || '<none>')} uri=${quoted(event.uri)}` +
    ` response="${event.code ?? '<deferred>'}"`
  );
}
