/**
 * A node's API as a process of its own, over a runtime that runs nothing: whatever reaches it is a failure, and so is what
 * nobody foresaw. Usage: node-api-process.ts DIRECTORY
 */
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { NodeServer } from '../../../agent/server/node-server.ts';
import type { NodeRuntime } from '../../../agent/server/node-runtime.ts';
import { createAuthority, issueCertificate } from '../../../control-plane/pki/signing.ts';
import { TOKENS } from './world.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

const NODE = 'node-a';
const HOUR_MS = 3_600_000;
const [directory = ''] = process.argv.slice(2);
const at = (name: string): string => path.join(directory, name);

const say = (level: string, fields: unknown, message: string): void => {
  console.log(JSON.stringify({ level, fields, message }));
};
const FAILURE = 'error';
const logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (fields: unknown, message = '') => say(FAILURE, fields, message),
  error: (fields: unknown, message = '') => say(FAILURE, fields, message),
};

/** By user: verbs on subresources of the node. Masters may everything. */
const RIGHTS: ReadonlyMap<string, readonly string[]> = new Map([
  ['pat', ['get proxy']],
  ['uma', ['get log', 'get stats', 'get metrics']],
]);
const USERS: ReadonlyMap<string, string> = new Map(Object.entries(TOKENS).map(([user, token]) => [token, user]));

const reached = (what: string): never => {
  say(FAILURE, {}, `the runtime was reached: ${what}`);
  throw new Error('there is no runtime');
};
const runtime: NodeRuntime = {
  logState: async () => ({ logPath: at('main.log'), running: true }),
  stopped: () => Promise.resolve(),
  dropUnreadInput: () => reached('exec'),
  exec: async () => reached('exec'),
  attach: async () => reached('attach'),
  portForward: async () => reached('portForward'),
  run: async () => reached('run'),
};

const pod: Pod = {
  metadata: { name: 'web', namespace: 'team', uid: 'uid-web' },
  spec: { containers: [{ name: 'main', image: 'example.com/app:1' }] },
  status: {
    containerStatuses: [
      {
        ...{ name: 'main', image: '', imageID: '', ready: true, restartCount: 0 },
        ...{ containerID: 'containerd://main', state: { running: {} } },
      },
    ],
  },
};

const now = Date.now();
const ca = await createAuthority('hostile-ca', now);
const serving = await issueCertificate(ca, {
  commonName: `system:node:${NODE}`,
  organizations: ['system:nodes'],
  names: ['127.0.0.1'],
  usages: ['server auth'],
  lifetimeMs: HOUR_MS,
  now,
});
await writeFile(at('main.log'), '2026-01-02T03:04:05.000000000Z stdout F a line\n');
await mkdir(at('logs/sub'), { recursive: true });
await writeFile(at('logs/sub/a.log'), 'a line\n');
await writeFile(at('secret'), 'not below the logs\n');
await symlink(at('secret'), at('logs/sub/leak'));

const server = new NodeServer({
  nodeName: NODE,
  address: '127.0.0.1',
  port: 0,
  certificate: { cert: serving.certificate, key: serving.key, ca: ca.certificate },
  reviews: {
    reviewToken: async (review) => {
      const username = USERS.get(review.spec.token ?? '');
      if (username === undefined || username === 'stranger') return { ...review, status: { authenticated: false } };
      const groups = username === 'admin' ? ['system:masters'] : [];
      return { ...review, status: { authenticated: true, user: { username, groups } } };
    },
    reviewAccess: async (review) => {
      const { user = '', groups, resourceAttributes: asked } = review.spec;
      const mine = RIGHTS.get(user)?.includes(`${asked?.verb} ${asked?.subresource}`) ?? false;
      return { ...review, status: { allowed: mine || (groups?.includes('system:masters') ?? false) } };
    },
  },
  runtime,
  pods: {
    list: () => [pod],
    find: (namespace, name) => (namespace === 'team' && name === 'web' ? pod : undefined),
    sandboxId: () => 'sandbox',
    containerId: (_uid, name) => (name === 'main' ? 'main' : undefined),
  },
  statistics: { metrics: () => 'kedge_up 1\n', summary: () => ({ node: {} }) },
  configuration: () => ({ address: '127.0.0.1' }),
  unhealthy: () => undefined,
  logDirectory: at('logs'),
  logger,
});
await writeFile(at('port'), String(await server.listen()));
