/**
 * What the cluster knows of the node's CSI drivers: the CSINode of the node, the labels of its topology, and the annotation in which
 * drivers' own controllers look for the node's id. https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/csi-node-v1/
 */
import { setTimeout as delay } from 'node:timers/promises';
import { deepEqual } from '../../../api/machinery/deep-equal.ts';
import { own } from '../../../api/machinery/own.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../../api/machinery/status-error.ts';
import type { Node } from '../../../api/types/core/v1.gen.ts';
import type { CSINode, CSINodeDriver } from '../../../api/types/storage/v1.gen.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { backoffMs } from '../../../client/backoff.ts';
import type { Logger } from '../../../client/logger.ts';
import { logFailure } from '../../../client/outage.ts';
import { csiNodes, nodes } from '../../../client/resources.gen.ts';
import { WorkQueue } from '../../../client/work-queue.ts';
import type { DriverNodeInfo } from './csi-node-client.ts';
import type { DriverDirectory } from './csi-drivers.ts';

export interface CsiNodeObjectOptions {
  readonly client: ApiClient;
  readonly nodeName: string;
  readonly logger: Logger;
}

const NODE_IDS = 'csi.volume.kubernetes.io/nodeid';
/** Somebody else writes the same object. */
const MAX_ATTEMPTS = 6;
const RETRY = { initialMs: 50, maxMs: 2_000 };

const orEmpty = <T>(list: readonly T[] | null): readonly T[] => list ?? [];
/** A list that is absent may be decoded as null. */
const driversOf = ({ spec }: CSINode): readonly CSINodeDriver[] => orEmpty(spec.drivers);

export class CsiNodeObject implements DriverDirectory {
  readonly #options: CsiNodeObjectOptions;
  readonly #installed = new Map<string, DriverNodeInfo>();
  /** Its one key is the name of the node. */
  readonly #queue: WorkQueue;
  #nodeUid: string | undefined;

  constructor(options: CsiNodeObjectOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({
      initialBackoffMs: RETRY.maxMs,
      onError: (node, error, retryMs) =>
        logFailure(options.logger, error as Error, { node, retryMs }, 'failed to write CSINode, retrying'),
    });
  }

  /** A Node that has just been made has no CSINode yet, also when it replaces one that was deleted. */
  seeNode({ metadata }: Node): void {
    if (metadata?.uid === this.#nodeUid) return;
    this.#nodeUid = metadata?.uid;
    this.#queue.add(this.#options.nodeName);
  }

  /** Keeps the node's objects complete until the signal is aborted. */
  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(async () => {
      await this.#retried(signal, async () => void (await this.#get(signal)));
      for (const [driver, info] of this.#installed) await this.#install(driver, info, signal);
    }, signal);
  }

  async install(driver: string, info: DriverNodeInfo, signal: AbortSignal): Promise<void> {
    await this.#install(driver, info, signal);
    this.#installed.set(driver, info);
  }

  async #install(driver: string, info: DriverNodeInfo, signal: AbortSignal): Promise<void> {
    await this.#retried(signal, () => this.#describe(driver, info.nodeId, info.topology, signal));
    await this.#retried(signal, () => this.#set(driverEntry(driver, info), signal));
  }

  async uninstall(driver: string, signal: AbortSignal): Promise<void> {
    this.#installed.delete(driver);
    await this.#retried(signal, () => this.#remove(driver, signal));
    await this.#retried(signal, () => this.#describe(driver, undefined, {}, signal));
  }

