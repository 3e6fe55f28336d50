/** The scheduler and the controllers on a thread of their own: they know the api-server by its address alone. */
import { parentPort } from 'node:worker_threads';
import { destination, pino } from 'pino';
import { ApiClient } from '../client/api-client.ts';
import type { Credentials } from '../client/transport.ts';
import { collectWhenIdle } from './idle-collection.ts';
import { readAuthority, readServiceAccountKey } from './pki/cluster-pki.ts';

/** What a role is handed; it crosses a thread boundary. */
export interface RoleOptions {
  readonly role: 'scheduler' | 'controllers';
  readonly server: string;
  readonly credentials: Credentials;
  readonly logLevel: string;
  /** Where the cluster's CA and the key of service account tokens are, for signing. */
  readonly pkiDirectory: string;
  readonly clusterCidr: string;
  readonly nodeCidrMaskSize: number;
  readonly nodeMonitorGracePeriodSeconds: number;
}

/** What the main thread tells a running role: to stop, or who it is from now on. */
export type RoleMessage = 'stop' | Credentials;

/** Runs the role until the main thread says to stop. */
export async function runRoleThread(options: RoleOptions): Promise<void> {
  const stopping = new AbortController();
  collectWhenIdle(stopping.signal);
  await using client = new ApiClient({
    server: options.server,
    ...options.credentials,
    userAgent: `kedge-${options.role}`,
  });
  parentPort?.on('message', (message: RoleMessage) => {
    if (message === 'stop') stopping.abort();
    else void client.replaceCredentials(message);
  });
  try {
    await runRole(options, client, stopping.signal);
  } finally {
    parentPort?.close();
  }
}

async function runRole(options: RoleOptions, client: ApiClient, signal: AbortSignal): Promise<void> {
  const { role, logLevel } = options;
  const name = `kedge-${role}`;
  const logger = pino({ name, level: logLevel, base: { name } }, destination({ fd: 1, sync: true }));
  if (role === 'scheduler') {
    const { Scheduler } = await import('./scheduler/scheduler.ts');
    await new Scheduler({ client, logger }).run(signal);
    return;
  }
  const { runControllers } = await import('./controllers/main.ts');
  const { legacyTokenSigner } = await import('./apiserver/authentication/legacy-token.ts');
  const ca = await readAuthority(options.pkiDirectory);
  await runControllers({
    client,
    logger,
    signal,
    rootCa: ca.certificate,
    // Loaded when a node joins, and not before: it weighs 12 MB.
    sign: async (request, { usages, durationSeconds }) => {
      const { signCertificateRequest } = await import('./pki/signing.ts');
      return signCertificateRequest(request, { ca, usages, durationSeconds });
    },
    signToken: legacyTokenSigner(await readServiceAccountKey(options.pkiDirectory)),
    clusterCidr: options.clusterCidr,
    nodeCidrMaskSize: options.nodeCidrMaskSize,
    nodeMonitorGraceSeconds: options.nodeMonitorGracePeriodSeconds,
  });
}
