/** What the controllers keep of bootstrap tokens. https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/ */
import {
  BOOTSTRAP_TOKEN,
  BOOTSTRAP_TOKEN_NAMESPACE,
  BOOTSTRAP_TOKEN_TYPE,
  bootstrapSecretName,
} from '../../../api/domain/bootstrap-token.ts';
import { own } from '../../../api/machinery/own.ts';
import { secrets } from '../../../client/resources.gen.ts';
import type { InformerDefinition } from '../framework/informer-factory.ts';
import type { Secret } from '../../../api/types/core/v1.gen.ts';

export interface BootstrapTokenView {
  readonly uid: string;
  /** ms since the epoch; Infinity for a token that does not expire. */
  readonly expiresAt: number;
  /** With which `cluster-info` is signed. The secret part of tokens that are not for that is not kept. */
  readonly signer: BootstrapSigner | undefined;
}

export interface BootstrapSigner {
  readonly id: string;
  readonly secret: string;
}

/** A time that cannot be parsed counts as expired, as upstream has it. */
export function bootstrapTokenView({ metadata, data }: Secret): BootstrapTokenView {
  const text = (key: string): string => Buffer.from(own(data, key) ?? '', 'base64').toString('utf8');
  const expiration = text('expiration');
  const at = Date.parse(expiration);
  const [id, secret] = [text('token-id'), text('token-secret')];
  const isSigner =
    text('usage-bootstrap-signing') === 'true' &&
    BOOTSTRAP_TOKEN.test(`${id}.${secret}`) &&
    metadata?.name === bootstrapSecretName(id) &&
    !metadata.deletionTimestamp;
  return {
    uid: metadata?.uid ?? '',
    expiresAt: expiration === '' ? Infinity : Number.isNaN(at) ? 0 : at,
    signer: isSigner ? { id, secret } : undefined,
  };
}

export const bootstrapTokenCache: InformerDefinition<Secret, BootstrapTokenView> = {
  resource: secrets,
  namespace: BOOTSTRAP_TOKEN_NAMESPACE,
  fieldSelector: `type=${BOOTSTRAP_TOKEN_TYPE}`,
  select: bootstrapTokenView,
};
