/** Runs the scheduler or the controllers on a thread of their own; they know nothing of the api-server but its address. */
import { parentPort } from 'node:worker_threads';
import type { IpFamily } from '../api/domain/address.ts';
import { ApiClient } from '../client/api-client.ts';
import { daemonLogger } from '../daemon/daemon-logger.ts';
import { ClientMetrics } from '../daemon/metrics/client-metrics.ts';
import { Exposition } from '../daemon/metrics/exposition.ts';
import { writeProcess } from '../daemon/metrics/process-metrics.ts';
import { runLeaderElection, type ElectionTiming } from '../client/leader-election.ts';
import type { Logger } from 'pino';
import type { Credentials } from '../client/transport.ts';
import { collectWhenIdle } from './idle-collection.ts';
import { kubernetesVersion } from '../api/version.ts';
import type { SchedulerSettings } from './scheduler/configuration/settings.ts';
import { readAuthority, readBundleOf } from './pki/cluster-pki.ts';
import { readServiceAccountKey } from './pki/service-account-keys.ts';

/** A role's options, passed to its thread by structured clone. */
export interface RoleOptions {
  readonly role: 'scheduler' | 'controllers';
  readonly server: string;
  readonly credentials: Credentials;
  /** The candidate's identity in the leader election. */
  readonly identity: string;
  /** Whether no other process can lead: the api-server is in this one, and its store can be used by no other. */
  readonly isOnlyCandidate: boolean;
  readonly logLevel: string;
  /** The PKI folder with the CA and the service account key, for signing. */
  readonly pkiDirectory: string;
  /** Which controllers run. */
  readonly controllers: readonly string[];
  readonly clusterCidr: string;
  /** The prefix length of a node's part of the pod range, by family. */
  readonly nodeMaskSizes: Readonly<Record<IpFamily, number>>;
  readonly nodeMonitorGracePeriodSeconds: number;
  readonly inventory: string;
  readonly loadBalancerPools: readonly string[];
  readonly reservedPorts: readonly PortRange[];
  /** Undefined when there is no configuration file. */
  readonly scheduler: SchedulerSettings | undefined;
}

interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Upstream's lease names: its scheduler and controller manager can take part in the election. */
const LEASES: Readonly<Record<RoleOptions['role'], string>> = {
  scheduler: 'kube-scheduler',
  controllers: 'kube-controller-manager',
};
/**
 * Election timing beside an api-server whose store no other can use: while it is down no other candidate can act either, so that failover need not be fast.
 * A write every 20 s costs an idle server nothing measurable.
 */
const COLOCATED_TIMING: ElectionTiming = { leaseSeconds: 60, renewMs: 20_000, deadlineMs: 40_000 };
/** Where others can take over: sooner than upstream's 15 s, so that somebody leads within 15 s after any crash. */
const SHARED_TIMING: ElectionTiming = { leaseSeconds: 10, renewMs: 3_000, deadlineMs: 7_000 };

const USER_AGENTS = { scheduler: 'kube-scheduler', controllers: 'kube-controller-manager' } as const;

/** A message of the main thread to a running role: stop, say its metrics, say anything, or replace the credentials. */
export type RoleMessage = 'stop' | 'metrics' | 'ping' | Credentials;

/** What it answers, in Prometheus' text format. */
export interface RoleReport {
  /** The message that is answered. */
  readonly to: RoleMessage;
  /** Those that no other role has; empty while it does not lead. */
  readonly metrics: string;
  /** Those that each role has of its own. */
  readonly common: string;
}

/** Runs the role whenever it leads, until the main thread sends `stop`. */
export async function runRoleThread(options: RoleOptions): Promise<void> {
  const stopping = new AbortController();
  collectWhenIdle(stopping.signal);
  const logger = daemonLogger(`kedge-${options.role}`, options.logLevel);
  const calls = new ClientMetrics(() => options.server);
  await using client = new ApiClient({
    server: options.server,
    ...options.credentials,
    // As upstream: managedFields name those who write by it.
    userAgent: `${USER_AGENTS[options.role]}/${kubernetesVersion.gitVersion}`,
    logger,
    observe: calls.observe,
  });
  const noMetrics = (): string => '';
  let metrics = noMetrics;
  let isLeading = false;
  const common = (): string => {
    const to = new Exposition();
    to.family('leader_election_master_status', 'gauge', 'Whether this candidate leads.');
    to.sample('leader_election_master_status', { name: LEASES[options.role] }, isLeading ? 1 : 0);
    calls.write(to);
    writeProcess(to);
    return to.toString();
  };
  parentPort?.on('message', (message: RoleMessage) => {
    if (message === 'stop') stopping.abort();
    else if (message === 'metrics') report({ to: message, metrics: metrics(), common: common() });
    else if (message === 'ping') report({ to: message, metrics: '', common: '' });
    else void client.replaceCredentials(message);
  });
  try {
    const { role, identity, isOnlyCandidate } = options;
    await runLeaderElection({
      ...{ client, logger, identity, signal: stopping.signal },
      namespace: 'kube-system',
      name: LEASES[role],
      timing: isOnlyCandidate ? COLOCATED_TIMING : SHARED_TIMING,
      lead: (term) => {
        isLeading = true;
        return runRole(options, client, logger, term, (current) => void (metrics = current)).finally(() => {
          isLeading = false;
          metrics = noMetrics;
        });
      },
    });
  } finally {
    parentPort?.close();
  }
}

const report = (answer: RoleReport): void => parentPort?.postMessage(answer);

async function runRole(
  options: RoleOptions,
  client: ApiClient,
  logger: Logger,
  signal: AbortSignal,
  onMetrics: (metrics: () => string) => void,
): Promise<void> {
  if (options.role === 'scheduler') {
    const { runScheduler } = await import('./scheduler/main.ts');
    await runScheduler({ client, logger, signal, settings: options.scheduler, onMetrics });
    return;
  }
  const { runControllers } = await import('./controllers/main.ts');
  const { legacyTokenSigner } = await import('./apiserver/access/authentication/legacy-token.ts');
  const ca = await readAuthority(options.pkiDirectory);
  await runControllers({
    client,
    logger,
    signal,
    onMetrics,
    selection: options.controllers,
    rootCa: await readBundleOf(options.pkiDirectory),
    // Loaded on demand, when the first node joins: it takes 12 MB.
    sign: async (request, { usages, durationSeconds }) => {
      const { signCertificateRequest } = await import('./pki/signing.ts');
      return signCertificateRequest(request, { ca, usages, durationSeconds });
    },
    signToken: legacyTokenSigner(await readServiceAccountKey(options.pkiDirectory)),
    clusterCidr: options.clusterCidr,
    nodeMaskSizes: options.nodeMaskSizes,
    nodeMonitorGraceSeconds: options.nodeMonitorGracePeriodSeconds,
    inventory: options.inventory,
    loadBalancerPools: options.loadBalancerPools,
    isReservedPort: (port) => options.reservedPorts.some(({ first, last }) => port >= first && port <= last),
  });
}
