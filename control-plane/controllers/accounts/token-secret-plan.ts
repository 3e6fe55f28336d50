/** What a Secret with a service account's token must hold. */
import { ACCOUNT_NAME_ANNOTATION } from '../../../api/domain/service-accounts.ts';
import type { Secret } from '../../../api/types/core/v1.gen.ts';

const ACCOUNT_UID = 'kubernetes.io/service-account.uid';

/** Makes the token of an account that is kept in this Secret. */
export type SignToken = (subject: {
  readonly namespace: string;
  readonly account: string;
  readonly accountUid: string;
  readonly secret: string;
}) => string;

export interface TokenSecretOptions {
  /** PEM. */
  readonly rootCa: string;
  readonly signToken: SignToken;
}

/** Of a token's Secret, all that the controller needs to know: neither the token nor the certificate is kept. */
export interface TokenSecretView {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly account: string;
  /** '' while nobody has filled the Secret. */
  readonly accountUid: string;
  readonly complete: boolean;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

export function tokenSecretView({ metadata = {}, data = {} }: Secret, rootCa: string): TokenSecretView {
  const { namespace = '', name = '', uid = '', annotations = {} } = metadata;
  const accountUid = annotations[ACCOUNT_UID] ?? '';
  const complete = accountUid !== '' && !!data['token'] && !!data['namespace'] && data['ca.crt'] === base64(rootCa);
  return { namespace, name, uid, account: annotations[ACCOUNT_NAME_ANNOTATION] ?? '', accountUid, complete };
}

/** The Secret with all that a token of this account consists of. A token that is there stays. */
export function filledTokenSecret(secret: Secret, accountUid: string, options: TokenSecretOptions): Secret {
  const { metadata = {}, data = {} } = secret;
  const { namespace = '', name = '', annotations = {} } = metadata;
  const account = annotations[ACCOUNT_NAME_ANNOTATION] ?? '';
  return {
    ...secret,
    metadata: { ...metadata, annotations: { ...annotations, [ACCOUNT_UID]: accountUid } },
    data: {
      ...data,
      'ca.crt': base64(options.rootCa),
      namespace: data['namespace'] || base64(namespace),
      token: data['token'] || base64(options.signToken({ namespace, account, accountUid, secret: name })),
    },
  };
}
