import { test } from 'tap';
import { JOINING_NODES_GROUP, JOINING_SERVERS_GROUP } from '../../../api/domain/bootstrap-token.ts';
import { SERVER_JOIN_PATH, type ServerBundle } from '../../../api/domain/server-join.ts';
import { notFound, StatusError } from '../../../api/machinery/status-error.ts';
import type { Secret } from '../../../api/types/core/v1.gen.ts';
import { serverJoinHandler } from '../../../control-plane/apiserver/documents/server-join.ts';
import { Log } from '../../support/log.ts';

const BUNDLE: ServerBundle = { settings: { store: 'etcd' }, files: { inventory: 'x' }, pki: { 'ca.key': 'SECRET' } };
const SERVER = { name: 'system:bootstrap:abcdef', groups: ['system:bootstrappers', JOINING_SERVERS_GROUP] };
const HOUR_MS = 3600 * 1000;
const SECRET = '0123456789abcdef';
const TOKEN = `abcdef.${SECRET}`;
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** One token in the store. */
class Tokens {
  secret: Secret | undefined;

  constructor(livesMs: number | undefined) {
    const expiration = livesMs === undefined ? '' : new Date(Date.now() + livesMs).toISOString();
    this.secret = { metadata: { uid: 'u' }, data: { expiration: base64(expiration), 'token-secret': base64(SECRET) } };
  }

  fresh = (): undefined => undefined;
  get = (): never => structuredClone(this.secret) as never;
  delete = async (): Promise<void> => {
    await Promise.resolve();
    if (!this.secret) throw notFound({ group: '', plural: 'secrets' }, 'bootstrap-token-abcdef');
    this.secret = undefined;
  };
}

interface Request {
  readonly method?: string;
  readonly path?: string;
  readonly user?: typeof SERVER;
  readonly headers?: Record<string, string>;
  /** What the request carries, whoever has authenticated the user; '': nothing. */
  readonly token?: string;
}

/** What is sent, or the code of the refusal; undefined when the path is another one's. */
async function answer(
  tokens: Tokens,
  { method = 'POST', path = SERVER_JOIN_PATH, user = SERVER, headers = {}, token = TOKEN }: Request = {},
  bundle: (() => Promise<ServerBundle>) | null = () => Promise.resolve(BUNDLE),
): Promise<unknown> {
  const handler = serverJoinHandler({ api: tokens, bundle: bundle ?? undefined, logger: new Log() });
  let sent: unknown;
  const exchange = {
    ...{ info: { path, method }, user, header: (name: string) => headers[name] },
    request: { headers: token === '' ? {} : { authorization: `Bearer ${token}` } },
    write: (_: number, __: string, text: string) => void (sent = JSON.parse(text)),
  };
  try {
    return (await handler(exchange as never)) ? sent : undefined;
  } catch (error) {
    if (error instanceof StatusError) return error.code;
    throw error;
  }
}

test('a token for servers gets everything once, and the settings as often as it likes before', async (t) => {
  const tokens = new Tokens(HOUR_MS);
  const settings = { settings: BUNDLE.settings, files: {}, pki: {} };
  t.strictSame(await answer(tokens, { method: 'GET' }), settings);
  t.strictSame(await answer(tokens, { method: 'GET' }), settings, 'which has no keys');
  t.strictSame((await Promise.all([answer(tokens), answer(tokens)])).toSorted(), [401, BUNDLE], 'one of two at once');
  t.equal(await answer(tokens), 401);
});

test('nobody else gets anything, and no token is used up', async (t) => {
  const tokens = new Tokens(HOUR_MS);
  const node = { ...SERVER, groups: ['system:bootstrappers', JOINING_NODES_GROUP] };
  const admin = { name: 'kubernetes-admin', groups: ['system:masters', JOINING_SERVERS_GROUP] };
  for (const method of ['GET', 'POST']) {
    t.equal(await answer(tokens, { method, user: node }), 403, 'not a node');
    t.equal(await answer(tokens, { method, user: admin }), 403, 'not a user');
    t.equal(
      await answer(tokens, { method, headers: { 'impersonate-user': SERVER.name } }),
      403,
      'not who speaks for one',
    );
  }
  for (const token of ['', `fedcba.${SECRET}`, 'abcdef'])
    t.equal(await answer(tokens, { token }), 403, 'not a certificate, or a proxy, that names the user of a token');
  t.equal(await answer(tokens, { token: 'abcdef.ffffffffffffffff' }), 401, 'nor with a token that is another one');
  t.equal(await answer(tokens, { method: 'DELETE' }), 405);
  t.equal(await answer(tokens, { path: '/server-join/x' }), undefined);
  t.equal(await answer(tokens, {}, null), 400, 'nor where there can be one server only');
  t.ok(tokens.secret);
});

test('a token that lives for more than a day, or for ever, is none for servers', async (t) => {
  t.equal(await answer(new Tokens(25 * HOUR_MS)), 403);
  t.equal(await answer(new Tokens(undefined)), 403);
});
