/** Asks the members of etcd, Kedge's or others', how they are. */
import { readFile } from 'node:fs/promises';
import type { ServerConfig } from '../control-plane/config.ts';
import type { MemberMetrics } from '../control-plane/store/etcd/managed/member-metrics.ts';
import { withManagedEtcd } from '../control-plane/store/etcd/managed/settings.ts';
import type { EtcdFacts } from './etcd-health.ts';
import { SettingsError } from './settings.ts';

/** @param config of a server. Throws SettingsError when its store is none, StoreUnavailableError when no member answers. */
export async function readEtcdFacts(given: ServerConfig, signal: AbortSignal): Promise<EtcdFacts> {
  const config = await withManagedEtcd(given);
  if (config.store !== 'etcd')
    throw new SettingsError(
      'the store of this server is its own: it has no members (kedge server join needs etcd: docs/etcd.md)',
    );
  // Loaded when they are used: they bring a library.
  const [{ EtcdCluster, inPlainWords }, { credentialsOf }, { readMemberMetrics }] = await Promise.all([
    import('../control-plane/store/etcd/managed/etcd-cluster.ts'),
    import('../control-plane/store/etcd/credentials.ts'),
    import('../control-plane/store/etcd/managed/member-metrics.ts'),
  ]);
  const files = [config.etcdCafile, config.etcdCertfile, config.etcdKeyfile] as const;
  const [ca = null, cert = null, key = null] = await Promise.all(
    files.map(async (file) => (file ? readFile(file) : null)),
  );
  const accessTo = credentialsOf({ ca, cert, key, origin: files.filter(Boolean).join(', ') });
  using cluster = EtcdCluster.over(config.etcdServers, accessTo, signal);
  return await inPlainWords(async () => {
    const members = await cluster.statuses(await cluster.list());
    const answered = members.filter(({ status }) => status !== undefined);
    // Without a leader nobody knows of alarms; what is said of the members says that there is none.
    const hasLeader = answered.some(({ status }) => status?.leader !== '0');
    const measured = async (url: string): Promise<MemberMetrics | Error> => {
      try {
        return await readMemberMetrics(url, { ca, cert, key }, signal);
      } catch (error) {
        if (signal.aborted || !(error instanceof Error)) throw error;
        return error;
      }
    };
    const metrics = answered.map(
      async ({ member }) => [member.ID, await measured(member.clientURLs[0] ?? '')] as const,
    );
    return {
      members,
      alarms: hasLeader ? await cluster.alarms() : [],
      metrics: new Map(await Promise.all(metrics)),
      isManaged: given.etcd === 'managed',
      nowMs: Date.now(),
    };
  });
}
