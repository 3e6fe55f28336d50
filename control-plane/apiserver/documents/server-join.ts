/**
 * `/server-join`: the keys and settings of the cluster, for a host that becomes another server of it. It takes a bootstrap token of
 * a group of its own. A GET returns the settings, so that a host that contradicts them keeps its token; a POST returns everything, and the token
 * is deleted before: each is good for one server. The response is in no audit log, at no level.
 */
import {
  BOOTSTRAP_TOKEN,
  BOOTSTRAP_TOKEN_NAMESPACE,
  BOOTSTRAP_USER_PREFIX,
  bootstrapSecretName,
  JOINING_SERVERS_GROUP,
} from '../../../api/domain/bootstrap-token.ts';
import { msUntil } from '../../../client/clock.ts';
import { SERVER_JOIN_PATH, type ServerBundle } from '../../../api/domain/server-join.ts';
import { secrets } from '../../../api/kinds/core/secret.ts';
import { own } from '../../../api/machinery/own.ts';
import {
  badRequest,
  forbiddenRequest,
  methodNotAllowed,
  StatusError,
  unauthorized,
} from '../../../api/machinery/status-error.ts';
import type { Logger } from '../../../client/logger.ts';
import { isSecretOf } from '../access/authentication/bootstrap-tokens.ts';
import { bearerToken } from '../access/authentication/request-authenticator.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import type { Exchange } from '../http/exchange.ts';
import type { PathHandler } from '../verbs/handlers.ts';

export interface ServerJoinOptions {
  readonly api: Pick<LocalApi, 'get' | 'delete' | 'fresh'>;
  /** Undefined when the cluster can have one server only. */
  readonly bundle: (() => Promise<ServerBundle>) | undefined;
  readonly logger: Logger;
}

/** A token that everybody may keep is none that opens the whole cluster. */
const LONGEST_LIFE_MS = 24 * 3600 * 1000;

export const serverJoinHandler =
  ({ api, bundle, logger }: ServerJoinOptions): PathHandler =>
  async (exchange) => {
    const { path, method } = exchange.info;
    if (path !== SERVER_JOIN_PATH) return false;
    if (method !== 'POST' && method !== 'GET') throw methodNotAllowed();
    const { id, given } = tokenOf(exchange);
    if (!bundle)
      throw badRequest(
        'the objects of this cluster are in the embedded store of its server, which no other server can use: it takes etcd as the store to have several (docs/high-availability.md)',
      );
    const whole = await bundle();
    if (method === 'GET') {
      exchange.write(200, 'application/json', JSON.stringify({ settings: whole.settings, files: {}, pki: {} }));
      return true;
    }
    await consume(api, id, given);
    logger.info(
      { token: id, client: exchange.request.socket?.remoteAddress },
      'keys of the cluster given to a server that joins',
    );
    exchange.write(200, 'application/json', JSON.stringify(whole));
    return true;
  };

/**
 * The token that the request came with. Who speaks for one has none: an administrator, a proxy in front, or who has talked somebody into
 * signing a certificate for the user that a token is.
 */
function tokenOf(exchange: Exchange): { readonly id: string; readonly given: string } {
  const { name, groups } = exchange.user;
  const [, id, given] = BOOTSTRAP_TOKEN.exec(bearerToken(exchange.request) ?? '') ?? [];
  const isToken = id !== undefined && name === BOOTSTRAP_USER_PREFIX + id && groups.includes(JOINING_SERVERS_GROUP);
  if (!isToken || given === undefined || exchange.header('impersonate-user') !== undefined)
    throw forbiddenRequest('joining as a server takes a token for servers (kedge token create --server)');
  return { id, given };
}

/** Deletes the token. Throws a 401 StatusError when another request was faster, or it is another one, 403 for one that lives too long. */
async function consume(api: ServerJoinOptions['api'], id: string, given: string): Promise<void> {
  await api.fresh();
  const name = bootstrapSecretName(id);
  const secret = api.get(secrets, BOOTSTRAP_TOKEN_NAMESPACE, name);
  if (!secret || !isSecretOf(secret, given)) throw unauthorized();
  const expiration = Buffer.from(own(secret.data, 'expiration') ?? '', 'base64').toString();
  if (!(msUntil(Date.parse(expiration)) <= LONGEST_LIFE_MS))
    throw forbiddenRequest('a token for servers has to expire within a day');
  try {
    await api.delete(secrets, BOOTSTRAP_TOKEN_NAMESPACE, name, { preconditions: { uid: secret.metadata?.uid } });
  } catch (error) {
    if (error instanceof StatusError && (error.code === 404 || error.code === 409)) throw unauthorized();
    throw error;
  }
}
