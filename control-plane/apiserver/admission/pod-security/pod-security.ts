import { namespaces } from '../../../../api/kinds/core/namespace.ts';
import { pods } from '../../../../api/kinds/core/pod.ts';
import type { KubeObject } from '../../../../api/machinery/kind.ts';
import { forbidden, invalidObject } from '../../../../api/machinery/status-error.ts';
import type { CronJob } from '../../../../api/types/batch/v1.gen.ts';
import type { Container, Pod, PodSpec, PodTemplateSpec } from '../../../../api/types/core/v1.gen.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../plugin.ts';
import { detailText, violationsOf } from './evaluate.ts';
import { warningsOfExistingPods } from './existing-pods.ts';
import {
  allowsAnything,
  LABEL_PREFIX,
  compareLevels,
  ignoredPolicy,
  isPrivileged,
  policyOfLabels,
  policyText,
  samePolicy,
  type LabelledPolicy,
  type LevelVersion,
  type Policy,
} from './policy.ts';

/** Upstream's `PodSecurityConfiguration`. */
export interface PodSecurityOptions {
  /** Of namespaces without labels. */
  readonly defaults: Policy;
  readonly exemptUsernames: readonly string[];
  readonly exemptRuntimeClasses: readonly string[];
  readonly exemptNamespaces: readonly string[];
}

type Api = Pick<LocalApi, 'subscribe' | 'each' | 'count'>;
type Labels = Readonly<Record<string, string>> | undefined;

/** Of a pod, what may not change a pod in a way that concerns its security. */
const IGNORED_SUBRESOURCES: ReadonlySet<string> = new Set([
  'exec',
  'attach',
  'binding',
  'eviction',
  'log',
  'portforward',
  'proxy',
  'status',
]);

type Templated = KubeObject & { readonly spec?: { readonly template?: PodTemplateSpec } };

/** The pods that an object of these kinds leads to, by group and kind; the controllers' own pods are checked when they are created. */
const TEMPLATES: ReadonlyMap<
  string,
  ReadonlyMap<string, (object: KubeObject) => PodTemplateSpec | undefined>
> = new Map([
  [
    '',
    new Map([
      ['ReplicationController', (object: KubeObject) => (object as Templated).spec?.template],
      ['PodTemplate', (object: KubeObject) => (object as { template?: PodTemplateSpec }).template],
    ]),
  ],
  [
    'apps',
    new Map(
      ['ReplicaSet', 'Deployment', 'StatefulSet', 'DaemonSet'].map((kind) => [
        kind,
        (object: KubeObject) => (object as Templated).spec?.template,
      ]),
    ),
  ],
  [
    'batch',
    new Map([
      ['Job', (object: KubeObject) => (object as Templated).spec?.template],
      ['CronJob', (object: KubeObject) => (object as CronJob).spec?.jobTemplate.spec?.template],
    ]),
  ],
]);

/**
 * Holds pods to the Pod Security Standards that the labels of their namespace name, as upstream's plugin of `k8s.io/pod-security-admission`:
 * pods that violate the enforced level are rejected; of others, and of the templates of workloads, users are warned.
 * https://kubernetes.io/docs/concepts/security/pod-security-admission/
 */
