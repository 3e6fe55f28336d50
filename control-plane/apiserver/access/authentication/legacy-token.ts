/**
 * The claims of a token in a Secret of type kubernetes.io/service-account-token: it names its Secret and never expires.
 * https://kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets
 */
import { createPrivateKey } from 'node:crypto';
import { serviceAccountUserName } from '../../http/user.ts';
import { keyId, signJws } from './jws.ts';
import { own } from '../../../../api/machinery/own.ts';

export const LEGACY_ISSUER = 'kubernetes/serviceaccount';

const CLAIM = 'kubernetes.io/serviceaccount/';

/** The service account of the token, and the Secret that holds it. */
export interface LegacySubject {
  readonly namespace: string;
  readonly account: string;
  readonly accountUid: string;
  readonly secret: string;
}

/** Returns a function that signs such tokens with the PKI's `serviceAccountKey`. */
export function legacyTokenSigner(privateKeyPem: string): (subject: LegacySubject) => string {
  const key = createPrivateKey(privateKeyPem);
  const kid = keyId(key);
  return ({ namespace, account, accountUid, secret }) => {
    const claims = {
      iss: LEGACY_ISSUER,
      [`${CLAIM}namespace`]: namespace,
      [`${CLAIM}secret.name`]: secret,
      [`${CLAIM}service-account.name`]: account,
      [`${CLAIM}service-account.uid`]: accountUid,
      sub: serviceAccountUserName(namespace, account),
    };
    return signJws(claims, key, kid);
  };
}

/** Undefined when a claim is missing or contradicts `sub`. */
export function readLegacySubject(claims: Readonly<Record<string, unknown>>): LegacySubject | undefined {
  const claim = (name: string): string => {
    const value = own(claims, `${CLAIM}${name}`);
    return typeof value === 'string' ? value : '';
  };
  const subject = {
    namespace: claim('namespace'),
    account: claim('service-account.name'),
    accountUid: claim('service-account.uid'),
    secret: claim('secret.name'),
  };
  const { namespace, account } = subject;
  const complete = Object.values(subject).every((value) => value !== '');
  return complete && claims['sub'] === serviceAccountUserName(namespace, account) ? subject : undefined;
}
