/** The format of the values that a host joins a cluster with. Each function returns the problem after the value's name. */
import { BOOTSTRAP_TOKEN } from '../../api/domain/bootstrap-token.ts';
import { PUBLIC_KEY_HASH } from '../../api/domain/public-key-hash.ts';

const SERVER = /^https:\/\/[^/]+\/?$/;

export const serverProblem = (server: string): string | undefined =>
  SERVER.test(server) ? undefined : `must be like https://10.0.0.1:6443, not ${JSON.stringify(server)}`;

export const caHashProblem = (hash: string): string | undefined =>
  PUBLIC_KEY_HASH.test(hash) ? undefined : `must be "sha256:" and 64 hexadecimal digits, not ${JSON.stringify(hash)}`;

/** Does not quote the token, which is a secret. */
export const tokenProblem = (token: string): string | undefined =>
  BOOTSTRAP_TOKEN.test(token) ? undefined : 'must be ID.SECRET, with 6 and 16 lower-case letters and digits';
