/** The pods of hollow nodes: reported as running as soon as they are bound, as completed after a while, deleted when asked to. */
import type { ApiClient } from '../../client/api-client.ts';
import { Informer } from '../../client/informer.ts';
import type { Logger } from '../../client/logger.ts';
import { isPodTerminal } from '../../api/domain/pod-lifecycle.ts';
import { pods } from '../../client/resources.gen.ts';
import { StatusManager } from '../pods/status/status-manager.ts';
import type { HollowNode, HollowNodes } from './hollow-nodes.ts';
import { hollowStatus, runsToCompletion, type HollowRun } from './hollow-runtime.ts';
import type { Pod } from '../../api/types/core/v1.gen.ts';

export interface HollowPodsOptions {
  readonly client: ApiClient;
  readonly logger: Logger;
  readonly nodes: HollowNodes;
  /** How long containers run that are not restarted, in milliseconds. */
  readonly completeAfterMs: number;
}

interface Entry {
  pod: Pod;
  readonly node: HollowNode;
  /** Absent while the node has no address for it. */
  run: HollowRun | undefined;
  timer: NodeJS.Timeout | undefined;
  isEnding: boolean;
}

export class HollowPods {
  readonly #options: HollowPodsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #waiting = new Map<HollowNode, Set<Entry>>();
  readonly #informer: Informer<Pod>;
  readonly #statuses: StatusManager;
  readonly #signal: AbortSignal;

  constructor(options: HollowPodsOptions, signal: AbortSignal) {
    const { client, logger } = options;
    this.#options = options;
    this.#signal = signal;
    this.#informer = new Informer({ client, logger, resource: pods, fieldSelector: 'spec.nodeName!=' });
    this.#statuses = new StatusManager(
      {
        ...{ client, logger },
        apiPods: { byUid: (uid) => this.#entries.get(uid)?.pod, objectOf: ({ pod }) => pod },
      },
      signal,
    );
  }

  /** Runs until the signal is aborted. */
  async run(): Promise<void> {
    this.#informer.addHandlers({
      onAdd: (pod) => this.#see(pod),
      onUpdate: (_, pod) => this.#see(pod),
      onDelete: (pod) => this.#forget(pod.metadata?.uid ?? ''),
    });
    await this.#informer.run(this.#signal);
    for (const { timer } of this.#entries.values()) clearTimeout(timer);
  }

  /** The node may have addresses now. */
  nodeChanged(node: HollowNode): void {
    for (const entry of this.#waiting.get(node) ?? []) this.#start(entry);
  }

  #see(pod: Pod): void {
    const node = this.#options.nodes.get(pod.spec?.nodeName);
    const uid = pod.metadata?.uid ?? '';
    if (!node) return;
    const known = this.#entries.get(uid);
    const entry = known ?? { pod, node, run: undefined, timer: undefined, isEnding: false };
    entry.pod = pod;
    if (!known) this.#entries.set(uid, entry);
    if (pod.metadata?.deletionTimestamp !== undefined) this.#end(entry);
    else if (!known && !isPodTerminal(pod.status)) this.#start(entry);
  }

  #start(entry: Entry): void {
    const { node, pod } = entry;
    const podAddress = pod.spec?.hostNetwork ? node.address : node.take();
    const waiting = this.#waiting.get(node) ?? new Set();
    if (podAddress === undefined) {
      waiting.add(entry);
      this.#waiting.set(node, waiting);
      return;
    }
    waiting.delete(entry);
    entry.run = { startedAt: Date.now(), nodeAddress: node.address, podAddress };
    this.#report(entry, entry.run);
    if (runsToCompletion(pod))
      entry.timer = setTimeout(() => this.#complete(entry), this.#options.completeAfterMs).unref();
  }

  #complete(entry: Entry): void {
    if (!entry.run || entry.isEnding) return;
    entry.run = { ...entry.run, endedAt: Date.now() };
    this.#report(entry, entry.run);
  }

  /** Its grace period is not used: nothing runs that could use it. */
  #end(entry: Entry): void {
    if (entry.isEnding) return;
    entry.isEnding = true;
    clearTimeout(entry.timer);
    this.#waiting.get(entry.node)?.delete(entry);
    if (entry.run && !isPodTerminal(entry.pod.status)) {
      entry.run = { ...entry.run, endedAt: Date.now() };
      this.#report(entry, entry.run);
    }
    void this.#statuses.finish(entry.pod);
  }

  #report({ pod }: Entry, run: HollowRun): void {
    this.#statuses.set(pod, hollowStatus(pod, run, Date.now()));
  }

  #forget(uid: string): void {
    const entry = this.#entries.get(uid);
    if (!entry) return;
    clearTimeout(entry.timer);
    this.#waiting.get(entry.node)?.delete(entry);
    if (entry.run) entry.node.giveBack(entry.run.podAddress);
    this.#entries.delete(uid);
    this.#statuses.forget(uid);
  }
}
