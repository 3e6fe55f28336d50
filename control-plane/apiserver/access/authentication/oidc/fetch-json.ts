/** Fetches a JSON document of an issuer. Its host, its answer and the time that it takes are not trusted. */
import { get } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { isJsonObject } from '../../../../../api/machinery/own.ts';
import { withDeadline } from '../../../../../client/deadline.ts';

const MAX_BYTES = 1024 * 1024;
const LIMIT_MS = 30_000;

/** @param ca PEM; the CAs that Node.js carries when undefined. Redirects are not followed. */
export function fetchJson(url: string, ca: string | undefined, signal: AbortSignal): Promise<Record<string, unknown>> {
  return withDeadline({ what: `Get ${JSON.stringify(url)}`, limitMs: LIMIT_MS, signal }, async (callee) => {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const options = {
        agent: false,
        headers: { accept: 'application/json' },
        signal: callee,
        ...(ca && { ca }),
      } as const;
      get(url, options, resolve).on('error', reject);
    });
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > MAX_BYTES) {
        response.destroy();
        throw new Error(`${url}: the document is longer than ${MAX_BYTES} bytes`);
      }
      chunks.push(chunk);
    }
    if (response.statusCode !== 200) throw new Error(`${url}: answered with status ${response.statusCode}`);
    const document: unknown = JSON.parse(Buffer.concat(chunks).toString());
    if (!isJsonObject(document)) throw new Error(`${url}: the document is not an object`);
    return document;
  });
}
