/** Calls a webhook over HTTPS. Its host, its answer and the time that it takes are not trusted. */
import { Agent } from 'node:https';
import type { LookupFunction } from 'node:net';
import { Extent } from '../../../../api/machinery/extent.ts';
import { DeadlineError, type Deadline } from '../../../../client/deadline.ts';
import { certificateProblem } from '../../http/certificate-problem.ts';
import { AnswerTooLongError, hostOf, postJson, type PostAnswer, type PostTarget } from '../../http/json-post.ts';
import type { WebhookClientConfig } from '../../../../api/types/admissionregistration/v1.gen.ts';

/** Where a service can be reached. */
export interface ServiceAddress {
  readonly host: string;
  readonly port: number;
  readonly lookup?: LookupFunction | undefined;
}

/** Throws when there is no such service, or nothing that serves it. */
export type ResolveService = (namespace: string, name: string, port: number) => ServiceAddress;

/** A patch of the largest object, in base64, and room for what comes with it. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
/** Of what a failing webhook says, as much goes into the message. */
const MAX_ERROR_CHARS = 2048;
/** Kept for the next call: a TLS handshake takes longer than most reviews. */
const MAX_IDLE_CONNECTIONS = 8;
const MAX_CONNECTIONS = 256;
const IDLE_MS = 60_000;

/** The webhook was not reached, or has not answered as it should. */
export class WebhookCallError extends Error {
  override readonly name = 'WebhookCallError';
  /** For the metrics; 0 when there was no answer. */
  readonly code: number;
  constructor(message: string, code: number, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

interface Target {
  readonly url: URL;
  readonly host: string;
  readonly port: number;
  readonly servername: string;
  readonly lookup?: LookupFunction | undefined;
}

export interface WebhookCall {
  /** For the whole exchange. */
  readonly limitMs: number;
  readonly signal: AbortSignal | undefined;
  /** The header, where the request is traced. */
  readonly traceparent?: string | undefined;
}

export class WebhookClient implements Disposable {
  readonly #resolve: ResolveService;
  // Connections are shared by what has the same address, name and CA.
  readonly #agent = new Agent({
    keepAlive: true,
    maxFreeSockets: MAX_IDLE_CONNECTIONS,
    maxSockets: MAX_CONNECTIONS,
    timeout: IDLE_MS,
  });

  constructor(resolve: ResolveService) {
    this.#resolve = resolve;
  }

  /**
   * Posts a review and returns the parsed answer. Throws WebhookCallError, or the signal's reason.
   * @param review in JSON, in pieces: several webhooks may be sent the same ones
   */
  async call(
    config: WebhookClientConfig,
    review: readonly Buffer[],
    { limitMs, signal, traceparent }: WebhookCall,
  ): Promise<unknown> {
    const target = this.#target(config, limitMs);
    const what = `Post ${JSON.stringify(target.url.href)}`;
    try {
      const limit = { what, limitMs, ...(signal && { signal }) };
      return parseAnswer(await this.#post(target, config.caBundle, review, limit, traceparent));
    } catch (error) {
      if (signal?.aborted || error instanceof WebhookCallError) throw error;
      if (error instanceof AnswerTooLongError) throw new WebhookCallError(error.message, 0, { cause: error });
      const why = error instanceof DeadlineError ? 'context deadline exceeded' : messageOf(error);
      throw new WebhookCallError(`${what}: ${why}`, 0, { cause: error });
    }
  }

  #target({ url, service }: WebhookClientConfig, limitMs: number): Target {
    try {
      const host = service ? `${service.name}.${service.namespace}.svc` : '';
      const path = service?.path ? (service.path.startsWith('/') ? service.path : `/${service.path}`) : '/';
      const whole = new URL(service ? `https://${host}:${service.port ?? 443}${path}` : (url ?? ''));
      whole.searchParams.set('timeout', `${Math.ceil(limitMs / 1000)}s`);
      const servername = hostOf(whole);
      if (service) {
        const address = this.#resolve(service.namespace, service.name, service.port ?? 443);
        return { url: whole, servername, ...address };
      }
      return { url: whole, servername, host: servername, port: Number(whole.port || 443) };
    } catch (error) {
      const named = service ? `https://${service.name}.${service.namespace}.svc:${service.port ?? 443}` : url;
      throw new WebhookCallError(`Post ${JSON.stringify(named)}: ${messageOf(error)}`, 0, { cause: error });
    }
  }

  #post(
    { url, servername, ...connection }: Target,
    caBundle: string | undefined,
    review: readonly Buffer[],
    limit: Deadline,
    traceparent: string | undefined,
  ): Promise<PostAnswer> {
    const target: PostTarget = {
      agent: this.#agent,
      connection,
      url,
      headers: {
        accept: 'application/json, */*',
        'user-agent': 'kube-apiserver-admission',
        ...(traceparent !== undefined && { traceparent }),
      },
      tls: {
        // An address is no name for SNI, but the certificate is verified for it nevertheless.
        ...(/[a-z]/i.test(servername) && !servername.includes(':') && { servername }),
        ...(caBundle && { ca: Buffer.from(caBundle, 'base64') }),
      },
      maxAnswerBytes: MAX_ANSWER_BYTES,
    };
    return postJson(target, review, limit);
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

function parseAnswer({ code, text }: PostAnswer): unknown {
  if (code < 200 || code > 206) throw new WebhookCallError(failureOf(code, text.slice(0, MAX_ERROR_CHARS)), code);
  try {
    const parsed: unknown = JSON.parse(text);
    Extent.of(parsed);
    return parsed;
  } catch (error) {
    throw new WebhookCallError(`couldn't get version/kind; json parse error: ${messageOf(error)}`, 0, { cause: error });
  }
}

/** client-go's words for answers that are no reviews; a redirect is not followed. */
const FAILURES: ReadonlyMap<number, string> = new Map([
  [400, 'the server rejected our request for an unknown reason'],
  [401, 'the server has asked for the client to provide credentials'],
  [404, 'the server could not find the requested resource'],
  [405, 'the server does not allow this method on the requested resource'],
  [409, 'the server reported a conflict'],
  [422, 'the server rejected our request due to an error in our request'],
  [429, 'the server has received too many requests and has asked us to try again later'],
  [503, 'the server is currently unable to handle the request'],
  [504, 'the server was unable to return a response in the time allotted, but may still be processing the request'],
]);

function failureOf(code: number, text: string): string {
  const known = FAILURES.get(code);
  if (known !== undefined) return known;
  if (code === 403) return text.trim() || 'forbidden';
  if (code >= 500) return `an error on the server (${JSON.stringify(text)}) has prevented the request from succeeding`;
  return `the server responded with the status code ${code} but did not return more information`;
}

const messageOf = (error: unknown): string =>
  certificateProblem(error) ?? (error instanceof Error ? error.message : String(error));
