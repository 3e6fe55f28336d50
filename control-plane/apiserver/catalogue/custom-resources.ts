/**
 * Serves the kinds of CustomResourceDefinitions: a controller within the api-server, as upstream's apiextensions-apiserver (naming,
 * establishing and finalizing controllers). It is level-triggered: an event of a definition only puts its name into the queue.
 */
import { createHash } from 'node:crypto';
import { hasInvalidBundle } from '../../../api/kinds/apiextensions/conversion-validation.ts';
import { approvalOf, isProtectedGroup } from '../../../api/kinds/apiextensions/definition-validation.ts';
import {
  CLEANUP_FINALIZER,
  customResourceDefinitions,
  setCondition,
} from '../../../api/kinds/apiextensions/custom-resource-definition.ts';
import { customKind } from '../../../api/kinds/apiextensions/custom-kind.ts';
import { deepEqual } from '../../../api/machinery/deep-equal.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import { isConflict, isNotFound } from '../../../api/machinery/status-error.ts';
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionVersion,
} from '../../../api/types/apiextensions/v1.gen.ts';
import type { Logger } from '../../../client/logger.ts';
import { WorkQueue } from '../../../client/work-queue.ts';
import { ConversionWebhook, type CallWebhook } from './conversion-webhook.ts';
import type { LocalApi } from './local-api.ts';
import type { CustomResourceMetrics } from './metrics.ts';
import type { Registry } from './registry.ts';

/** Resources and kinds have names of their own. */
type Named = 'resource' | 'kind';

/** Until the instances of a definition that is being deleted are looked for again: their finalizers keep them. */
const RECHECK_MS = 500;

export interface CustomResourcesOptions {
  readonly registry: Registry;
  readonly api: LocalApi;
  /** Calls the webhooks that convert between versions. */
  readonly callWebhook: CallWebhook;
  readonly metrics: CustomResourceMetrics;
  readonly logger: Logger;
  /** Aborted when the server stops. */
  readonly signal: AbortSignal;
}

interface Accepted {
  readonly group: string;
  readonly names: CustomResourceDefinitionNames;
}

/** The served kinds of a definition; the first is the one that is stored. */
interface Served {
  readonly kinds: readonly Kind[];
  /** The hash of what they were made of; undefined while they are being changed. */
  readonly made: string | undefined;
}

export class CustomResources {
  readonly #options: CustomResourcesOptions;
  readonly #served = new Map<string, Served>();
  /** The accepted names of every definition, by its own. */
  readonly #accepted = new Map<string, Accepted>();
  readonly #queue: WorkQueue;

  constructor(options: CustomResourcesOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({
      concurrency: 1,
      onError: (name, error, retryMs) => {
        if (isConflict(error) || isNotFound(error)) return;
        options.logger.warn(
          { err: error, customResourceDefinition: name, retryMs },
          'failed to sync CustomResourceDefinition, retrying',
        );
      },
    });
  }

  /** Resolves when what has been established before is served. */
  async start(): Promise<void> {
    const { api, signal } = this.#options;
    for (const definition of api.list(customResourceDefinitions))
      if (conditionOf(definition, 'Established') === 'True') await this.#serve(definition);
    api.subscribe(customResourceDefinitions, ({ name, object }) => {
      this.#queue.add(name);
      const names = object?.status?.acceptedNames;
      if (object && names?.plural) this.#accepted.set(name, { group: object.spec.group, names });
      if (object) return;
      const freed = this.#accepted.get(name);
      this.#accepted.delete(name);
      // Names that it no longer has are free for others of its group.
      for (const other of api.list(customResourceDefinitions))
        if (other.spec.group === freed?.group) this.#queue.add(nameOf(other));
    });
    void this.#queue.run((name) => this.#sync(name), signal);
  }

