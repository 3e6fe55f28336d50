/** Fills the Secrets of type kubernetes.io/service-account-token, and deletes them when their account has gone. */
import { isConflict, isNotFound } from '../../api/machinery/status-error.ts';
import { Informer, objectKey } from '../../client/informer.ts';
import { secrets, serviceAccounts } from '../../client/resources.gen.ts';
import { createQueue, type ControllerContext } from './context.ts';
import {
  filledTokenSecret,
  TOKEN_SECRET_TYPE,
  tokenSecretView,
  type TokenSecretOptions,
  type TokenSecretView,
} from './token-secret-plan.ts';
import type { Secret } from '../../api/types/core/v1.gen.ts';

/** Follows these Secrets and the accounts until the signal is aborted. */
export async function runTokenSecretController(context: ControllerContext, options: TokenSecretOptions): Promise<void> {
  const { client, informers, logger, signal } = context;
  const queue = createQueue(context, 'serviceaccount-tokens');
  const tokens = new Informer<Secret, TokenSecretView>({
    client,
    logger,
    resource: secrets,
    fieldSelector: `type=${TOKEN_SECRET_TYPE}`,
    select: (secret) => tokenSecretView(secret, options.rootCa),
    indexes: { account: ({ namespace, account }) => [objectKey(namespace, account)] },
  });
  tokens.addHandlers({ onAdd: (_, key) => queue.add(key), onUpdate: (_old, _new, key) => queue.add(key) });
  const lookAgain = (accountKey: string): void => {
    for (const { namespace, name } of tokens.byIndex('account', accountKey)) queue.add(objectKey(namespace, name));
  };
  informers.serviceAccounts.addHandlers({
    onUpdate: (old, account, key) => void (old.uid !== account.uid && lookAgain(key)),
    onDelete: (_, key) => lookAgain(key),
  });

  async function sync(key: string): Promise<void> {
    const token = tokens.getByKey(key);
    if (!token) return;
    const followed = informers.serviceAccounts.get(token.namespace, token.account)?.uid;
    // An account that is not followed yet may have been made just before its Secret.
    const accountUid = isOf(token, followed) ? followed : await liveAccountUid(token);
    if (!isOf(token, accountUid)) return await settled(remove(token));
    if (!token.complete) await settled(fill(token, accountUid));
  }

  async function liveAccountUid({ namespace, account }: TokenSecretView): Promise<string | undefined> {
    try {
      return (await client.get(serviceAccounts, namespace, account, { signal })).metadata?.uid;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async function remove({ namespace, name, uid }: TokenSecretView): Promise<void> {
    await client.delete(secrets, namespace, name, { uid, signal });
  }

  async function fill({ namespace, name }: TokenSecretView, accountUid: string): Promise<void> {
    const secret = await client.get(secrets, namespace, name, { signal });
    await client.update(secrets, filledTokenSecret(secret, accountUid, options), { signal });
  }

  const running = tokens.run(signal);
  await Promise.all([informers.serviceAccounts.hasSynced(), tokens.hasSynced()]);
  await queue.run(sync, signal);
  await running;
}

/** Whether the account with this uid is there, and the one that the Secret is for. */
const isOf = (token: TokenSecretView, accountUid: string | undefined): accountUid is string =>
  accountUid !== undefined && (token.accountUid === '' || token.accountUid === accountUid);

/** The Secret has gone or changed meanwhile: then it is looked at again anyway. */
async function settled(request: Promise<void>): Promise<void> {
  try {
    await request;
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}
