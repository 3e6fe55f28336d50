import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { Command } from 'commander';
import { packageDigest } from '../../agent/upgrade/package-file.ts';
import { MAX_PACKAGE_BYTES } from '../../api/domain/node-upgrade.ts';
import { IpAddress } from '../../api/domain/address.ts';
import type { Endpoints, Node } from '../../api/types/core/v1.gen.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { endpoints, nodes } from '../../client/resources.gen.ts';
import { nodePackages, offerPackage } from '../../control-plane/node-packages.ts';
import { KUBECONFIG_HELP, openCluster } from '../cluster-access.ts';
import { requireRoot } from '../daemon.ts';
import { serverConfigOf } from '../server-config.ts';
import { print } from '../output.ts';
import { SettingsError } from '../settings.ts';
import { UsageError } from '../usage.ts';
import { rollOut } from './rollout.ts';
import { Turn } from './turn.ts';

interface Flags {
  readonly to: string;
  readonly checksum?: string;
  readonly drain?: true;
  readonly force?: true;
  readonly deleteEmptydirData?: true;
  readonly drainTimeout: string;
  readonly maxUnavailable: string;
  readonly healthyWithin: string;
  readonly selector?: string;
  readonly config?: string;
  readonly kubeconfig?: string;
}

/** Besides the time that a version is given, and to go back: for the package to come, and to be verified. */
const FETCH_AND_BACK_SECONDS = 900;

/** `kedge upgrade nodes`: all nodes of the cluster get another version, a few at a time. */
export const upgradeNodesCommand = (): Command =>
  new Command('nodes')
    .description(
      'upgrade all nodes of the cluster, a few at a time, on the host of a server; pods run on, or are drained before; paused when a node fails',
    )
    .requiredOption('--to <file>', 'package to upgrade to: kedge-VERSION-linux-ARCH.tar.gz, with its .sha256 beside it')
    .option('--checksum <sha256>', 'checksum of the package, instead of the file beside it')
    .option('--max-unavailable <nodes>', 'how many nodes may be cordoned, upgraded or not Ready at once', '1')
    .option('--selector <labels>', 'only the nodes with these labels')
    .option('--drain', 'evict the pods of each node first, as PodDisruptionBudgets allow')
    .option('--force', 'with --drain: delete pods that no controller makes anew')
    .option('--delete-emptydir-data', 'with --drain: also pods with an emptyDir')
    .option('--drain-timeout <seconds>', 'how long the pods of a node may take to leave', '300')
    .option('--healthy-within <seconds>', 'how long the new version may take until all is well', '120')
    .option('--config <file>', "YAML file of the server's settings")
    .option('--kubeconfig <file>', KUBECONFIG_HELP)
    .action(upgradeNodes);

async function upgradeNodes(flags: Flags): Promise<void> {
  requireRoot('upgrade nodes', 'hands the package to the server of this host');
  const [maxUnavailable, healthySeconds, drainSeconds] = [
    count('max-unavailable', flags.maxUnavailable),
    count('healthy-within', flags.healthyWithin),
    count('drain-timeout', flags.drainTimeout),
  ];
  const { to, checksum, selector } = flags;
  const sha256 = await packageDigest(to, checksum);
  const { size: bytes } = await stat(to);
  if (bytes > MAX_PACKAGE_BYTES) throw new SettingsError(`${to} is too large to be a package`);
  const config = await serverConfigOf({ ...(flags.config !== undefined && { config: flags.config }) });
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () =>
      stop.abort(
        new SettingsError('interrupted: nodes that have been asked go on, and the same command does with the others'),
      ),
    );
  await using cluster = await openCluster(flags.kubeconfig ?? config.adminKubeconfig);
  const { client } = cluster;
  const tell = (sentence: string): void => print(`kedge: ${sentence}`);
  const turn = await Turn.take({
    client,
    identity: `${hostname()}_${process.pid}_${randomUUID()}`,
    tell,
    signal: stop.signal,
  });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => turn.release());
  await offerPackage(nodePackages(config), to, sha256);
  const upgraded = await rollOut(
    {
      hold: turn.hold,
      ...{ client, labelSelector: selector, sha256, bytes, maxUnavailable, healthySeconds },
      servers: await serverNodes(client, stop.signal),
      limitMs: (2 * healthySeconds + FETCH_AND_BACK_SECONDS) * 1000,
      startedAtMs: Date.now(),
      ...(flags.drain && {
        drain: {
          ...{ force: flags.force ?? false, deleteEmptydirData: flags.deleteEmptydirData ?? false },
          limitMs: drainSeconds * 1000,
        },
      }),
      tell,
    },
    stop.signal,
  );
  print(`kedge: ${upgraded === 1 ? 'the node runs' : `all ${upgraded} nodes run`} the version of ${to}`);
}

/** The nodes on hosts of api-servers. */
async function serverNodes(client: ApiClient, signal: AbortSignal): Promise<Set<string>> {
  const { subsets = [] } = await client.get<Endpoints>(endpoints, 'default', 'kubernetes', { signal });
  const servers = new Set(
    subsets.flatMap(({ addresses = [] }) => addresses.map(({ ip }) => IpAddress.parse(ip)?.text ?? '')),
  );
  const all = await client.listAll<Node>(nodes, { signal });
  return new Set(
    all
      .filter(({ status }) =>
        status?.addresses?.some(
          ({ type, address }) => type === 'InternalIP' && servers.has(IpAddress.parse(address)?.text ?? '-'),
        ),
      )
      .map(({ metadata }) => metadata?.name ?? ''),
  );
}

function count(name: string, text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new UsageError(`--${name} must be a number such as 1, not "${text}"`);
  return Number(text);
}
