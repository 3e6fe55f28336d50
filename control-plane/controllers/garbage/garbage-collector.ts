/**
 * The garbage collector: deletes objects whose owners are gone, as their references and the deletion's propagation policy say.
 * Upstream: pkg/controller/garbagecollector.
 * https://kubernetes.io/docs/concepts/architecture/garbage-collection/
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ORPHAN_FINALIZER } from '../../../api/machinery/finalizers.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import type { EventRecorder } from '../../../client/event-recorder.ts';
import { Informer, type InformerHandlers } from '../../../client/informer.ts';
import { DeadlineError, withDeadline } from '../../../client/deadline.ts';
import { Outage } from '../../../client/outage.ts';
import type { Resource } from '../../../client/resource.ts';
import type { Controller, ControllerContext, ControllerDescriptor, ControllerRun } from '../framework/controller.ts';
import { Interner } from '../framework/interner.ts';
import { groupOf, ownedView, type Owned } from '../framework/owner-references.ts';
import { RunningInformers } from '../framework/running-informers.ts';
import { watch, type Watch } from '../framework/watch.ts';
import { planCollection, type Collection, type OwnerState } from './collection-plan.ts';
import { discoverResources, resourceId, type DiscoveredResource } from '../framework/discovery.ts';
import { MetadataClient } from './metadata-client.ts';
import { ObjectGraph, isDeletingDependents, isOrphaningDependents, type GraphNode } from './object-graph.ts';
import type { OwnerReference } from '../../../api/types/meta/v1.gen.ts';
import { identityOf, invalidNamespace, isOwner, referenceOf } from './owner-identity.ts';

/** How often the served resources are discovered. */
const DISCOVERY_PERIOD_MS = 60_000;
/** While discovery fails, for some groups or all. */
const DISCOVERY_RETRY_MS = 5_000;
/** How long the first sync of all kinds is waited for: upstream's initialSyncTimeout. */
const INITIAL_SYNC_MS = 30_000;
/** How many uids are remembered of owners that do not exist; upstream's size. */
const MAX_ABSENT = 500;
/** Events neither own nor are owned; upstream leaves them out as well. */
const IGNORED: ReadonlySet<string> = new Set(['events.', 'events.events.k8s.io']);

export const garbageCollector: ControllerDescriptor = {
  name: 'garbage-collector-controller',
  workers: 20,
  create: (context) => new GarbageCollector(context),
};