  async #retried(signal: AbortSignal, attempt: () => Promise<void>): Promise<void> {
    for (let failures = 1; ; failures++) {
      try {
        return await attempt();
      } catch (error) {
        const isLost = isConflict(error) || isAlreadyExists(error) || isNotFound(error);
        if (!isLost || failures === MAX_ATTEMPTS) throw error;
        await delay(backoffMs(RETRY, failures), undefined, { signal });
      }
    }
  }

  /** Topology labels stay when the driver is gone: volumes in use refer to them. */
  async #describe(
    driver: string,
    nodeId: string | undefined,
    topology: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<void> {
    const { client, nodeName } = this.#options;
    const node = await client.get(nodes, '', nodeName, { signal });
    const { labels = {}, annotations = {}, resourceVersion } = node.metadata ?? {};
    const missing = Object.entries(topology).filter(([key, value]) => own(labels, key) !== value);
    const [other] = missing.filter(([key]) => own(labels, key) !== undefined);
    if (other)
      throw new Error(
        `detected topology value collision: driver reported "${other.join('":"')}" but existing label is "${other[0]}":"${own(labels, other[0])}"`,
      );
    const before = own(annotations, NODE_IDS);
    const after = nodeIdsWith(before, driver, nodeId);
    if (missing.length === 0 && before === after) return;
    const metadata = {
      resourceVersion,
      labels: Object.fromEntries(missing),
      annotations: { [NODE_IDS]: after ?? null },
    };
    await client.patch<Node>(nodes, '', nodeName, { metadata }, { type: 'merge', signal });
  }

  async #set(entry: CSINodeDriver, signal: AbortSignal): Promise<void> {
    const there = await this.#get(signal);
    const known = driversOf(there).find(({ name }) => name === entry.name);
    if (known && deepEqual(withoutUnset(known), withoutUnset(entry))) return;
    const others = driversOf(there).filter(({ name }) => name !== entry.name);
    // Only its limit may be changed: an entry with another id is removed first.
    const isOther = known && (known.nodeID !== entry.nodeID || !deepEqual(known.topologyKeys, entry.topologyKeys));
    const base = isOther ? await this.#update(there, others, signal) : there;
    await this.#update(base, [...others, entry], signal);
  }

  async #remove(driver: string, signal: AbortSignal): Promise<void> {
    const there = await this.#get(signal);
    const others = driversOf(there).filter(({ name }) => name !== driver);
    if (others.length < driversOf(there).length) await this.#update(there, others, signal);
  }

  #update(there: CSINode, drivers: readonly CSINodeDriver[], signal: AbortSignal): Promise<CSINode> {
    return this.#options.client.update(csiNodes, { ...there, spec: { drivers: [...drivers] } }, { signal });
  }

  /** Made when it is missing; one of a former Node of that name is replaced. */
  async #get(signal: AbortSignal): Promise<CSINode> {
    const { client, nodeName } = this.#options;
    const node = await client.get(nodes, '', nodeName, { signal });
    const owner = { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: node.metadata?.uid ?? '' };
    try {
      const there = await client.get(csiNodes, '', nodeName, { signal });
      if (there.metadata?.ownerReferences?.some(({ uid }) => uid === owner.uid)) return there;
      await client.delete(csiNodes, '', nodeName, { uid: there.metadata?.uid, signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    const made: CSINode = {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'CSINode',
      metadata: { name: nodeName, ownerReferences: [owner] },
      spec: { drivers: [] },
    };
    return client.create(csiNodes, made, { signal });
  }
}

const driverEntry = (name: string, { nodeId, maxVolumesPerNode, topology }: DriverNodeInfo): CSINodeDriver => ({
  name,
  nodeID: nodeId,
  topologyKeys: Object.keys(topology).sort(),
  ...(maxVolumesPerNode > 0 && { allocatable: { count: Math.min(maxVolumesPerNode, 2 ** 31 - 1) } }),
});

const withoutUnset = ({ name, nodeID, topologyKeys, allocatable }: CSINodeDriver): object => ({
  ...{ name, nodeID, topologyKeys: topologyKeys ?? [], count: allocatable?.count ?? 0 },
});

/** The annotation's JSON object with the driver's id, or without the driver; undefined when nothing is left. */
export function nodeIdsWith(text: string | undefined, driver: string, nodeId: string | undefined): string | undefined {
  const ids = new Map(Object.entries(readIds(text)));
  if (nodeId === undefined) ids.delete(driver);
  else ids.set(driver, nodeId);
  return ids.size > 0 ? JSON.stringify(Object.fromEntries([...ids].sort())) : undefined;
}

/** What somebody else has written into the annotation is replaced. */
function readIds(text: string | undefined): object {
  try {
    const read: unknown = JSON.parse(text ?? '{}');
    return typeof read === 'object' && read !== null && !Array.isArray(read) ? read : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
