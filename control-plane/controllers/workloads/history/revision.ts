/**
 * ControllerRevisions: the pod templates that a workload has had, as patches that bring one back, which is what `kubectl rollout
 * undo` applies. Upstream: pkg/controller/history.
 */
import { applyPodTemplateDefaults } from '../../../../api/kinds/core/pod-defaults.ts';
import { compareText } from '../../../../api/machinery/compare-text.ts';
import { deepEqual } from '../../../../api/machinery/deep-equal.ts';
import type { KubeObject } from '../../../../api/machinery/kind.ts';
import { isJsonObject, own } from '../../../../api/machinery/own.ts';
import type { Resource } from '../../../../client/resource.ts';
import { controllerReference } from '../../framework/owner-references.ts';
import { canonicalJson, safeHash } from '../template-hash.ts';
import type { ControllerRevision } from '../../../../api/types/apps/v1.gen.ts';
import type { PodTemplateSpec } from '../../../../api/types/core/v1.gen.ts';
import type { LabelSelector } from '../../../../api/types/meta/v1.gen.ts';

/** On pods: the revision that they are of. */
export const REVISION_LABEL = 'controller-revision-hash';
/** What is left of a longer name of a workload in the name of its revisions. */
const MAX_PREFIX = 223;

/** A workload that keeps its history in ControllerRevisions. */
export interface Revisioned extends KubeObject {
  readonly spec?: {
    readonly selector: LabelSelector;
    readonly template: PodTemplateSpec;
    readonly revisionHistoryLimit?: number;
  };
  status?: { readonly collisionCount?: number };
}

/** Oldest first. */
export const sortedRevisions = (revisions: readonly ControllerRevision[]): ControllerRevision[] =>
  [...revisions].sort(
    (a, b) =>
      a.revision - b.revision ||
      compareText(a.metadata?.creationTimestamp ?? '', b.metadata?.creationTimestamp ?? '') ||
      compareText(a.metadata?.name ?? '', b.metadata?.name ?? ''),
  );

/**
 * The revision of the workload's template. Its data is spelled as upstream spells it, with sorted keys: kubectl compares the bytes
 * to tell whether there is anything to roll back.
 */
export function newRevision(
  ownerResource: Resource,
  owner: Revisioned,
  { revision, hashLabel }: { readonly revision: number; readonly hashLabel: string },
): ControllerRevision {
  const { namespace, name = '', annotations } = owner.metadata ?? {};
  const { template = {} } = owner.spec ?? {};
  const text = canonicalJson({ spec: { template: { ...template, $patch: 'replace' } } });
  // A status that says 0 is the same as none.
  const hash = safeHash(text, owner.status?.collisionCount || undefined);
  return {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      namespace,
      name: `${name.slice(0, MAX_PREFIX)}-${hash}`,
      labels: { ...template.metadata?.labels, [hashLabel]: hash },
      annotations,
      ownerReferences: [controllerReference(ownerResource, owner)],
    },
    data: JSON.parse(text) as Record<string, unknown>,
    revision,
  };
}

/** The template that the revision brings back. Undefined when its data, which anyone with the right may write, is none. */
export function templateOf({ data }: ControllerRevision): PodTemplateSpec | undefined {
  const spec = isJsonObject(data) ? own(data, 'spec') : undefined;
  const template = isJsonObject(spec) ? own(spec, 'template') : undefined;
  if (!isJsonObject(template) || !isJsonObject(own(template, 'spec'))) return undefined;
  const rest = { ...template };
  delete rest['$patch'];
  return rest;
}

/** With the defaults of today: a revision may be older than some of them. */
function defaulted(template: PodTemplateSpec): PodTemplateSpec {
  const copy = structuredClone(template);
  applyPodTemplateDefaults(copy);
  return copy;
}

/** Those that bring back the template, oldest first: a newer default is no other template. */
export function revisionsOf(
  template: PodTemplateSpec | undefined,
  revisions: readonly ControllerRevision[],
): ControllerRevision[] {
  const exact = revisions.filter((revision) => deepEqual(templateOf(revision), template));
  if (exact.length > 0) return exact;
  return revisions.filter((revision) => {
    const kept = templateOf(revision);
    return kept && template && deepEqual(defaulted(kept), defaulted(template));
  });
}

/** What has to be done so that the newest revision is that of the workload's template. */
export type RevisionPlan =
  | { readonly type: 'keep'; readonly revision: ControllerRevision }
  /** An earlier template is back: its revision becomes the newest. */
  | { readonly type: 'raise'; readonly revision: ControllerRevision; readonly to: number }
  | { readonly type: 'create'; readonly number: number };

/** `revisions` are sorted. */
export function planRevision(owner: Revisioned, revisions: readonly ControllerRevision[]): RevisionPlan {
  const last = revisions.at(-1);
  const number = (last?.revision ?? 0) + 1;
  const revision = revisionsOf(owner.spec?.template, revisions).at(-1);
  if (!revision) return { type: 'create', number };
  return revision === last ? { type: 'keep', revision } : { type: 'raise', revision, to: number };
}

/** The oldest of those that are kept beyond the limit. A negative limit is none. */
export const surplusRevisions = (kept: readonly ControllerRevision[], limit = 10): readonly ControllerRevision[] =>
  limit < 0 ? [] : sortedRevisions(kept).slice(0, Math.max(0, kept.length - limit));
