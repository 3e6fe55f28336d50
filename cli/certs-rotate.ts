/** `kedge certs rotate`: asks the server of this host for a step, and says what is to be done elsewhere. */
import { networkInterfaces } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { msUntil } from '../client/clock.ts';
import { run } from '../agent/host/run.ts';
import { isSystemdRunning } from '../agent/host/survey.ts';
import { IpAddress } from '../api/domain/address.ts';
import { publicKeyHash } from '../api/domain/public-key-hash.ts';
import { humanDuration } from '../api/machinery/duration.ts';
import type { Endpoints, Node } from '../api/types/core/v1.gen.ts';
import type { ApiClient } from '../client/api-client.ts';
import { withDeadline } from '../client/deadline.ts';
import { endpoints, nodes } from '../client/resources.gen.ts';
import type { ServerConfig } from '../control-plane/config.ts';
import { requestedRotation, requestRotation, type RotationStep } from '../control-plane/pki/ca-rotation.ts';
import { readAuthority } from '../control-plane/pki/cluster-pki.ts';
import { PkiError } from '../control-plane/pki/pem-files.ts';
import { commandsForOthers, nodesBehind } from '../control-plane/pki/rotation-plan.ts';
import {
  hasNextServiceAccountKey,
  serviceAccountKeyReplacedAt,
  TOKENS_REFRESHED_MS,
} from '../control-plane/pki/service-account-keys.ts';
import { pkiDirectoryOf } from '../control-plane/store/etcd/managed/settings.ts';
import { openCluster } from './cluster-access.ts';
import { onManagedCluster } from './managed-cluster.ts';
import { complain, print } from './output.ts';
import { SettingsError } from './settings.ts';
import { UsageError } from './usage.ts';

const SERVER_UNIT = 'kedge-server.service';
const ETCD_UNIT = 'kedge-etcd.service';
const CARRIED_OUT_LIMIT_MS = 120_000;
const LOOK_MS = 200;
const ASK_LIMIT_MS = 30_000;

export interface RotateFlags {
  readonly ca?: true;
  readonly dropCa?: true;
  readonly frontProxyCa?: true;
  readonly dropFrontProxyCa?: true;
  readonly etcdCa?: true;
  readonly dropEtcdCa?: true;
  readonly serviceAccountKey?: true;
  readonly dropServiceAccountKey?: true;
  readonly force?: true;
}

/** @param directory the PKI folder of the server */
export async function rotateCertificates(directory: string, config: ServerConfig, flags: RotateFlags): Promise<void> {
  try {
    const step = await stepOf(directory, config, flags);
    if (!flags.force) await mustBeSafe(directory, config, step);
    await requestRotation(directory, step);
    if (!(await isServerActive())) {
      print('kedge: this is carried out when the server starts next: restart it');
      return;
    }
    await untilCarriedOut(directory, step);
    print(`kedge: ${DONE[step]}`);
    await tellOfOthers(directory, config, step);
  } catch (error) {
    if (error instanceof PkiError) throw new SettingsError(error.message, { cause: error });
    throw error;
  }
}

async function stepOf(directory: string, config: ServerConfig, flags: RotateFlags): Promise<RotationStep> {
  const asked = (
    [
      ['ca', flags.ca],
      ['drop-ca', flags.dropCa],
      ['front-proxy-ca', flags.frontProxyCa],
      ['drop-front-proxy-ca', flags.dropFrontProxyCa],
      ['etcd-ca', flags.etcdCa],
      ['drop-etcd-ca', flags.dropEtcdCa],
      ['service-account-key', flags.serviceAccountKey],
      ['drop-service-account-key', flags.dropServiceAccountKey],
    ] as const
  ).flatMap(([step, isAsked]) => (isAsked ? [step] : []));
  const [step = 'leaves', other] = asked;
  if (other !== undefined)
    throw new UsageError(
      `--${step} and --${other} are two steps: a new one comes first, and the old one is dropped later`,
    );
  // Servers that share a store verify the tokens of each other: each has the key before any signs with it.
  const isShared =
    (config.store === 'etcd' || config.etcd === 'managed') && !(await hasNextServiceAccountKey(directory));
  return step === 'service-account-key' && isShared ? 'next-service-account-key' : step;
}

/** Throws SettingsError for a step that would lock somebody out who is going to be served in a while. */
async function mustBeSafe(directory: string, config: ServerConfig, step: RotationStep): Promise<void> {
  if (step === 'drop-service-account-key') {
    const replacedAt = await serviceAccountKeyReplacedAt(directory);
    const leftMs = replacedAt === undefined ? 0 : msUntil(replacedAt + TOKENS_REFRESHED_MS);
    if (leftMs > 0)
      throw new SettingsError(
        `pods may have tokens of the key before for another ${humanDuration(leftMs)}: drop it then, or say --force and restart them`,
      );
  }
  if (step === 'etcd-ca' || step === 'drop-etcd-ca') await membersMustKnow(config, step === 'drop-etcd-ca');
  if (step !== 'drop-ca') return;
  const { certificate } = await readAuthority(directory);
  const found = await askCluster(config, (client) => client.listAll<Node>(nodes));
  if (found instanceof Error)
    throw new SettingsError(
      `the api-server does not say which nodes have renewed their certificates (${found.message}): start it, or say --force`,
      { cause: found },
    );
  const behind = nodesBehind(found, publicKeyHash(certificate));
  if (behind !== undefined)
    throw new SettingsError(
      `${behind}: systemctl reload kedge-agent there renews it, kubectl delete node leaves out a node that is gone, and --force drops the CA all the same`,
    );
}

