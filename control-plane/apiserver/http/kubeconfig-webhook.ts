/** Calls a webhook that a kubeconfig file names: audit, authentication, authorization. Its answer and the time that it takes are not trusted. */
import { Agent } from 'node:https';
import { readFile } from 'node:fs/promises';
import { withDeadline } from '../../../client/deadline.ts';
import type { Kubeconfig } from '../../../client/kubeconfig.ts';
import { postJson } from './json-post.ts';

const MAX_ANSWER_BYTES = 1024 * 1024;
const MAX_CONNECTIONS = 64;
const MAX_IDLE_CONNECTIONS = 8;
const IDLE_MS = 60_000;
/** Of what a failing webhook says, as much goes into the message. */
const MAX_ERROR_CHARS = 1024;

/** The webhook has answered with an error. */
export class WebhookStatusError extends Error {
  override readonly name = 'WebhookStatusError';
  readonly code: number;
  constructor(code: number, text: string) {
    super(`the webhook answered with status ${code}: ${JSON.stringify(text.slice(0, MAX_ERROR_CHARS))}`);
    this.code = code;
  }
}

export class KubeconfigWebhook implements Disposable {
  readonly #url: URL;
  readonly #config: Kubeconfig;
  readonly #agent: Agent;

  /** Throws an Error for a server that is not reached by HTTPS: what is sent there are credentials, or who did what. */
  constructor(config: Kubeconfig) {
    this.#url = new URL(config.server);
    if (this.#url.protocol !== 'https:') throw new Error(`the webhook ${config.server} must have an https:// URL`);
    this.#config = config;
    const { ca, cert, key, serverName, insecureSkipTlsVerify } = config;
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: MAX_CONNECTIONS,
      maxFreeSockets: MAX_IDLE_CONNECTIONS,
      timeout: IDLE_MS,
      rejectUnauthorized: !insecureSkipTlsVerify,
      ...(ca && { ca }),
      ...(cert && { cert }),
      ...(key && { key }),
      ...(serverName && { servername: serverName }),
    });
  }

  /** Posts JSON and returns the body of the answer. Rejects with WebhookStatusError, DeadlineError, or why it was not reached. */
  post(json: string, limitMs: number, signal?: AbortSignal): Promise<string> {
    const what = `Post ${JSON.stringify(this.#url.href)}`;
    return withDeadline({ what, limitMs, ...(signal && { signal }) }, async (callee) => {
      const token = await this.#token();
      const headers = { 'user-agent': 'kube-apiserver', ...(token && { authorization: `Bearer ${token}` }) };
      const target = { agent: this.#agent, url: this.#url, headers, maxAnswerBytes: MAX_ANSWER_BYTES };
      const { code, text } = await postJson(target, [Buffer.from(json)], { what, limitMs, signal: callee });
      if (code < 200 || code > 299) throw new WebhookStatusError(code, text);
      return text;
    });
  }

  async #token(): Promise<string | undefined> {
    const { token, tokenFile } = this.#config;
    return tokenFile ? (await readFile(tokenFile, 'utf8')).trim() : token;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}
