/** The scheduler and the controllers on a thread of their own: they know the api-server by its address alone. */
import { parentPort } from 'node:worker_threads';
import { ApiClient } from '../client/api-client.ts';
import { daemonLogger } from '../daemon/daemon-logger.ts';
import { runLeaderElection, type ElectionTiming } from '../client/leader-election.ts';
import type { Logger } from 'pino';
import type { Credentials } from '../client/transport.ts';
import { collectWhenIdle } from './idle-collection.ts';
import { readAuthority, readServiceAccountKey } from './pki/cluster-pki.ts';

/** What a role is handed; it crosses a thread boundary. */
export interface RoleOptions {
  readonly role: 'scheduler' | 'controllers';
  readonly server: string;
  readonly credentials: Credentials;
  /** Who stands for election. */
  readonly identity: string;
  /** The api-server is of this process: nobody acts without it. */
  readonly isBesideApiServer: boolean;
  readonly logLevel: string;
  /** Where the cluster's CA and the key of service account tokens are, for signing. */
  readonly pkiDirectory: string;
  readonly clusterCidr: string;
  readonly nodeCidrMaskSize: number;
  readonly nodeMonitorGracePeriodSeconds: number;
}

/** Upstream's names: its scheduler and controller manager, run beside ours, are candidates too. */
const LEASES: Readonly<Record<RoleOptions['role'], string>> = {
  scheduler: 'kube-scheduler',
  controllers: 'kube-controller-manager',
};
/**
 * While the api-server of this process is away nobody else can act either, so that its roles need not hurry: a write every 20 s
 * costs an idle server nothing that can be measured.
 */
const UNHURRIED: ElectionTiming = { leaseSeconds: 60, renewMs: 20_000, deadlineMs: 40_000 };

/** What the main thread tells a running role: to stop, or who it is from now on. */
export type RoleMessage = 'stop' | Credentials;

/** Runs the role, while it is the one of its kind that leads, until the main thread says to stop. */
export async function runRoleThread(options: RoleOptions): Promise<void> {
  const stopping = new AbortController();
  collectWhenIdle(stopping.signal);
  const logger = daemonLogger(`kedge-${options.role}`, options.logLevel);
  await using client = new ApiClient({
    server: options.server,
    ...options.credentials,
    userAgent: `kedge-${options.role}`,
    logger,
  });
  parentPort?.on('message', (message: RoleMessage) => {
    if (message === 'stop') stopping.abort();
    else void client.replaceCredentials(message);
  });
  try {
    const { role, identity, isBesideApiServer } = options;
    await runLeaderElection({
      ...{ client, logger, identity, signal: stopping.signal },
      namespace: 'kube-system',
      name: LEASES[role],
      ...(isBesideApiServer && { timing: UNHURRIED }),
      lead: (term) => runRole(options, client, logger, term),
    });
  } finally {
    parentPort?.close();
  }
}

async function runRole(options: RoleOptions, client: ApiClient, logger: Logger, signal: AbortSignal): Promise<void> {
  if (options.role === 'scheduler') {
    const { Scheduler } = await import('./scheduler/scheduler.ts');
    await new Scheduler({ client, logger }).run(signal);
    return;
  }
  const { runControllers } = await import('./controllers/main.ts');
  const { legacyTokenSigner } = await import('./apiserver/access/authentication/legacy-token.ts');
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
