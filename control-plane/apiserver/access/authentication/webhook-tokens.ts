/** Asks a webhook about bearer tokens: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#webhook-token-authentication */
import { isJsonObject } from '../../../../api/machinery/own.ts';
import { DecodeError, decoderOf } from '../../../../api/machinery/schema-decoder.ts';
import { TokenReview } from '../../../../api/types/authentication/v1.gen.ts';
import { KubeconfigWebhook } from '../../http/kubeconfig-webhook.ts';
import { authenticated, type User } from '../../http/user.ts';
import { RecentAnswers } from '../recent-answers.ts';
import { InvalidTokenError, type TokenAnswer, type TokenAuthenticator } from './token-authenticator.ts';

/** Upstream's. */
const CALL_LIMIT_MS = 30_000;

const decode = decoderOf<TokenReview>(TokenReview);

export class WebhookTokenAuthenticator implements TokenAuthenticator {
  readonly #webhook: Pick<KubeconfigWebhook, 'post'>;
  readonly #answers: RecentAnswers<TokenAnswer>;

  /** @param cacheTtlMs how long an answer is good, one that a token is unknown, too; failures are not kept */
  constructor(webhook: Pick<KubeconfigWebhook, 'post'>, cacheTtlMs: number) {
    this.#webhook = webhook;
    this.#answers = new RecentAnswers(cacheTtlMs, () => performance.now());
  }

  authenticateToken(token: string, audiences: readonly string[]): TokenAnswer | Promise<TokenAnswer> {
    return this.#answers.get(JSON.stringify([token, audiences]), () => this.#ask(token, audiences));
  }

  async #ask(token: string, audiences: readonly string[]): Promise<TokenAnswer> {
    const review = {
      kind: 'TokenReview',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: {},
      spec: { token, audiences },
    };
    let status: TokenReview['status'];
    try {
      status = readStatus(await this.#webhook.post(JSON.stringify(review), CALL_LIMIT_MS));
    } catch (error) {
      throw new InvalidTokenError(`webhook token authentication failed: ${(error as Error).message}`, { cause: error });
    }
    if (!status?.authenticated) {
      if (status?.error) throw new InvalidTokenError(status.error);
      return undefined;
    }
    const { user = {}, audiences: good = [] } = status;
    if (!user.username) throw new InvalidTokenError('webhook token authentication returned no username');
    // One that names none has not looked at them: upstream takes its word for all.
    const matching = good.length === 0 ? audiences : audiences.filter((audience) => good.includes(audience));
    if (audiences.length > 0 && matching.length === 0) return undefined;
    const extra = Object.entries(user.extra ?? {}).map(([key, values]) => [key.toLowerCase(), values ?? []] as const);
    const known: User = {
      name: user.username,
      ...(user.uid && { uid: user.uid }),
      groups: user.groups ?? [],
      extra: Object.fromEntries(extra),
    };
    return { user: authenticated(known), audiences: matching };
  }
}

function readStatus(text: string): TokenReview['status'] {
  const value: unknown = JSON.parse(text);
  if (!isJsonObject(value) || value['kind'] !== 'TokenReview' || value['apiVersion'] !== 'authentication.k8s.io/v1')
    throw new Error('the answer is no TokenReview of authentication.k8s.io/v1');
  try {
    return decode({ spec: {}, ...value }).object.status;
  } catch (error) {
    throw error instanceof DecodeError ? new Error(error.message, { cause: error }) : error;
  }
}