/** Follows every kind: those that other controllers follow through their caches, the rest by metadata alone. */
class GarbageCollector implements Controller {
  readonly #context: ControllerContext;
  readonly #events: EventRecorder;
  readonly #graph = new ObjectGraph();
  readonly #interner = new Interner();
  readonly #absent = new Set<string>();
  /** The resources that other controllers' caches hold. */
  readonly #shared = new Set<string>();
  /**
   * Resolved when everything that was served at the start is in the graph: until then an owner seems to have no dependents, and
   * would be released before they are deleted or orphaned.
   */
  readonly #started = Promise.withResolvers<void>();
  #resources = new Map<string, DiscoveredResource>();
  /** Uids of objects with an owner of a kind that is not served: they are looked at again when it is. */
  #unresolved = new Set<string>();

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#events = context.recorder('garbage-collector-controller');
  }

  watches(): Watch[] {
    return this.#context.ownedSources().map((source) => {
      this.#shared.add(resourceId(source.resource));
      return source.watch(this.#handlersOf(source.resource));
    });
  }

  async background(run: ControllerRun): Promise<void> {
    const informers = new RunningInformers<Informer<KubeObject, Owned>>(run.signal);
    await Promise.all([informers.stopped(), this.#followServed(run, informers)]);
  }

  /** Keeps an informer for each kind that is served, as kinds come and go. */
  async #followServed(run: ControllerRun, informers: RunningInformers<Informer<KubeObject, Owned>>): Promise<void> {
    const { client, logger } = this.#context;
    const { signal } = run;
    const outage = new Outage({ logger });
    let isFirst = true;
    while (!signal.aborted) {
      let wait = DISCOVERY_PERIOD_MS;
      try {
        const { resources, failed } = await discoverResources(client, signal);
        if (failed.length > 0) wait = DISCOVERY_RETRY_MS;
        outage.ended({}, 'resource discovery recovered');
        for (const resource of resources) {
          const id = resourceId(resource);
          if (informers.has(id) || this.#shared.has(id) || !isCollectable(resource)) continue;
          const informer = this.#newInformer(resource);
          run.watch(watch(informer, this.#handlersOf(resource)));
          informers.start(id, informer);
        }
        if (failed.length === 0) informers.stopAllBut(new Set(resources.map(resourceId)));
        this.#setResources(resources);
        if (isFirst) await this.#waitForSync(informers, signal);
        isFirst = false;
      } catch (error) {
        if (signal.aborted) break;
        wait = DISCOVERY_RETRY_MS;
        outage.failed(error, {}, 'failed to discover resources');
      }
      await delay(wait, undefined, { signal }).catch(() => undefined);
    }
    this.#started.resolve();
  }

  #newInformer(resource: DiscoveredResource): Informer<KubeObject, Owned> {
    const { client, logger } = this.#context;
    const select = (object: KubeObject): Owned => ownedView(object, this.#interner);
    return new Informer({ client, logger, resource, metadataOnly: true, select });
  }

  #setResources(resources: readonly DiscoveredResource[]): void {
    const before = this.#resources;
    this.#resources = new Map(resources.map((resource) => [kindId(resource.group, resource.kind), resource]));
    if ([...this.#resources.keys()].every((kind) => before.has(kind))) return;
    for (const uid of this.#unresolved) this.#context.queue.add(uid);
    this.#unresolved = new Set();
  }

  /** A kind that cannot be listed must not keep the others from being collected. */
  async #waitForSync(informers: RunningInformers<Informer<KubeObject, Owned>>, signal: AbortSignal): Promise<void> {
    const deadline = { what: 'sync of the garbage collector', limitMs: INITIAL_SYNC_MS, signal };
    try {
      await withDeadline(deadline, () => Promise.all(informers.all().map((informer) => informer.hasSynced())));
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
      const missing = informers.ids().filter((id) => !informers.get(id)?.isSynced);
      this.#context.logger.warn(
        { err: error, missing },
        'not all kinds could be listed, collecting garbage all the same',
      );
    }
    this.#started.resolve();
  }

  #handlersOf(resource: Resource): InformerHandlers<Owned> {
    return {
      onAdd: (view) => this.#onObject(resource, view, undefined),
      onUpdate: (old, view) => {
        if (old.uid !== view.uid) this.#onGone(old);
        this.#onObject(resource, view, old);
      },
      onDelete: (view) => this.#onGone(view),
    };
  }

  #onObject(resource: Resource, view: Owned, old: Owned | undefined): void {
    this.#graph.put(resource, view);
    if (old && old.owners === view.owners && old.deleting === view.deleting && old.finalizers === view.finalizers)
      return;
    this.#absent.delete(view.uid);
    if (!old) this.#wakeMistaken(view.uid);
    if (old && old.owners !== view.owners) this.#wakeWaiting(old.owners);
    if (isOrphaningDependents(view)) this.#context.queue.add(view.uid);
    if (isDeletingDependents(view)) {
      this.#context.queue.add(view.uid);
      for (const dependent of this.#graph.dependentsOf(view.uid)) this.#context.queue.add(dependent.view.uid);
    }
    const isSuspect = (owner: OwnerReference): boolean => {
      const node = this.#graph.get(owner.uid);
      return !node || isDeletingDependents(node.view) || !isOwner(node, owner, view);
    };
    if (view.owners.some(isSuspect)) this.#context.queue.add(view.uid);
  }

  /** Dependents that came before the object and take it for another one. */
  #wakeMistaken(uid: string): void {
    const node = this.#graph.hasDependents(uid) ? this.#graph.get(uid) : undefined;
    if (!node) return;
    for (const { view } of this.#graph.dependentsOf(uid)) {
      const isMistaken = view.owners.some((owner) => owner.uid === uid && !isOwner(node, owner, view));
      if (isMistaken) this.#context.queue.add(view.uid);
    }
  }

  #onGone(view: Owned): void {
    const dependents = this.#graph.dependentsOf(view.uid);
    this.#graph.remove(view);
    this.#unresolved.delete(view.uid);
    if (dependents.length > 0) this.#rememberAbsent(view.uid);
    for (const dependent of dependents) this.#context.queue.add(dependent.view.uid);
    this.#wakeWaiting(view.owners);
  }

  /** Owners may wait for this very object to go, or to let them. */
  #wakeWaiting(owners: readonly OwnerReference[]): void {
    for (const { uid } of owners) {
      const owner = this.#graph.get(uid);
      if (owner && isDeletingDependents(owner.view)) this.#context.queue.add(uid);
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

  async reconcile(uid: string, signal: AbortSignal): Promise<undefined> {
    await this.#started.promise;
    signal.throwIfAborted();
    const node = this.#graph.get(uid);
    if (!node) return;
    const { resource, view } = node;
    const api = new MetadataClient(this.#context.client, signal);
    if (isOrphaningDependents(view)) return await this.#orphanDependents(resource, view, api);
    const live = await api.read(resource, view.namespace, view.name);
    // Gone, or another object by now: an event tells of that.
    if (live?.metadata?.uid !== uid) return;
    const item = ownedView(live, this.#interner);
    const states = new Map<OwnerReference, OwnerState>();
    if (!item.deleting) {
      for (const owner of item.owners) states.set(owner, await this.#ownerState(owner, item, api));
    }
    const plan = planCollection({
      item,
      dependents: this.#graph.dependentsOf(uid).map((dependent) => dependent.view),
      ownerState: (owner) => states.get(owner) ?? 'present',
    });
    await this.#carryOut(plan, resource, live, api);
  }

  async #ownerState(owner: OwnerReference, dependent: Owned, api: MetadataClient): Promise<OwnerState> {
    const node = this.#graph.get(owner.uid);
    if (node && isOwner(node, owner, dependent)) return isDeletingDependents(node.view) ? 'waiting' : 'present';
    if (node) this.#reportMistake(node, owner, dependent);
    // The namespace of the owner cannot be known.
    if (dependent.namespace === '' && this.#isNamespaced(owner)) return 'present';
    const identity = identityOf(owner, dependent.namespace);
    if (this.#absent.has(owner.uid) || this.#absent.has(identity)) return 'absent';
    const resource = this.#resources.get(kindId(groupOf(owner.apiVersion), owner.kind));
    // A kind that is not known may come back, with its objects: nothing is deleted on a guess.
    if (!resource) {
      if (this.#graph.get(dependent.uid)) this.#unresolved.add(dependent.uid);
      return 'present';
    }
    const live = await api.read(resource, resource.namespaced ? dependent.namespace : '', owner.name);
    if (live?.metadata?.uid === owner.uid)
      return isDeletingDependents(ownedView(live, this.#interner)) ? 'waiting' : 'present';
    // Another reference may give the same uid, and name the object as it is.
    this.#rememberAbsent(identity);
    return 'absent';
  }

  #isNamespaced({ apiVersion, kind }: OwnerReference): boolean {
    return this.#resources.get(kindId(groupOf(apiVersion), kind))?.namespaced === true;
  }

  #reportMistake(node: GraphNode, owner: OwnerReference, { uid }: Owned): void {
    const dependent = this.#graph.get(uid);
    const message = dependent && invalidNamespace(node, owner, dependent.view);
    if (!message) return;
    this.#events.event(referenceOf(dependent), 'Warning', 'OwnerRefInvalidNamespace', message);
  }

  async #carryOut(plan: Collection, resource: Resource, live: KubeObject, api: MetadataClient): Promise<void> {
    switch (plan.type) {
      case 'keep':
        return;
      case 'collect dependents':
        for (const dependent of plan.uids) this.#context.queue.add(dependent);
        return;
      case 'delete': {
        const { namespace, name } = live.metadata ?? {};
        const { propagationPolicy } = plan;
        const about = { kind: live.kind ?? resource.kind, namespace, name, propagationPolicy };
        this.#context.logger.debug(about, 'deleting garbage');
        return await api.delete(resource, live, propagationPolicy);
      }
      case 'drop owners':
        return await api.removeOwners(resource, live, plan.uids);
      case 'unblock owners':
        return await api.unblockOwners(resource, live);
      case 'remove finalizer':
        return await api.removeFinalizer(resource, live, plan.finalizer);
    }
  }

  /** Orphans each dependent, then lets the owner go. */
  async #orphanDependents(resource: Resource, owner: Owned, api: MetadataClient): Promise<undefined> {
    await Promise.all(
      this.#graph.dependentsOf(owner.uid).map(async ({ resource: kind, view }) => {
        const live = await api.read(kind, view.namespace, view.name);
        if (live?.metadata?.uid === view.uid) await api.removeOwners(kind, live, [owner.uid]);
      }),
    );
    const live = await api.read(resource, owner.namespace, owner.name);
    if (live?.metadata?.uid === owner.uid) await api.removeFinalizer(resource, live, ORPHAN_FINALIZER);
  }
}

const kindId = (group: string, kind: string): string => `${kind}.${group}`;

const isCollectable = (resource: DiscoveredResource): boolean =>
  !IGNORED.has(resourceId(resource)) && ['delete', 'list', 'watch'].every((verb) => resource.verbs.includes(verb));
