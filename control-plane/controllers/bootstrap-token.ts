/** The token cleaner: deletes bootstrap tokens that have expired. */
import { isConflict, isNotFound } from '../../api/machinery/status-error.ts';
import { Informer, splitKey } from '../../client/informer.ts';
import { createQueue, type ControllerContext } from './context.ts';
import { secrets } from '../../client/resources.gen.ts';
import type { Secret } from '../../api/types/core/v1.gen.ts';

const NAMESPACE = 'kube-system';
const TYPE = 'bootstrap.kubernetes.io/token';

interface TokenView {
  readonly uid: string;
  /** ms since the epoch; Infinity for a token that does not expire. */
  readonly expiresAt: number;
}

/** Nothing of the secret part of a token is kept. A time that cannot be read counts as over, as upstream has it. */
function tokenView({ metadata, data }: Secret): TokenView {
  const expiration = Buffer.from(data?.['expiration'] ?? '', 'base64').toString('utf8');
  const at = Date.parse(expiration);
  return { uid: metadata?.uid ?? '', expiresAt: expiration === '' ? Infinity : Number.isNaN(at) ? 0 : at };
}

/** Follows the tokens until the signal is aborted. */
export async function runBootstrapTokenCleaner(context: ControllerContext): Promise<void> {
  const { client, logger, signal } = context;
  const queue = createQueue(context, 'token-cleaner', 1);
  const tokens = new Informer<Secret, TokenView>({
    client,
    logger,
    resource: secrets,
    namespace: NAMESPACE,
    fieldSelector: `type=${TYPE}`,
    select: tokenView,
  });
  tokens.addHandlers({ onAdd: (_, key) => queue.add(key), onUpdate: (_old, _new, key) => queue.add(key) });

  async function sync(key: string): Promise<void> {
    const token = tokens.getByKey(key);
    if (!token || token.expiresAt === Infinity) return;
    const leftMs = token.expiresAt - Date.now();
    if (leftMs > 0) return queue.addAfter(key, leftMs);
    const { namespace, name } = splitKey(key);
    try {
      await client.delete(secrets, namespace, name, { uid: token.uid, signal });
    } catch (error) {
      // Replaced by a new one of the same name, or gone.
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  const running = tokens.run(signal);
  await tokens.hasSynced();
  await queue.run(sync, signal);
  await running;
}
