/** What a control of the Pod Security Standards is made of, and the words that several of them share. */
import type { Container, EphemeralContainer, PodSpec, SecurityContext } from '../../../../api/types/core/v1.gen.ts';

/** A pod as the checks see it. */
export interface CheckedPod {
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: PodSpec;
  /** Init containers, containers and ephemeral containers, in this order. */
  readonly containers: readonly (Container | EphemeralContainer)[];
}

export interface Violation {
  /** A few words: `host namespaces`. */
  readonly reason: string;
  /** Which container and which values: `container "c" must not set ...`. */
  readonly detail: string;
}

export type CheckPod = (pod: CheckedPod) => Violation | undefined;

export interface CheckVersion {
  /** The minor of the first `v1.MINOR` that it holds for; it holds until the next one of the check. */
  readonly since: number;
  readonly check: CheckPod;
  /** Of a restricted check: the baseline checks that it takes the place of. */
  readonly overrides?: readonly string[];
}

/** A control of the Pod Security Standards: https://kubernetes.io/docs/concepts/security/pod-security-standards/ */
export interface Check {
  readonly id: string;
  readonly level: 'baseline' | 'restricted';
  /** In ascending order. */
  readonly versions: readonly CheckVersion[];
}

export const checkedPod = (annotations: Readonly<Record<string, string>> | undefined, spec: PodSpec): CheckedPod => ({
  annotations: annotations ?? {},
  spec,
  containers: [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])],
});

export const plural = (word: string, count: number): string => (count === 1 ? word : `${word}s`);

/** `"a", "b"` */
export const quoted = (items: Iterable<string>): string => `"${[...items].join('", "')}"`;
export const sorted = (items: Iterable<string>): string[] => [...new Set(items)].sort();

/** `container "c"`, `containers "a", "b"` */
export const containersNamed = (names: readonly string[]): string =>
  `${plural('container', names.length)} ${quoted(names)}`;

/** The names of the containers that the predicate holds for. */
export const containersWhere = ({ containers }: CheckedPod, isBad: (context: SecurityContext) => boolean): string[] =>
  containers.filter(({ securityContext }) => isBad(securityContext ?? {})).map(({ name }) => name);

/** `pod and containers "a", "b"`; '' when neither the pod nor a container is bad. */
export const setters = (isPodBad: boolean, badContainers: readonly string[]): string =>
  [...(isPodBad ? ['pod'] : []), ...(badContainers.length > 0 ? [containersNamed(badContainers)] : [])].join(' and ');

/** A pod in a user namespace: some controls do not hold for it. */
export const hasUserNamespace = ({ spec }: CheckedPod): boolean => spec.hostUsers === false;

export const exceptInUserNamespaces =
  (check: CheckPod): CheckPod =>
  (pod) =>
    hasUserNamespace(pod) ? undefined : check(pod);

/** Validation rejects pods for Windows that set what these controls require. */
export const exceptForWindows =
  (check: CheckPod): CheckPod =>
  (pod) =>
    pod.spec.os?.name === 'windows' ? undefined : check(pod);
