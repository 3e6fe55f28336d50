/** The token cleaner: deletes bootstrap tokens that have expired. Upstream: pkg/controller/bootstrap/tokencleaner.go. */
import { BOOTSTRAP_TOKEN_NAMESPACE, BOOTSTRAP_TOKEN_TYPE } from '../../../api/domain/bootstrap-token.ts';
import { splitKey } from '../../../client/informer.ts';
import { secrets } from '../../../client/resources.gen.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import type { InformerDefinition } from '../framework/informer-factory.ts';
import { unlessGone } from '../framework/outcomes.ts';
import { ownKeys, watch } from '../framework/watch.ts';
import type { Secret } from '../../../api/types/core/v1.gen.ts';

interface TokenView {
  readonly uid: string;
  /** ms since the epoch; Infinity for a token that does not expire. */
  readonly expiresAt: number;
}

/** Nothing of the secret part of a token is kept. A time that cannot be parsed counts as expired, as upstream has it. */
function tokenView({ metadata, data }: Secret): TokenView {
  const expiration = Buffer.from(data?.['expiration'] ?? '', 'base64').toString('utf8');
  const at = Date.parse(expiration);
  return { uid: metadata?.uid ?? '', expiresAt: expiration === '' ? Infinity : Number.isNaN(at) ? 0 : at };
}

const bootstrapTokens: InformerDefinition<Secret, TokenView> = {
  resource: secrets,
  namespace: BOOTSTRAP_TOKEN_NAMESPACE,
  fieldSelector: `type=${BOOTSTRAP_TOKEN_TYPE}`,
  select: tokenView,
};

export const tokenCleaner: ControllerDescriptor = { name: 'token-cleaner-controller', workers: 1, create };

function create({ client, informer, queue }: ControllerContext): Controller {
  const tokens = informer(bootstrapTokens);

  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const token = tokens.getByKey(key);
    if (!token || token.expiresAt === Infinity) return undefined;
    const leftMs = token.expiresAt - Date.now();
    if (leftMs > 0) return leftMs;
    const { namespace, name } = splitKey(key);
    await unlessGone(client.delete(secrets, namespace, name, { uid: token.uid, signal }));
    return undefined;
  }

  return { watches: () => [watch(tokens, ownKeys(queue))], reconcile };
}
