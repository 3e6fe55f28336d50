/** The span of a request, as upstream's filter WithTracing has it. */
import type { Span } from '../../../daemon/tracing/span.ts';
import type { Tracer } from '../../../daemon/tracing/tracer.ts';
import type { Exchange } from './exchange.ts';
import type { RequestInfo } from './request-info.ts';
import { isLongRunning } from './request-timeout.ts';
import { MONITORING_GROUP, PRIVILEGED_GROUP, type User } from './user.ts';

/**
 * Begins it when the user is known: only those of these groups may say by a header that their request is traced, as upstream has it, so
 * that others cannot make the server work for it, nor write into traces that are not theirs. Long-running requests have none: what they
 * do is not a step of something.
 * @param startedAt `performance.now()` when authentication began
 */
export function beginTrace(tracer: Tracer, exchange: Exchange, user: User, startedAt: number): void {
  const { info } = exchange;
  if (isLongRunning(info)) return;
  const isTrusted = user.groups.includes(PRIVILEGED_GROUP) || user.groups.includes(MONITORING_GROUP);
  const span = tracer.begin({ name: spanName(info), header: exchange.header('traceparent'), isTrusted, startedAt });
  if (!span) return;
  span.set('audit-id', exchange.auditId).set('http.request.method', info.method).set('url.path', info.path);
  span.child('Authentication', 'internal', startedAt)?.end();
  exchange.span = span;
}

/** When the response has been sent. */
export function endTrace(span: Span, statusCode: number): void {
  span.set('http.response.status_code', statusCode);
  span.end(statusCode >= 500 ? `HTTP status ${statusCode}` : undefined);
}

/** Upstream's: the route, without names of a client's. */
function spanName({ method, isResource, group, version, namespace, resource, name, subresource }: RequestInfo): string {
  if (!isResource) return method;
  const parts = [
    group === '' ? '/api' : `/apis/${group}`,
    version,
    ...(namespace ? ['namespaces/{:namespace}'] : []),
    resource,
    ...(name ? ['{:name}'] : []),
    ...(subresource ? [subresource] : []),
  ];
  return `${method} ${parts.join('/')}`;
}
