/** What a member of etcd measures of itself, and until when its certificate is good. https://etcd.io/docs/v3.4/metrics/ */
import { request, type RequestOptions } from 'node:https';
import { checkServerIdentity, TLSSocket } from 'node:tls';
import { withDeadline } from '../../../../client/deadline.ts';

const LIMIT_MS = 3_000;
/** etcd 3.4 writes some 60 kB. */
const MAX_BYTES = 4 * 2 ** 20;
const QUANTILE = 0.99;

export interface MemberMetrics {
  /** Bytes at which it accepts no more writes; undefined when it does not say. */
  readonly quotaBytes: number | undefined;
  /** Within which 99 % of the syncs of its log were done since it was started, in seconds; undefined before the first. */
  readonly fsyncSeconds: number | undefined;
  /** The same of transactions of its database. */
  readonly commitSeconds: number | undefined;
  /** Milliseconds since the epoch; undefined without TLS. */
  readonly certificateEndMs: number | undefined;
}

/** PEM. */
export interface ClientTexts {
  readonly ca: Buffer | null;
  readonly cert: Buffer | null;
  readonly key: Buffer | null;
}

/** @param url of the member for clients. Rejects with the error of the connection, or DeadlineError. */
export async function readMemberMetrics(url: string, texts: ClientTexts, signal: AbortSignal): Promise<MemberMetrics> {
  const { hostname } = new URL(url);
  const { ca, cert, key } = texts;
  const options: RequestOptions = {
    ...(ca && { ca }),
    ...(cert && key && { cert, key }),
    // An IP address must not be sent as a server's name (RFC 6066, section 3), but is what the certificate is for.
    checkServerIdentity: (_, peer) => checkServerIdentity(hostname.replace(/^\[|\]$/g, ''), peer),
    agent: false,
  };
  return withDeadline({ what: `GET ${url}/metrics`, limitMs: LIMIT_MS, signal }, async (within) => {
    const { text, certificateEndMs } = await get(new URL('/metrics', url), { ...options, signal: within });
    return { ...metricsIn(text), certificateEndMs };
  });
}

const get = (url: URL, options: RequestOptions): Promise<{ text: string; certificateEndMs: number | undefined }> =>
  new Promise((resolve, reject) => {
    const asked = request(url, options, (response) => {
      const { socket } = response;
      const certificateEndMs =
        socket instanceof TLSSocket ? Date.parse(socket.getPeerCertificate().valid_to) : undefined;
      if (response.statusCode !== 200) {
        asked.destroy(new Error(`${url.href} answers with status ${response.statusCode}`));
        return;
      }
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
        if (text.length > MAX_BYTES) asked.destroy(new Error(`${url.href} answers with more than ${MAX_BYTES} bytes`));
      });
      response.on('end', () => resolve({ text, certificateEndMs }));
      response.on('error', reject);
    });
    asked.on('error', reject);
    asked.end();
  });

/** @param text in Prometheus' format */
export function metricsIn(text: string): Omit<MemberMetrics, 'certificateEndMs'> {
  const [, quota] = /^etcd_server_quota_backend_bytes (\S+)$/m.exec(text) ?? [];
  return {
    quotaBytes: quota === undefined || !(Number(quota) > 0) ? undefined : Number(quota),
    fsyncSeconds: quantileOf(text, 'etcd_disk_wal_fsync_duration_seconds'),
    commitSeconds: quantileOf(text, 'etcd_disk_backend_commit_duration_seconds'),
  };
}

/** The end of the bucket of a histogram that has the quantile. */
function quantileOf(text: string, name: string): number | undefined {
  const buckets: { readonly seconds: number; readonly count: number }[] = [];
  const begin = `${name}_bucket{le="`;
  for (const line of text.split('\n')) {
    if (!line.startsWith(begin)) continue;
    const [end, count] = line.slice(begin.length).split('"} ');
    if (count !== undefined) buckets.push({ seconds: end === '+Inf' ? Infinity : Number(end), count: Number(count) });
  }
  const total = Math.max(0, ...buckets.map(({ count }) => count));
  if (total === 0) return undefined;
  return Math.min(...buckets.flatMap(({ seconds, count }) => (count >= total * QUANTILE ? [seconds] : [])));
}
