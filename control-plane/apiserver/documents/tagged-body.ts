/** Documents that clients keep, and ask for with the ETag of what they have. */
import { createHash } from 'node:crypto';
import type { Exchange } from '../http/exchange.ts';

export interface TaggedBody {
  readonly body: string | Buffer;
  /** In upper-case hexadecimal digits, as OpenAPI v3 has it in its index. */
  readonly hash: string;
}

export const tagged = (body: string | Buffer): TaggedBody => ({
  body,
  hash: createHash('sha512').update(body).digest('hex').toUpperCase(),
});

/** Clients that have the document get a 304. */
export function sendTagged(exchange: Exchange, contentType: string, { body, hash }: TaggedBody): void {
  const etag = `"${hash}"`;
  const headers = { ETag: etag, Vary: 'Accept' };
  if (exchange.header('if-none-match') === etag) exchange.write(304, contentType, '', headers);
  else exchange.write(200, contentType, body, headers);
}
