/** The garbage collector: objects go when their owners are gone, as their references and the deletion's policy say. */
import { setTimeout as delay } from 'node:timers/promises';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { isNotFound } from '../../../api/machinery/status-error.ts';
import { Informer, type InformerHandlers } from '../../../client/informer.ts';
import { Outage } from '../../../client/outage.ts';
import type { Resource } from '../../../client/resource.ts';
import { createQueue, type ControllerContext } from '../context.ts';
import { discoverResources, resourceId, type DiscoveredResource } from '../discovery.ts';
import { Interner } from '../intern.ts';
import { ownedView, type Owned } from '../owned.ts';
import { planCollection, type Collection, type OwnerState } from './collection-plan.ts';
import { ORPHAN, ObjectGraph, isDeletingDependents, isOrphaningDependents } from './object-graph.ts';
import type { OwnerReference } from '../../../api/types/meta/v1.gen.ts';

/** How often it is asked which kinds there are. */
const DISCOVERY_PERIOD_MS = 60_000;
/** While some groups do not answer, or kinds have just come. */
const DISCOVERY_RETRY_MS = 5_000;
/** How many uids are remembered of owners that were looked for and are not there; upstream's size. */
const MAX_ABSENT = 500;
const CONCURRENCY = 20;
/** Nothing owns or is owned by what says what happened: upstream leaves Events out as well. */
const IGNORED: ReadonlySet<string> = new Set(['events.', 'events.events.k8s.io']);

export interface Source {
  readonly resource: Resource;
  readonly informer: {
    hasSynced(): Promise<void>;
    addHandlers(handlers: InformerHandlers<Owned>): () => void;
  };
}

/** Follows everything until the signal is aborted: kinds that other controllers follow through them, the rest by metadata. */
export async function runGarbageCollector(context: ControllerContext, shared: readonly Source[]): Promise<void> {
  const collector = new GarbageCollector(context);
  await collector.run(shared);
}

