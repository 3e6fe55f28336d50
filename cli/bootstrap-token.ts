/** Bootstrap tokens as Secrets: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/ */
import { randomInt } from 'node:crypto';
import {
  BOOTSTRAP_TOKEN_NAMESPACE,
  BOOTSTRAP_TOKEN_TYPE,
  bootstrapSecretName,
  JOINING_NODES_GROUP,
} from '../api/domain/bootstrap-token.ts';
import { own } from '../api/machinery/own.ts';
import { timeOf } from '../api/machinery/time.ts';
import type { Secret } from '../api/types/core/v1.gen.ts';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';
const ID_LENGTH = 6;
const SECRET_LENGTH = 16;

const randomText = (length: number): string =>
  Array.from({ length }, () => ALPHABET.charAt(randomInt(ALPHABET.length))).join('');

export interface BootstrapToken {
  readonly id: string;
  readonly secret: string;
  readonly description: string;
  /** Milliseconds since the epoch; undefined means that the token never expires. */
  readonly expiresAt: number | undefined;
  readonly groups: readonly string[];
}

/** Returns a new random token. `expiresAt` is in milliseconds since the epoch; undefined means never. */
export const newBootstrapToken = (
  description: string,
  expiresAt: number | undefined,
  group = JOINING_NODES_GROUP,
): BootstrapToken => ({
  id: randomText(ID_LENGTH),
  secret: randomText(SECRET_LENGTH),
  description,
  expiresAt,
  groups: [group],
});

export const tokenText = ({ id, secret }: BootstrapToken): string => `${id}.${secret}`;

/** The name of a token's Secret. `token` is `ID` or `ID.SECRET`; undefined when it is neither. */
export function secretNameOf(token: string): string | undefined {
  const [, id] = /^([a-z0-9]{6})(?:\.[a-z0-9]{16})?$/.exec(token) ?? [];
  return id === undefined ? undefined : bootstrapSecretName(id);
}

const encode = (text: string): string => Buffer.from(text).toString('base64');

export function secretOf(token: BootstrapToken): Secret {
  const data: Record<string, string> = {
    'token-id': token.id,
    'token-secret': token.secret,
    'usage-bootstrap-authentication': 'true',
    'auth-extra-groups': token.groups.join(','),
    ...(token.description && { description: token.description }),
    ...(token.expiresAt !== undefined && {
      expiration: timeOf(token.expiresAt),
    }),
  };
  return {
    metadata: { namespace: BOOTSTRAP_TOKEN_NAMESPACE, name: bootstrapSecretName(token.id) },
    type: BOOTSTRAP_TOKEN_TYPE,
    data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, encode(value)])),
  };
}

/** Reads a Secret back; undefined when it is not a bootstrap token. */
export function tokenOf({ type, data }: Secret): BootstrapToken | undefined {
  if (type !== BOOTSTRAP_TOKEN_TYPE) return undefined;
  const text = (key: string): string => Buffer.from(own(data, key) ?? '', 'base64').toString();
  const expiration = text('expiration');
  return {
    id: text('token-id'),
    secret: text('token-secret'),
    description: text('description'),
    expiresAt: expiration === '' ? undefined : Date.parse(expiration),
    groups: text('auth-extra-groups')
      .split(',')
      .filter((group) => group !== ''),
  };
}
