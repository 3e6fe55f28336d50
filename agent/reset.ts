/** `kedge reset`: terminates every pod of this host and removes what the agent created on it. The agent must not be running. */
import { join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { Attempts } from './attempts.ts';
import type { AgentConfig } from './config.ts';
import { CriClient } from './cri/client.ts';
import { CRI_NAMESPACE } from './cri/events.ts';
import { removeSandbox, stopSandbox } from './cri/remove.ts';
import { readCgroupTree } from './host/cgroup-tree.ts';
import { namesIn } from './host/files.ts';
import { HostError } from './host/host-error.ts';
import { deleteLink, deleteRoute, listRoutes } from './host/links.ts';
import { forgetDelay } from './host/logind.ts';
import { mountPointsBelow, readMounts, unmount } from './host/mounts.ts';
import { stopOrphanedShims } from './host/shims.ts';
import { removeAnnounced } from './network/announcer/address-announcer.ts';
import { clusterDnsRecord, removeClusterDns } from './network/dns/cluster-dns.ts';
import { FamilyDnsRules } from './network/dns/dns-rules.ts';
import { Iptables } from './network/netfilter/iptables.ts';
import { Netfilter } from './network/netfilter/netfilter.ts';
import { Nft } from './network/netfilter/nft.ts';
import { ROUTE_PROTOCOL } from './network/connectivity/node-routes.ts';
import { removeOverlay } from './network/connectivity/overlay.ts';
import { removePolicyTable } from './network/policy/policy-table.ts';
import { ContainerLogLinks } from './pods/logs/container-log-links.ts';
import { removePodLogs } from './pods/logs/log-files.ts';
import { anyAddress, removeServiceRules } from './proxy-cleanup.ts';
import { PodCgroups } from './resources/pod-cgroups.ts';
import { CsiPaths } from './volumes/csi/csi-volume.ts';
import { volumeDirectories } from './volumes/main.ts';

/** Sandboxes that are removed at the same time. */
const CONCURRENCY = 8;
/**
 * Throws a HostError with the first failure, after everything has been tried. Changes nothing when the container runtime does not
 * answer: pods that it cannot stop would go on without their network and rules.
 */
export async function resetHost(config: AgentConfig, signal: AbortSignal, logger: Logger): Promise<void> {
  const attempts = new Attempts(logger);
  const attempt = attempts.make.bind(attempts);
  const cri = new CriClient(config.containerdSocket);
  try {
    await requireRuntime(cri, signal);
    await attempt('stop pods', () => endPods(cri, config.podLogDir, signal));
    await attempt('remove log symlinks', () => new ContainerLogLinks(config.containerLogDir).removeDangling());
    await attempt('remove cgroups', async () => {
      const cgroups = new PodCgroups({
        tree: await readCgroupTree(),
        driver: await cri.cgroupDriver({ signal }),
        root: config.cgroupRoot,
      });
      await cgroups.removeAll(signal);
    });
    await attempt('stop orphaned shims', async () => {
      const sandboxes = new Set((await cri.listPodSandboxes({}, { signal })).map(({ id }) => id));
      await stopOrphanedShims({ socket: config.containerdSocket, namespace: CRI_NAMESPACE, sandboxes }, signal);
    });
  } finally {
    cri.close();
  }
  await attempt('unmount volumes', async () => {
    const { podsDirectory, stagingDirectory } = volumeDirectories(resolve(config.dataDir));
    const drivers = new CsiPaths(config.kubeletDir);
    // What drivers have mounted for this agent's pods, and no other's.
    const driversPods = (await namesIn(podsDirectory)).map((uid) => join(drivers.pods, uid));
    for (const directory of [...driversPods, drivers.volumes, podsDirectory, stagingDirectory])
      for (const point of mountPointsBelow(await readMounts(), directory)) await unmount(point, signal);
  });
  if (config.serviceProxy) await removeServiceRules(config, attempts, signal);
  await attempt('remove settings of logind', () => forgetDelay(signal));
  await attempt('remove addresses of load balancers', () => removeAnnounced(signal));
  await attempt('remove network policies', () => removePolicyTable(new Nft(signal)));
  await attempt('remove routes to other nodes', async () => {
    for (const { family } of await anyAddress())
      for (const { dst, protocol } of await listRoutes(family, signal))
        if (protocol === String(ROUTE_PROTOCOL)) await deleteRoute({ dst, protocol: ROUTE_PROTOCOL }, signal);
  });
  await attempt('remove overlay to other nodes', () => removeOverlay(new Nft(signal), signal));
  await attempt('remove cluster DNS', async () => {
    await removeClusterDns(clusterDnsRecord(resolve(config.dataDir)), logger, signal);
    for (const range of await anyAddress())
      await new FamilyDnsRules(new Netfilter(new Iptables(range.family, signal)), range).remove();
  });
  await attempt('remove pod bridge', () => deleteLink(config.bridgeName, signal));
  attempts.end();
}

async function requireRuntime(cri: CriClient, signal: AbortSignal): Promise<void> {
  try {
    await cri.version({ signal });
  } catch (error) {
    throw new HostError(`cannot stop pods, and nothing has been removed: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Stops and removes every sandbox with its containers and logs: the runtime tears down their networks. */
async function endPods(cri: CriClient, logDirectory: string, signal: AbortSignal): Promise<void> {
  const sandboxes = await cri.listPodSandboxes({}, { signal });
  const next = async (): Promise<void> => {
    for (let sandbox = sandboxes.pop(); sandbox; sandbox = sandboxes.pop()) {
      await stopSandbox(cri, sandbox.id, { signal });
      await removeSandbox(cri, sandbox.id, { signal });
      await removePodLogs(logDirectory, { metadata: sandbox.metadata });
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, next));
}
