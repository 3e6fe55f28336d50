/** How the ReplicaSets of a Deployment are told apart and counted: template hash and revision annotations. */
import { isDeepStrictEqual } from 'node:util';
import { DESIRED_REPLICAS, MAX_REPLICAS, oldestFirst } from './numbers.ts';
import { setOwn } from '../../../../api/machinery/own.ts';
import { canonicalJson, safeHash } from '../template-hash.ts';
import type { Deployment, ReplicaSet } from '../../../../api/types/apps/v1.gen.ts';
import type { PodTemplateSpec } from '../../../../api/types/core/v1.gen.ts';

export const TEMPLATE_HASH_LABEL = 'pod-template-hash';
export const REVISION = 'deployment.kubernetes.io/revision';
const REVISION_HISTORY = 'deployment.kubernetes.io/revision-history';
/** Upstream keeps so many characters of the history. */
const MAX_HISTORY_LENGTH = 2000;
/** Annotations of a Deployment that say nothing about its ReplicaSets. */
const NOT_INHERITED: ReadonlySet<string> = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
  'deprecated.deployment.rollback.to',
]);

/** Names a template; `collisionCount` makes another name for the same template when the first one is taken. */
export function templateHash(template: PodTemplateSpec | undefined, collisionCount: number | undefined): string {
  return safeHash(canonicalJson(template), collisionCount);
}

/** Equal but for the hash label that the controller adds. */
export function isSameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  return isDeepStrictEqual(withoutHash(a), withoutHash(b));
}

function withoutHash(template: PodTemplateSpec | undefined): object {
  const labels = { ...template?.metadata?.labels };
  delete labels[TEMPLATE_HASH_LABEL];
  return { spec: template?.spec ?? {}, annotations: template?.metadata?.annotations ?? {}, labels };
}

/** The oldest one with the Deployment's template: where several have it, the others count as old. */
export const findNewReplicaSet = (deployment: Deployment, replicaSets: readonly ReplicaSet[]): ReplicaSet | undefined =>
  oldestFirst(replicaSets).find(({ spec }) => isSameTemplate(spec?.template, deployment.spec?.template));

/** Revisions are 64-bit integers: as a number, a large one would not be exact. */
const parseRevision = (text = ''): bigint => (/^\d+$/.test(text) ? BigInt(text) : 0n);
export const revisionOf = ({ metadata }: ReplicaSet | Deployment): bigint =>
  parseRevision(metadata?.annotations?.[REVISION]);

export const nextRevision = (oldReplicaSets: readonly ReplicaSet[]): bigint =>
  later(...oldReplicaSets.map(revisionOf)) + 1n;

export const later = (...revisions: readonly bigint[]): bigint =>
  revisions.reduce((latest, revision) => (revision > latest ? revision : latest), 0n);

/** The annotations that the new ReplicaSet is to have: the Deployment's, its revision, and the revisions it had before. */
export function newReplicaSetAnnotations(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  revision: bigint,
): Record<string, string> {
  const annotations = { ...current?.metadata?.annotations };
  for (const [key, value] of Object.entries(deployment.metadata?.annotations ?? {})) {
    if (!NOT_INHERITED.has(key)) setOwn(annotations, key, value);
  }
  const before = annotations[REVISION];
  if (parseRevision(before) >= revision) return annotations;
  annotations[REVISION] = String(revision);
  if (before !== undefined) {
    const history = [...(annotations[REVISION_HISTORY]?.split(',') ?? []), before].filter(Boolean);
    while (history.join(',').length > MAX_HISTORY_LENGTH) history.shift();
    annotations[REVISION_HISTORY] = history.join(',');
  }
  return annotations;
}