  async #sync(name: string): Promise<void> {
    const { api } = this.#options;
    const definition = api.get(customResourceDefinitions, '', name);
    if (!definition) return this.#remove(name);
    if (definition.metadata?.deletionTimestamp) return this.#finalize(definition);
    const before = structuredClone(definition.status);
    this.#accept(definition);
    const isEstablished =
      conditionOf(definition, 'Established') === 'True' ||
      (conditionOf(definition, 'NamesAccepted') === 'True' && !hasInvalidBundle(definition));
    // Served first: who sees the condition may use it.
    if (isEstablished) await this.#serve(definition);
    this.#establish(definition, isEstablished);
    if (!deepEqual(before, definition.status)) await api.updateStatus(customResourceDefinitions, definition);
  }

  /** Accepts the names that no other definition of the group has. Sets `NamesAccepted`. */
  #accept(definition: CustomResourceDefinition): void {
    const { group, names } = definition.spec;
    const taken = this.#takenNames(group, nameOf(definition));
    const status = (definition.status ??= {});
    const accepted: CustomResourceDefinitionNames = {
      ...status.acceptedNames,
      kind: status.acceptedNames?.kind ?? '',
      plural: status.acceptedNames?.plural ?? '',
    };
    const problems: { reason: string; message: string }[] = [];
    const take = (reason: string, what: Named, name: string | undefined, accept: () => void): void => {
      if (name && taken.has(`${what} ${name}`))
        problems.push({ reason, message: `${JSON.stringify(name)} is already in use` });
      else accept();
    };
    take('PluralConflict', 'resource', names.plural, () => (accepted.plural = names.plural));
    take('SingularConflict', 'resource', names.singular, () => (accepted.singular = names.singular));
    const short = (names.shortNames ?? []).find((name) => taken.has(`resource ${name}`));
    take('ShortNamesConflict', 'resource', short, () => (accepted.shortNames = names.shortNames));
    take('KindConflict', 'kind', names.kind, () => (accepted.kind = names.kind));
    take('ListKindConflict', 'kind', names.listKind, () => (accepted.listKind = names.listKind));
    accepted.categories = names.categories;
    status.acceptedNames = Object.fromEntries(
      Object.entries(accepted).filter(([, value]) => value !== undefined),
    ) as unknown as CustomResourceDefinitionNames;
    const [problem] = problems.slice(-1);
    const condition = problem
      ? { status: 'False', ...problem }
      : { status: 'True', reason: 'NoConflicts', message: 'no conflicts found' };
    setCondition(definition, { type: 'NamesAccepted', ...condition }, Date.now());
  }

  /** The names of a group that others than this definition have, after what they name. */
  #takenNames(group: string, except: string): ReadonlySet<string> {
    const taken = new Set<string>();
    const add = (names: CustomResourceDefinitionNames): void => {
      for (const name of resourceNames(names)) taken.add(`resource ${name}`);
      for (const name of kindNames(names)) taken.add(`kind ${name}`);
    };
    for (const [name, other] of this.#accepted) if (other.group === group && name !== except) add(other.names);
    for (const { kind } of this.#options.registry.kinds.resources)
      if (kind.group === group && !kind.custom) add({ ...kind, shortNames: [...kind.shortNames], categories: [] });
    return taken;
  }

  #establish(definition: CustomResourceDefinition, isEstablished: boolean): void {
    const now = Date.now();
    const established = isEstablished
      ? { status: 'True', reason: 'InitialNamesAccepted', message: 'the initial names have been accepted' }
      : conditionOf(definition, 'NamesAccepted') === 'True'
        ? { status: 'False', reason: 'InvalidCABundle', message: 'The conversion webhook CABundle is invalid' }
        : { status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' };
    // An established definition keeps the reason for which it once was.
    if (!isEstablished || conditionOf(definition, 'Established') !== 'True')
      setCondition(definition, { type: 'Established', ...established }, now);
    if (!isProtectedGroup(definition.spec.group)) return;
    const conforms =
      approvalOf(definition) === 'approved'
        ? {
            status: 'True',
            reason: 'ApprovedAnnotation',
            message: `approved in ${definition.metadata?.annotations?.['api-approved.kubernetes.io'] ?? ''}`,
          }
        : { status: 'False', reason: 'UnapprovedAnnotation', message: 'not approved' };
    setCondition(definition, { type: 'KubernetesAPIApprovalPolicyConformant', ...conforms }, now);
  }

  /** Serves the kinds of a definition in the form that it has now. */
  async #serve(definition: CustomResourceDefinition): Promise<void> {
    const { registry } = this.#options;
    const name = nameOf(definition);
    const isTerminating = definition.metadata?.deletionTimestamp !== undefined;
    const { spec } = definition;
    const parts = [spec, definition.status?.acceptedNames, isTerminating];
    const made = createHash('sha256').update(JSON.stringify(parts)).digest('hex');
    const before = this.#served.get(name);
    if (before?.made === made) return;
    const [first, ...others] = servedVersions(definition);
    if (!first) return this.#remove(name);
    const isByWebhook = spec.conversion?.strategy === 'Webhook';
    const { callWebhook, metrics } = this.#options;
    const convert = isByWebhook ? new ConversionWebhook(definition, callWebhook, metrics).convert : undefined;
    const stored = customKind(definition, first, undefined, isTerminating, convert, metrics);
    const [previous, ...shared] = before?.kinds ?? [];
    // Those that share the cache go first and come last.
    for (const kind of shared) registry.remove(kind);
    if (previous?.version === stored.version && registry.kinds.of(previous)) {
      await registry.replace(stored);
    } else {
      if (previous && registry.kinds.of(previous)) registry.remove(previous);
      await registry.add(stored);
    }
    this.#served.set(name, { kinds: [stored], made: undefined });
    const kinds = [stored];
    for (const version of others) {
      const kind = customKind(definition, version, stored, isTerminating, convert, metrics);
      await registry.add(kind);
      kinds.push(kind);
      this.#served.set(name, { kinds: [...kinds], made: undefined });
    }
    this.#served.set(name, { kinds, made });
  }

  #remove(name: string): void {
    const { registry } = this.#options;
    const { kinds = [] } = this.#served.get(name) ?? {};
    for (const kind of kinds.toReversed()) registry.remove(kind);
    this.#served.delete(name);
  }

  /** Deletes the instances, and then lets the definition go. Upstream's finalizing controller. */
  async #finalize(definition: CustomResourceDefinition): Promise<void> {
    const { api, registry } = this.#options;
    const { finalizers = [] } = definition.metadata ?? {};
    if (!finalizers.includes(CLEANUP_FINALIZER)) return;
    const name = nameOf(definition);
    // Nothing is created any more while instances are being deleted.
    if (this.#served.has(name) || conditionOf(definition, 'Established') === 'True') await this.#serve(definition);
    const [stored] = this.#served.get(name)?.kinds ?? [];
    if (stored) {
      const { cache } = registry.of(stored);
      for (const entry of [...cache.entries('')]) {
        try {
          await api.delete(stored, entry.namespace, entry.name);
        } catch (error) {
          if (!isNotFound(error) && !isConflict(error)) throw error;
        }
      }
      if (cache.size > 0) {
        await this.#tellTerminating(definition, 'InstanceDeletionInProgress', 'CustomResource deletion is in progress');
        this.#queue.addAfter(name, RECHECK_MS);
        return;
      }
    }
    setCondition(
      definition,
      { type: 'Terminating', status: 'False', reason: 'InstanceDeletionCompleted', message: 'removed all instances' },
      Date.now(),
    );
    const left = finalizers.filter((finalizer) => finalizer !== CLEANUP_FINALIZER);
    await api.update(customResourceDefinitions, {
      ...definition,
      metadata: { ...definition.metadata, finalizers: left },
    });
  }

  async #tellTerminating(definition: CustomResourceDefinition, reason: string, message: string): Promise<void> {
    const before = structuredClone(definition.status);
    setCondition(definition, { type: 'Terminating', status: 'True', reason, message }, Date.now());
    if (!deepEqual(before, definition.status))
      await this.#options.api.updateStatus(customResourceDefinitions, definition);
  }
}

const nameOf = ({ metadata }: CustomResourceDefinition): string => metadata?.name ?? '';

const conditionOf = ({ status }: CustomResourceDefinition, type: string): string | undefined =>
  status?.conditions?.find((condition) => condition.type === type)?.status;

const resourceNames = ({ plural, singular, shortNames = [] }: CustomResourceDefinitionNames): string[] => [
  plural,
  ...(singular ? [singular] : []),
  ...shortNames,
];

const kindNames = ({ kind, listKind }: CustomResourceDefinitionNames): string[] => [
  kind,
  ...(listKind ? [listKind] : []),
];

/** The served versions; the first is the one that is stored, or else stands for it. */
function servedVersions({ spec }: CustomResourceDefinition): CustomResourceDefinitionVersion[] {
  const served = spec.versions.filter((version) => version.served);
  return [...served.filter(({ storage }) => storage), ...served.filter(({ storage }) => !storage)];
}
