/**
 * `/encryption`: how objects are encrypted in the store, for `kedge secrets-encrypt`. A GET says which are stored in an old way, a POST stores
 * them again. As every path, it is for administrators and whom a role allows it.
 */
import { methodNotAllowed } from '../../../api/machinery/status-error.ts';
import type { EncryptedStore } from '../../store/encrypted/encrypted-store.ts';
import type { PathHandler } from '../verbs/handlers.ts';

export const ENCRYPTION_PATH = '/encryption';

/** @param store undefined: nothing is encrypted */
export const encryptionHandler =
  (store: Pick<EncryptedStore, 'status' | 'reencrypt'> | undefined): PathHandler =>
  async (exchange) => {
    const { path, method } = exchange.info;
    if (path !== ENCRYPTION_PATH || !store) return false;
    if (method === 'POST') exchange.sendObject(200, await store.reencrypt(exchange.gone));
    else if (method === 'GET') exchange.sendObject(200, await store.status(exchange.gone));
    else throw methodNotAllowed();
    return true;
  };
