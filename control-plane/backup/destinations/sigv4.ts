/**
 * Signature Version 4 of AWS for S3, which every S3-compatible store checks. Pure.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
import { createHash, createHmac } from 'node:crypto';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

export interface SignedRequest {
  readonly method: string;
  /** Decoded: `/bucket/name`. */
  readonly path: string;
  readonly query: ReadonlyMap<string, string>;
  /** Lower-case names; all are signed. `host` is among them. */
  readonly headers: ReadonlyMap<string, string>;
  /** Hex digits. */
  readonly bodySha256: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export const EMPTY_SHA256 = createHash('sha256').digest('hex');

/** As S3 encodes: all but letters, digits and `-._~`. */
export const encoded = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);

export const encodedPath = (path: string): string => path.split('/').map(encoded).join('/');

export const queryText = (query: ReadonlyMap<string, string>): string =>
  [...query]
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .sort()
    .join('&');

const hmac = (key: Buffer | string, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** The headers of the request with its time, the sum of its body and its signature. */
export function sign(
  request: SignedRequest,
  { accessKeyId, secretAccessKey, region }: Credentials,
): Map<string, string> {
  const time = new Date(request.now).toISOString().replace(/[-:]|\.\d+/g, '');
  const headers = new Map([
    ...request.headers,
    ['x-amz-content-sha256', request.bodySha256] as const,
    ['x-amz-date', time] as const,
  ]);
  const names = [...headers.keys()].sort();
  const signedHeaders = names.join(';');
  const canonical = [
    request.method,
    encodedPath(request.path),
    queryText(request.query),
    ...names.map((name) => `${name}:${(headers.get(name) ?? '').trim()}`),
    '',
    signedHeaders,
    request.bodySha256,
  ].join('\n');
  const scope = `${time.slice(0, 8)}/${region}/s3/aws4_request`;
  const text = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${createHash('sha256').update(canonical).digest('hex')}`;
  const key = [region, 's3', 'aws4_request'].reduce(hmac, hmac(`AWS4${secretAccessKey}`, time.slice(0, 8)));
  const signature = hmac(key, text).toString('hex');
  return headers.set(
    'authorization',
    `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope},SignedHeaders=${signedHeaders},Signature=${signature}`,
  );
}
