/** HTTP GET as probes and lifecycle hooks make it. */
import http from 'node:http';
import https from 'node:https';
import type { HTTPGetAction } from '../../api/core/probe.ts';
import type { AnyContainer } from '../pods/actions.ts';
import { portNumber } from '../pods/ports.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
  /** Where a redirect to another host points; it is not followed there. */
  readonly redirectedTo?: string;
}

/** The kubelet reads so much of an answer. */
const MAX_BODY_BYTES = 10 * 1024;
const MAX_REDIRECTS = 10;
const USER_AGENT = 'kube-probe/1.36';

/** Follows redirects on the same host. Certificates are not checked: a probe asks whether somebody answers. */
export async function httpGet(
  action: HTTPGetAction,
  container: AnyContainer,
  podIP: string,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const host = action.host || podIP;
  const scheme = (action.scheme ?? 'HTTP').toLowerCase();
  const port = portNumber(action.port, container);
  const path = action.path || '/';
  let url = new URL(
    `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}${path.startsWith('/') ? path : `/${path}`}`,
  );
  const first = url.hostname;
  for (let redirects = 0; ; redirects++) {
    const { answer, location } = await once(url, headersOf(action), signal);
    if (location === undefined || answer.status < 300 || answer.status >= 400) return answer;
    url = new URL(location, url);
    if (url.hostname !== first) return { ...answer, redirectedTo: url.href };
    if (redirects === MAX_REDIRECTS) throw new Error(`Get "${url.href}": stopped after ${MAX_REDIRECTS} redirects`);
  }
}

function headersOf({ httpHeaders = [] }: HTTPGetAction): Record<string, string[]> {
  const headers = new Map([
    ['user-agent', [USER_AGENT]],
    ['accept', ['*/*']],
  ]);
  for (const [name, values] of Map.groupBy(httpHeaders, ({ name }) => name.toLowerCase())) {
    headers.set(
      name,
      values.map(({ value }) => value),
    );
  }
  // A header that is given empty is left out.
  for (const name of ['user-agent', 'accept']) if (headers.get(name)?.[0] === '') headers.delete(name);
  return Object.fromEntries(headers);
}

function once(
  url: URL,
  { host, ...headers }: Record<string, string[]>,
  signal: AbortSignal,
): Promise<{ answer: HttpAnswer; location: string | undefined }> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(new Error(`Get "${url.href}": ${wording(error, url)}`));
    const request = (url.protocol === 'https:' ? https : http).get(
      url,
      {
        headers: { ...headers, connection: 'close', ...(host?.[0] !== undefined && { host: host[0] }) },
        signal,
        agent: false,
        rejectUnauthorized: false,
      },
      (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        const done = () => {
          request.destroy();
          const body = Buffer.concat(chunks).subarray(0, MAX_BODY_BYTES).toString('utf8');
          resolve({ answer: { status: response.statusCode ?? 0, body }, location: response.headers.location });
        };
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          if ((size += chunk.length) >= MAX_BODY_BYTES) done();
        });
        response.on('end', done);
        response.on('error', fail);
      },
    );
    request.on('error', fail);
  });
}

/** Go's words for the common failures, which people search for. */
function wording(error: Error, url: URL): string {
  const { code } = error as NodeJS.ErrnoException;
  const where = `dial tcp ${url.hostname}:${url.port || (url.protocol === 'https:' ? 443 : 80)}`;
  switch (code) {
    case 'ECONNREFUSED':
      return `${where}: connect: connection refused`;
    case 'EHOSTUNREACH':
      return `${where}: connect: no route to host`;
    case 'ECONNRESET':
      return 'EOF';
    case 'ABORT_ERR':
      return 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)';
    default:
      return error.message;
  }
}
