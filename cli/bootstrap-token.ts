/** Bootstrap tokens as Secrets: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/ */
import { randomInt } from 'node:crypto';
import { own } from '../api/machinery/own.ts';
import type { Secret } from '../api/types/core/v1.gen.ts';

export const TOKEN_NAMESPACE = 'kube-system';
const SECRET_PREFIX = 'bootstrap-token-';
const SECRET_TYPE = 'bootstrap.kubernetes.io/token';
/** The group that the default policy allows to request a node certificate. */
const JOINING_NODES_GROUP = 'system:bootstrappers:kubeadm:default-node-token';

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
export const newBootstrapToken = (description: string, expiresAt: number | undefined): BootstrapToken => ({
  id: randomText(ID_LENGTH),
  secret: randomText(SECRET_LENGTH),
  description,
  expiresAt,
  groups: [JOINING_NODES_GROUP],
});

export const tokenText = ({ id, secret }: BootstrapToken): string => `${id}.${secret}`;

/** The name of a token's Secret. `token` is `ID` or `ID.SECRET`; undefined when it is neither. */
export function secretNameOf(token: string): string | undefined {
  const [, id] = /^([a-z0-9]{6})(?:\.[a-z0-9]{16})?$/.exec(token) ?? [];
  return id === undefined ? undefined : `${SECRET_PREFIX}${id}`;
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
      expiration: new Date(token.expiresAt).toISOString().replace(/\.\d+Z$/, 'Z'),
    }),
  };
  return {
    metadata: { namespace: TOKEN_NAMESPACE, name: `${SECRET_PREFIX}${token.id}` },
    type: SECRET_TYPE,
    data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, encode(value)])),
  };
}

/** Reads a Secret back; undefined when it is not a bootstrap token. */
export function tokenOf({ type, data }: Secret): BootstrapToken | undefined {
  if (type !== SECRET_TYPE) return undefined;
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