export function podSecurity(api: Api, options: PodSecurityOptions): AdmissionPlugin {
  const { defaults } = options;
  const [users, runtimeClasses, exemptNamespaces] = [
    new Set(options.exemptUsernames),
    new Set(options.exemptRuntimeClasses),
    new Set(options.exemptNamespaces),
  ];
  const ofDefaults: LabelledPolicy = { policy: defaults, errors: [] };
  /** Of the namespaces whose labels say something. */
  const policies = new Map<string, LabelledPolicy>();
  const read = (labels: Labels): LabelledPolicy =>
    Object.keys(labels ?? {}).some((key) => key.startsWith(LABEL_PREFIX))
      ? policyOfLabels(labels, defaults)
      : ofDefaults;
  api.subscribe(namespaces, ({ name, object }) => {
    const labelled = read(object?.metadata?.labels);
    if (object && labelled !== ofDefaults) policies.set(name, labelled);
    else policies.delete(name);
  });

  const exemption = ({ namespace, user }: AdmissionRequest): string | undefined => {
    if (exemptNamespaces.has(namespace)) return 'namespace';
    return users.has(user.name) ? 'user' : undefined;
  };

  const evaluate = (request: AdmissionRequest, labelled: LabelledPolicy, checked: Checked, enforces: boolean): void => {
    const { spec } = checked;
    if (runtimeClasses.has(spec.runtimeClassName ?? '')) return annotate(request, 'exempt', 'runtimeClass');
    const { policy, errors } = labelled;
    if (errors.length > 0) {
      const problems = errors.map(({ field, message }) => `${field}: ${message}`);
      const all = problems.length === 1 ? problems.join() : `[${problems.join(', ')}]`;
      annotate(request, 'error', `Failed to parse policy: ${all}`);
    }
    const violations = memoized(checked);
    if (enforces) annotate(request, 'enforce-policy', policyText(policy.enforce));
    const audited = violations(policy.audit);
    if (audited) {
      annotate(request, 'audit-violations', `would violate PodSecurity "${policyText(policy.audit)}": ${audited}`);
    }
    const enforced = enforces ? violations(policy.enforce) : '';
    if (enforced) {
      const why = `violates PodSecurity "${policyText(policy.enforce)}": ${enforced}`;
      throw forbidden(request.kind, request.name, why);
    }
    const warned = violations(policy.warn);
    if (warned) request.warn(`would violate PodSecurity "${policyText(policy.warn)}": ${warned}`);
  };

  const validatePod = (request: AdmissionRequest): void => {
    if (IGNORED_SUBRESOURCES.has(request.subresource)) return;
    const exempt = exemption(request);
    if (exempt) return annotate(request, 'exempt', exempt);
    const labelled = policies.get(request.namespace) ?? ofDefaults;
    if (labelled.errors.length === 0 && allowsAnything(labelled.policy)) {
      return annotate(request, 'enforce-policy', 'privileged:latest');
    }
    const [pod, old]: (Pod | undefined)[] = [request.object, request.old];
    if (!pod?.spec || (request.operation === 'UPDATE' && old?.spec && !isSignificant(pod.spec, old.spec))) return;
    const { metadata, spec } = pod;
    evaluate(request, labelled, { metadata, spec }, true);
  };

  const validateTemplate = (request: AdmissionRequest, template: PodTemplateSpec | undefined): void => {
    const exempt = exemption(request);
    if (exempt) return annotate(request, 'exempt', exempt);
    const labelled = policies.get(request.namespace) ?? ofDefaults;
    const { policy, errors } = labelled;
    if (errors.length === 0 && isPrivileged(policy.warn) && isPrivileged(policy.audit)) return;
    if (template?.spec) evaluate(request, labelled, { metadata: template.metadata, spec: template.spec }, false);
  };

  const warnExempt = ({ name, warn }: AdmissionRequest, labels: Labels, labelled: LabelledPolicy): void => {
    const ignored = ignoredPolicy(labels, labelled, defaults);
    if (!ignored) return;
    warn(`namespace "${name}" is exempt from Pod Security, and the policy (${ignored}) will be ignored`);
  };

  const validateNamespace = (request: AdmissionRequest): Promise<void> | undefined => {
    const { kind, name, object, old } = request;
    const { labels } = object?.metadata ?? {};
    const labelled = read(labels);
    const { policy, errors } = labelled;
    const before = old && read(old.metadata?.labels);
    if (errors.length > 0 && !(before && sameErrors(errors, before.errors))) throw invalidObject(kind, name, errors);
    if (before && !needsCheck(policy.enforce, before.policy.enforce)) return undefined;
    if (exemptNamespaces.has(name)) warnExempt(request, labels, labelled);
    else if (before) return warnOfPods(request, policy.enforce);
    return undefined;
  };

  const warnOfPods = async ({ name, warn }: AdmissionRequest, enforce: LevelVersion): Promise<void> => {
    const isExempt = ({ spec }: Pod): boolean => runtimeClasses.has(spec?.runtimeClassName ?? '');
    const existing = { pods: api.each(pods, name), count: api.count(pods, name) };
    for (const warning of await warningsOfExistingPods({ namespace: name, enforce, isExempt, ...existing })) {
      warn(warning);
    }
  };

  return {
    name: 'PodSecurity',
    validate(request) {
      const { kind, operation, subresource, object } = request;
      if (!object || (operation !== 'CREATE' && operation !== 'UPDATE')) return;
      if (kind.group === '' && kind.kind === 'Pod') return validatePod(request);
      if (subresource !== '') return;
      if (kind.group === '' && kind.kind === 'Namespace') return validateNamespace(request);
      const templateOf = TEMPLATES.get(kind.group)?.get(kind.kind);
      if (templateOf) validateTemplate(request, templateOf(object));
    },
  };
}

/** A pod, or what a template makes of one. */
interface Checked extends Pick<Pod, 'metadata'> {
  readonly spec: PodSpec;
}

const annotate = ({ origin }: AdmissionRequest, key: string, value: string): void =>
  origin?.annotate(`${LABEL_PREFIX}${key}`, value);

/** The violations of a level as text; '' when there are none. Modes often ask for the same level. */
function memoized({ metadata, spec }: Checked): (policy: LevelVersion) => string {
  const texts = new Map<string, string>();
  return (policy) => {
    const key = policyText(policy);
    let text = texts.get(key);
    if (text === undefined) {
      text = detailText(violationsOf(policy, metadata, spec));
      texts.set(key, text);
    }
    return text;
  };
}

const sameErrors = (a: LabelledPolicy['errors'], b: LabelledPolicy['errors']): boolean =>
  a.length === b.length && a.every(({ field, message }, at) => field === b[at]?.field && message === b[at].message);

/** Whether pods may violate the level that was enforced before less than the one that is from now on. */
const needsCheck = (now: LevelVersion, before: LevelVersion): boolean =>
  !samePolicy(now, before) &&
  !isPrivileged(now) &&
  !(now.minor === before.minor && compareLevels(now.level, before.level) < 0);

/** Whether an update of a pod changes what the checks see: its images, or which containers it has. */
function isSignificant(spec: PodSpec, old: PodSpec): boolean {
  const differ = (a: readonly Container[] = [], b: readonly Container[] = []): boolean =>
    a.length !== b.length || a.some(({ image }, at) => image !== b[at]?.image);
  if (differ(spec.containers, old.containers) || differ(spec.initContainers, old.initContainers)) return true;
  const images = new Map((old.ephemeralContainers ?? []).map(({ name, image }) => [name, image]));
  return (spec.ephemeralContainers ?? []).some(({ name, image }) => !images.has(name) || images.get(name) !== image);
}
