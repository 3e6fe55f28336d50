/** Posts JSON over HTTPS to somebody whose answer, and the time that it takes, are not trusted. Redirects are not followed. */
import { request as httpsRequest, type Agent, type RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { LookupFunction } from 'node:net';
import { withDeadline, type Deadline } from '../../../client/deadline.ts';

export interface PostTarget {
  readonly agent: Agent;
  /** What the agent connects to, where that is not what `url` says. */
  readonly connection?: { readonly host: string; readonly port: number; readonly lookup?: LookupFunction | undefined };
  readonly url: URL;
  /** Besides those of JSON. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tls?: Pick<RequestOptions, 'ca' | 'servername'>;
  /** A longer answer is none. */
  readonly maxAnswerBytes: number;
}

export interface PostAnswer {
  readonly code: number;
  readonly text: string;
}

/** The answer is longer than it may be. */
export class AnswerTooLongError extends Error {
  override readonly name = 'AnswerTooLongError';
}

/** Resolves whatever the status is. Rejects with AnswerTooLongError, DeadlineError, or why there is no answer. @param json in pieces */
export const postJson = (target: PostTarget, json: readonly Buffer[], limit: Deadline): Promise<PostAnswer> =>
  withDeadline(limit, (signal) => post(target, json, signal));

function post(target: PostTarget, json: readonly Buffer[], signal: AbortSignal): Promise<PostAnswer> {
  const { agent, connection, url, headers, tls, maxAnswerBytes } = target;
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest({
      method: 'POST',
      host: connection?.host ?? hostOf(url),
      port: connection?.port ?? Number(url.port || 443),
      path: `${url.pathname}${url.search}`,
      ...(connection?.lookup && { lookup: connection.lookup }),
      ...tls,
      agent,
      headers: {
        host: url.host,
        accept: 'application/json',
        'content-type': 'application/json',
        'content-length': json.reduce((sum, { length }) => sum + length, 0),
        ...headers,
      },
      signal,
    });
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      // A kept connection that the other side closed at the same moment: it has seen nothing of the request.
      if (outgoing.reusedSocket && error.code === 'ECONNRESET' && !signal.aborted)
        post(target, json, signal).then(resolve, reject);
      else reject(error);
    });
    outgoing.on('response', (response) => {
      readAnswer(response, maxAnswerBytes).then(resolve, reject);
    });
    for (const piece of json) outgoing.write(piece);
    outgoing.end();
  });
}

/** Without the brackets of an IPv6 address. */
export const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, '');

async function readAnswer(response: IncomingMessage, maxBytes: number): Promise<PostAnswer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) {
      response.destroy();
      throw new AnswerTooLongError(`the webhook's answer is longer than ${maxBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return { code: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() };
}