/** Throws SettingsError while a member of etcd is away, which a restart of another one would take the quorum from, or does not know the new CA. */
async function membersMustKnow(config: ServerConfig, isDropped: boolean): Promise<void> {
  if (config.etcd !== 'managed') throw new SettingsError('etcd is not run by kedge here: it has no CA of its own');
  const { membersBehind } = await import('../control-plane/store/etcd/managed/ca-rollover.ts');
  await onManagedCluster(config, async (cluster, signal) => {
    const members = await cluster.statuses(await cluster.list());
    const away = members.find(({ status }) => status === undefined);
    if (away) throw new SettingsError(`${away.problem}: all members of etcd have to be there, or say --force`);
    const behind = isDropped
      ? await membersBehind(
          pkiDirectoryOf(config),
          members.map(({ member }) => member),
          signal,
        )
      : [];
    if (behind.length > 0)
      throw new SettingsError(
        `the member of etcd of ${behind.join(', ')} has no certificate of the new CA, or does not trust it: ` +
          'copy etcd-ca* of the PKI folder there and restart kedge-etcd and kedge-server, or say --force',
      );
  });
}

/** etcd reads the CAs that it trusts when it starts. */
const RESTARTS_ETCD: ReadonlySet<RotationStep> = new Set(['etcd-ca', 'drop-etcd-ca']);

async function untilCarriedOut(directory: string, step: RotationStep): Promise<void> {
  // What is replaced is handed to all parts of the server when it starts.
  const verb = step === 'leaves' ? 'reload' : 'restart';
  await run('systemctl', [verb, SERVER_UNIT], { timeoutMs: CARRIED_OUT_LIMIT_MS });
  const deadline = performance.now() + CARRIED_OUT_LIMIT_MS;
  while ((await requestedRotation(directory)) !== undefined) {
    if (performance.now() > deadline)
      throw new SettingsError(`the server has not rotated its certificates: journalctl -u ${SERVER_UNIT} says why`);
    await delay(LOOK_MS);
  }
  if (RESTARTS_ETCD.has(step)) await run('systemctl', ['restart', ETCD_UNIT], { timeoutMs: CARRIED_OUT_LIMIT_MS });
}

const DONE: Readonly<Record<RotationStep, string>> = {
  leaves: 'the certificates of the server have been renewed; copies of its kubeconfig keep working until they expire',
  ca: 'a new CA signs now. Nodes learn it within 12 minutes, and renew their certificates; pods that read CAs once are to be restarted. Then: kedge certs rotate --drop-ca',
  'drop-ca': 'the CA before is trusted no longer',
  'front-proxy-ca':
    'a new CA signs what aggregated API servers know this server by, and is published beside the one before. When they have read it: kedge certs rotate --drop-front-proxy-ca',
  'drop-front-proxy-ca': 'the CA of the front proxy before is published no longer',
  'etcd-ca':
    'a new CA signs the certificates of etcd. When the other servers have it: kedge certs rotate --drop-etcd-ca',
  'drop-etcd-ca': 'the CA of etcd before is trusted no longer',
  'next-service-account-key':
    'there is a new key for tokens of service accounts, which does not sign yet. When all servers have it: kedge certs rotate --service-account-key again, on each',
  'service-account-key':
    'a new key signs tokens of service accounts; pods get new ones within a day. Then: kedge certs rotate --drop-service-account-key',
  'drop-service-account-key': 'tokens of the service account key before are not valid any longer',
};

/** With one server there is nothing to say. */
async function tellOfOthers(directory: string, config: ServerConfig, step: RotationStep): Promise<void> {
  if (config.store !== 'etcd' && config.etcd !== 'managed') return;
  const found = await askCluster(config, (client) => client.get<Endpoints>(endpoints, 'default', 'kubernetes'));
  if (found instanceof Error) {
    complain(
      `the api-server does not say which other servers there are (${found.message}); docs/host-life.md says what they need`,
    );
    return;
  }
  const own = new Set(
    Object.values(networkInterfaces()).flatMap((all) =>
      (all ?? []).map(({ address }) => IpAddress.parse(address)?.text),
    ),
  );
  const addresses = (found.subsets ?? []).flatMap((subset) => (subset.addresses ?? []).map(({ ip }) => ip));
  const commands = commandsForOthers(
    step,
    directory,
    addresses.filter((ip) => ip !== config.advertiseAddress && !own.has(ip)),
  );
  if (commands.length === 0) return;
  print(`kedge: the other servers of the cluster need it now:\n${commands.map((line) => `  ${line}`).join('\n')}`);
}

async function askCluster<T>(config: ServerConfig, ask: (client: ApiClient) => Promise<T>): Promise<T | Error> {
  try {
    await using cluster = await openCluster(config.adminKubeconfig);
    return await withDeadline({ what: 'the api-server', limitMs: ASK_LIMIT_MS }, () => ask(cluster.client));
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
}

async function isServerActive(): Promise<boolean> {
  if (!(await isSystemdRunning())) return false;
  const { stdout } = await run('systemctl', ['show', '--property=ActiveState', '--value', SERVER_UNIT]);
  return stdout.trim() === 'active';
}