class GarbageCollector {
  readonly #context: ControllerContext;
  readonly #graph = new ObjectGraph();
  readonly #queue;
  readonly #interner = new Interner();
  readonly #absent = new Set<string>();
  readonly #followed = new Map<string, AbortController | undefined>();
  #resources = new Map<string, DiscoveredResource>();

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#queue = createQueue(context, 'garbage-collector', CONCURRENCY);
  }

  async run(shared: readonly Source[]): Promise<void> {
    const { signal } = this.#context;
    for (const { resource, informer } of shared) {
      this.#followed.set(resourceId(resource), undefined);
      this.#feed(resource, informer);
    }
    await Promise.all(shared.map(({ informer }) => informer.hasSynced()));
    const discovering = this.#followDiscovery();
    await this.#queue.run((uid) => this.#sync(uid), signal);
    await discovering;
  }

  /** Keeps an informer for each kind that is served, as kinds come and go. */
  async #followDiscovery(): Promise<void> {
    const { client, logger, signal } = this.#context;
    const outage = new Outage({ logger });
    const running = new Set<Promise<void>>();
    while (!signal.aborted) {
      let wait = DISCOVERY_PERIOD_MS;
      try {
        const { resources, failed } = await discoverResources(client, signal);
        if (failed.length > 0) wait = DISCOVERY_RETRY_MS;
        outage.ended({}, 'resource discovery recovered');
        this.#resources = new Map(resources.map((resource) => [kindId(resource.group, resource.kind), resource]));
        for (const resource of resources) {
          if (this.#followed.has(resourceId(resource)) || !isCollectable(resource)) continue;
          const done = this.#follow(resource);
          running.add(done);
          void done.finally(() => running.delete(done));
        }
        if (failed.length === 0) this.#unfollowAllBut(new Set(resources.map(resourceId)));
      } catch (error) {
        if (signal.aborted) break;
        wait = DISCOVERY_RETRY_MS;
        outage.failed(error, {}, 'failed to discover resources');
      }
      await delay(wait, undefined, { signal }).catch(() => undefined);
    }
    await Promise.all(running);
  }

  async #follow(resource: DiscoveredResource): Promise<void> {
    const { client, logger, signal } = this.#context;
    const stop = new AbortController();
    this.#followed.set(resourceId(resource), stop);
    const informer = new Informer<KubeObject, Owned>({
      client,
      logger,
      resource,
      metadataOnly: true,
      select: (object) => ownedView(object, this.#interner),
    });
    this.#feed(resource, informer);
    await informer.run(AbortSignal.any([signal, stop.signal]));
  }

  #unfollowAllBut(served: ReadonlySet<string>): void {
    for (const [id, stop] of this.#followed) {
      if (!stop || served.has(id)) continue;
      stop.abort(new Error(`${id} is no longer served`));
      this.#followed.delete(id);
    }
  }

  #feed(resource: Resource, informer: Source['informer']): void {
    informer.addHandlers({
      onAdd: (view) => this.#onObject(resource, view, undefined),
      onUpdate: (old, view) => {
        if (old.uid !== view.uid) this.#onGone(old);
        this.#onObject(resource, view, old);
      },
      onDelete: (view) => this.#onGone(view),
    });
  }

  #onObject(resource: Resource, view: Owned, old: Owned | undefined): void {
    this.#graph.put(resource, view);
    if (old && old.owners === view.owners && old.deleting === view.deleting && old.finalizers === view.finalizers)
      return;
    this.#absent.delete(view.uid);
    if (old && old.owners !== view.owners) this.#wakeWaiting(old.owners);
    if (isOrphaningDependents(view)) this.#queue.add(view.uid);
    if (isDeletingDependents(view)) {
      this.#queue.add(view.uid);
      for (const dependent of this.#graph.dependentsOf(view.uid)) this.#queue.add(dependent.view.uid);
    }
    const isSuspect = (owner: OwnerReference): boolean => {
      const node = this.#graph.get(owner.uid);
      return !node || isDeletingDependents(node.view);
    };
    if (view.owners.some(isSuspect)) this.#queue.add(view.uid);
  }

  #onGone(view: Owned): void {
    const dependents = this.#graph.dependentsOf(view.uid);
    this.#graph.remove(view);
    if (dependents.length > 0) this.#rememberAbsent(view.uid);
    for (const dependent of dependents) this.#queue.add(dependent.view.uid);
    this.#wakeWaiting(view.owners);
  }

  /** Owners may wait for this very object to go, or to let them. */
  #wakeWaiting(owners: readonly OwnerReference[]): void {
    for (const { uid } of owners) {
      const owner = this.#graph.get(uid);
      if (owner && isDeletingDependents(owner.view)) this.#queue.add(uid);
    }
  }

  #rememberAbsent(uid: string): void {
    this.#absent.add(uid);
    if (this.#absent.size <= MAX_ABSENT) return;
    for (const oldest of this.#absent) {
      this.#absent.delete(oldest);
      return;
    }
  }

  async #sync(uid: string): Promise<void> {
    const node = this.#graph.get(uid);
    if (!node) return;
    const { resource, view } = node;
    if (isOrphaningDependents(view)) return await this.#orphanDependents(resource, view);
    const live = await this.#read(resource, view.namespace, view.name);
    // What is another object by now, or none, is the informers' affair.
    if (live?.metadata?.uid !== uid) return;
    const item = ownedView(live, this.#interner);
    const states = new Map<string, OwnerState>();
    if (!item.deleting) {
      for (const owner of item.owners) states.set(owner.uid, await this.#ownerState(owner, item));
    }
    const plan = planCollection({
      item,
      dependents: this.#graph.dependentsOf(uid).map((dependent) => dependent.view),
      ownerState: (owner) => states.get(owner.uid) ?? 'present',
    });
    await this.#carryOut(plan, resource, live);
  }

  async #ownerState(owner: OwnerReference, dependent: Owned): Promise<OwnerState> {
    const node = this.#graph.get(owner.uid);
    if (node) {
      const isElsewhere = node.resource.namespaced && node.view.namespace !== dependent.namespace;
      if (isElsewhere) return 'absent';
      return isDeletingDependents(node.view) ? 'waiting' : 'present';
    }
    if (this.#absent.has(owner.uid)) return 'absent';
    const group = owner.apiVersion.includes('/') ? owner.apiVersion.slice(0, owner.apiVersion.indexOf('/')) : '';
    const resource = this.#resources.get(kindId(group, owner.kind));
    // A kind that is not known may come back, with its objects: nothing is deleted on a guess.
    if (!resource) return 'present';
    const live = await this.#read(resource, resource.namespaced ? dependent.namespace : '', owner.name);
    if (live?.metadata?.uid === owner.uid)
      return isDeletingDependents(ownedView(live, this.#interner)) ? 'waiting' : 'present';
    this.#rememberAbsent(owner.uid);
    return 'absent';
  }

  async #read(resource: Resource, namespace: string, name: string): Promise<KubeObject | undefined> {
    const { client, signal } = this.#context;
    try {
      return await client.get(resource, namespace, name, { signal });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #carryOut(plan: Collection, resource: Resource, live: KubeObject): Promise<void> {
    const { client, logger, signal } = this.#context;
    const { namespace = '', name = '', uid, resourceVersion } = live.metadata ?? {};
    switch (plan.type) {
      case 'keep':
        return;
      case 'collect dependents':
        for (const dependent of plan.uids) this.#queue.add(dependent);
        return;
      case 'delete': {
        const { propagationPolicy } = plan;
        logger.debug({ kind: live.kind ?? resource.kind, namespace, name, propagationPolicy }, 'deleting garbage');
        await ignoringNotFound(
          client.delete(resource, namespace, name, { uid, resourceVersion, propagationPolicy, signal }),
        );
        return;
      }
      case 'drop owners':
        await this.#dropOwners(resource, live, plan.uids);
        return;
      case 'unblock owners': {
        const ownerReferences = live.metadata?.ownerReferences?.map((owner) => ({
          ...owner,
          blockOwnerDeletion: false,
        }));
        await this.#patchMetadata(resource, live.metadata ?? {}, { ownerReferences });
        return;
      }
      case 'remove finalizer':
        await this.#removeFinalizer(resource, live, plan.finalizer);
    }
  }

  /** Lets each dependent go, then the owner. */
  async #orphanDependents(resource: Resource, owner: Owned): Promise<void> {
    await Promise.all(
      this.#graph.dependentsOf(owner.uid).map(async ({ resource: kind, view }) => {
        const live = await this.#read(kind, view.namespace, view.name);
        if (live?.metadata?.uid === view.uid) await this.#dropOwners(kind, live, [owner.uid]);
      }),
    );
    const live = await this.#read(resource, owner.namespace, owner.name);
    if (live?.metadata?.uid === owner.uid) await this.#removeFinalizer(resource, live, ORPHAN);
  }

  /** By merge patch with the version that was read: custom resources know no strategic merge. */
  async #dropOwners(resource: Resource, { metadata = {} }: KubeObject, uids: readonly string[]): Promise<void> {
    const ownerReferences = (metadata.ownerReferences ?? []).filter(({ uid }) => !uids.includes(uid));
    await this.#patchMetadata(resource, metadata, { ownerReferences });
  }

  async #removeFinalizer(resource: Resource, { metadata = {} }: KubeObject, finalizer: string): Promise<void> {
    const finalizers = (metadata.finalizers ?? []).filter((each) => each !== finalizer);
    await this.#patchMetadata(resource, metadata, { finalizers });
  }

  async #patchMetadata(
    resource: Resource,
    { namespace = '', name = '', uid, resourceVersion }: NonNullable<KubeObject['metadata']>,
    change: object,
  ): Promise<void> {
    const { client, signal } = this.#context;
    const patch = { metadata: { uid, resourceVersion, ...change } };
    await ignoringNotFound(client.patch(resource, namespace, name, patch, { signal }));
  }
}

const kindId = (group: string, kind: string): string => `${kind}.${group}`;

const isCollectable = (resource: DiscoveredResource): boolean =>
  !IGNORED.has(resourceId(resource)) && ['delete', 'list', 'watch'].every((verb) => resource.verbs.includes(verb));

async function ignoringNotFound(request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
