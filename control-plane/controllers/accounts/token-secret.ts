/**
 * The token controller: fills the Secrets of type kubernetes.io/service-account-token, and deletes them when their account is
 * gone. Upstream: pkg/controller/serviceaccount/tokens_controller.go.
 */
import { TOKEN_SECRET_TYPE } from '../../../api/domain/service-accounts.ts';
import { objectKey } from '../../../client/informer.ts';
import { secrets, serviceAccounts } from '../../../client/resources.gen.ts';
import { serviceAccountCache } from '../caches/definitions.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import { unlessGone, unlessNotFound } from '../framework/outcomes.ts';
import { ownKeys, watch } from '../framework/watch.ts';
import {
  filledTokenSecret,
  tokenSecretView,
  type TokenSecretOptions,
  type TokenSecretView,
} from './token-secret-plan.ts';
import type { Secret } from '../../../api/types/core/v1.gen.ts';

export const tokenSecretController = (options: TokenSecretOptions): ControllerDescriptor => ({
  name: 'serviceaccount-token-controller',
  workers: 5,
  create: (context) => create(context, options),
});

function create({ client, informer, queue }: ControllerContext, options: TokenSecretOptions): Controller {
  const accounts = informer(serviceAccountCache);
  const tokens = informer<Secret, TokenSecretView>({
    resource: secrets,
    fieldSelector: `type=${TOKEN_SECRET_TYPE}`,
    select: (secret) => tokenSecretView(secret, options.rootCa),
    indexes: { account: ({ namespace, account }) => [objectKey(namespace, account)] },
  });

  async function reconcile(key: string, signal: AbortSignal): Promise<undefined> {
    const token = tokens.getByKey(key);
    if (!token) return;
    const { namespace, name, uid, account } = token;
    const cached = accounts.get(namespace, account)?.uid;
    // An account that is not in the cache yet may have been created just before its Secret.
    const accountUid = isOf(token, cached) ? cached : await liveAccountUid(token, signal);
    // A Secret that has gone or changed meanwhile is looked at again anyway.
    if (!isOf(token, accountUid)) await unlessGone(client.delete(secrets, namespace, name, { uid, signal }));
    else if (!token.complete) await unlessGone(fill(token, accountUid, signal));
  }

  async function liveAccountUid(
    { namespace, account }: TokenSecretView,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const live = await unlessNotFound(client.get(serviceAccounts, namespace, account, { signal }));
    return live?.metadata?.uid;
  }

  async function fill(token: TokenSecretView, accountUid: string, signal: AbortSignal): Promise<void> {
    const secret = await client.get(secrets, token.namespace, token.name, { signal });
    // Another Secret of that name need not be for a token.
    if (secret.metadata?.uid !== token.uid) return;
    await client.update(secrets, filledTokenSecret(secret, accountUid, options), { signal });
  }

  return {
    watches: () => {
      const wakeTokensOf = (accountKey: string): void => {
        for (const { namespace, name } of tokens.byIndex('account', accountKey)) queue.add(objectKey(namespace, name));
      };
      return [
        watch(tokens, ownKeys(queue)),
        watch(accounts, {
          onUpdate: (old, account, key) => void (old.uid !== account.uid && wakeTokensOf(key)),
          onDelete: (_, key) => wakeTokensOf(key),
        }),
      ];
    },
    reconcile,
  };
}

/** Whether the account with this uid exists, and is the one that the Secret is for. */
const isOf = (token: TokenSecretView, accountUid: string | undefined): accountUid is string =>
  accountUid !== undefined && (token.accountUid === '' || token.accountUid === accountUid);
