/** The token cleaner: deletes bootstrap tokens that have expired. Upstream: pkg/controller/bootstrap/tokencleaner.go. */
import { msUntil } from '../../../client/clock.ts';
import { splitKey } from '../../../client/informer.ts';
import { secrets } from '../../../client/resources.gen.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import { unlessGone } from '../framework/outcomes.ts';
import { ownKeys, watch } from '../framework/watch.ts';
import { bootstrapTokenCache } from './bootstrap-tokens.ts';

export const tokenCleaner: ControllerDescriptor = { name: 'token-cleaner-controller', workers: 1, create };

function create({ client, informer, queue }: ControllerContext): Controller {
  const tokens = informer(bootstrapTokenCache);

  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const token = tokens.getByKey(key);
    if (!token || token.expiresAt === Infinity) return undefined;
    const leftMs = msUntil(token.expiresAt);
    if (leftMs > 0) return leftMs;
    const { namespace, name } = splitKey(key);
    await unlessGone(client.delete(secrets, namespace, name, { uid: token.uid, signal }));
    return undefined;
  }

  return { watches: () => [watch(tokens, ownKeys(queue))], reconcile };
}
