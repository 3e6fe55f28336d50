/** The arguments of plugins: `pluginConfig` of a profile, defaulted and validated. */
import {
  validateAffinity,
  validateNodeSelector,
  validateTopologySpread,
} from '../../../api/kinds/core/affinity-validation.ts';
import {
  addErrors,
  duplicate,
  forbidden,
  invalid,
  notSupported,
  required,
  type FieldError,
} from '../../../api/machinery/field-error.ts';
import { validateQualifiedName } from '../../../api/machinery/names.ts';
import { own } from '../../../api/machinery/own.ts';
import { decoderOf, DecodeError } from '../../../api/machinery/schema-decoder.ts';
import type { Shape } from '../../../api/machinery/schema.ts';
import {
  DefaultPreemptionArgs,
  InterPodAffinityArgs,
  NodeAffinityArgs,
  NodeResourcesBalancedAllocationArgs,
  NodeResourcesFitArgs,
  PodTopologySpreadArgs,
  VolumeBindingArgs,
  type PluginConfig,
  type ResourceSpec,
  type ScoringStrategy as ScoringStrategyArgs,
  type UtilizationShapePoint,
} from '../../../api/types/kubescheduler/v1.gen.ts';
import { MAX_SHAPE_SCORE } from '../framework/shape.ts';
import type { ResourceWeight } from '../framework/resource-scores.ts';
import { defaultPluginSettings, plugins, type PluginSettings } from '../plugins/index.ts';
import { API_VERSION } from './api-version.ts';

type ConfigurablePlugin = keyof PluginSettings;
type ScoringStrategy = PluginSettings['NodeResourcesFit']['scoringStrategy'];

/** Where what is wrong is noted. */
interface Findings {
  readonly errors: FieldError[];
  /** Unknown fields, and such of another type. */
  readonly problems: string[];
}

/** Reads the arguments of one plugin, which are at `path`; undefined when something is wrong. */
type ReadArgs<S> = (given: unknown, path: string, findings: Findings) => S | undefined;

/** @param settings of valid arguments */
function argsOf<A, S>(
  schema: Shape,
  validate: (args: A, path: string) => FieldError[],
  settings: (args: A) => S,
): ReadArgs<S> {
  const decode = decoderOf<A>(schema);
  return (given, path, { errors, problems }) => {
    try {
      const decoded = decode(given);
      problems.push(...decoded.problems.map((problem) => problem.replace('"', `"${path}.`)));
      const found = validate(decoded.object, path);
      addErrors(errors, found);
      return found.length > 0 ? undefined : settings(decoded.object);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      problems.push(`${path}: ${error.message}`);
      return undefined;
    }
  };
}

const MAX_PERCENT = 100;
const MAX_WEIGHT = 100;
const DEFAULT_RESOURCES = defaultPluginSettings.NodeResourcesBalancedAllocation.resources;

function outside(value: number | undefined, least: number, most: number, path: string): FieldError[] {
  if (value === undefined || (value >= least && value <= most)) return [];
  const range = most === Infinity ? `[${least}, inf)` : `[${least}, ${most}]`;
  return [invalid(path, value, `not in valid range ${range}`)];
}

const weights = (resources: readonly ResourceSpec[] | undefined): readonly ResourceWeight[] =>
  resources?.length ? resources.map(({ name, weight }) => ({ name, weight: weight || 1 })) : DEFAULT_RESOURCES;

function validateNames(resources: readonly ResourceSpec[] | undefined, path: string): FieldError[] {
  const seen = new Set<string>();
  const errors: FieldError[] = [];
  for (const [index, { name }] of (resources ?? []).entries()) {
    if (name === '') errors.push(required(`${path}[${index}].name`));
    if (seen.has(name)) errors.push(duplicate(`${path}[${index}].name`, name));
    seen.add(name);
  }
  return errors;
}

function validateShape(shape: readonly UtilizationShapePoint[] | undefined, path: string): FieldError[] {
  if (!shape?.length) return [required(path, 'at least one point must be specified')];
  const errors: FieldError[] = [];
  for (const [index, { utilization, score }] of shape.entries()) {
    const before = shape[index - 1];
    if (before && before.utilization >= utilization)
      errors.push(invalid(`${path}[${index}].utilization`, utilization, 'values must be sorted in increasing order'));
    errors.push(...outside(utilization, 0, MAX_PERCENT, `${path}[${index}].utilization`));
    errors.push(...outside(score, 0, MAX_SHAPE_SCORE, `${path}[${index}].score`));
  }
  return errors;
}

const STRATEGIES = ['LeastAllocated', 'MostAllocated', 'RequestedToCapacityRatio'] as const;
const isStrategy = (type: string): type is ScoringStrategy['type'] => STRATEGIES.some((known) => known === type);

function validateStrategy(strategy: ScoringStrategyArgs, path: string): FieldError[] {
  const { type = '', resources, requestedToCapacityRatio } = strategy;
  const errors = isStrategy(type) ? [] : [notSupported(`${path}.type`, type, STRATEGIES)];
  errors.push(...validateNames(resources, `${path}.resources`));
  for (const [index, { weight }] of (resources ?? []).entries())
    errors.push(...outside(weight || 1, 1, MAX_WEIGHT, `${path}.resources[${index}].weight`));
  const at = `${path}.requestedToCapacityRatio`;
  if (type !== 'RequestedToCapacityRatio')
    return requestedToCapacityRatio
      ? [...errors, forbidden(at, 'must be nil when type is not RequestedToCapacityRatio')]
      : errors;
  if (!requestedToCapacityRatio)
    return [...errors, required(at, 'must be specified when type is RequestedToCapacityRatio')];
  return [...errors, ...validateShape(requestedToCapacityRatio.shape, `${at}.shape`)];
}

function strategySettings(strategy: ScoringStrategyArgs | undefined): ScoringStrategy {
  const { type = 'LeastAllocated', requestedToCapacityRatio, ...others } = strategy ?? {};
  const resources = weights(others.resources);
  if (type !== 'RequestedToCapacityRatio')
    return { type: type === 'MostAllocated' ? 'MostAllocated' : 'LeastAllocated', resources };
  return { type, resources, shape: requestedToCapacityRatio?.shape ?? [] };
}

const validateIgnored = (names: readonly string[] | undefined, path: string, isGroup: boolean): FieldError[] =>
  (names ?? []).flatMap((name, index) => {
    const problems = [
      ...(isGroup && name.includes('/') ? ["resource group name can't contain '/'"] : []),
      ...validateQualifiedName(name),
    ];
    return problems.map((problem) => invalid(`${path}[${index}]`, name, problem));
  });

const DEFAULTING = ['System', 'List'] as const;

function validateSpread({ defaultConstraints = [], defaultingType = 'System' }: PodTopologySpreadArgs, path: string) {
  const errors: FieldError[] = [];
  if (!DEFAULTING.some((known) => known === defaultingType))
    errors.push(notSupported(`${path}.defaultingType`, defaultingType, DEFAULTING));
  if (defaultingType === 'System' && defaultConstraints.length > 0)
    errors.push(invalid(`${path}.defaultingType`, defaultingType, 'must be List when there are defaultConstraints'));
  validateTopologySpread(defaultConstraints, `${path}.defaultConstraints`, errors);
  for (const [index, { labelSelector, whenUnsatisfiable }] of defaultConstraints.entries()) {
    const at = `${path}.defaultConstraints[${index}]`;
    const actions: readonly string[] = ['DoNotSchedule', 'ScheduleAnyway'];
    if (!actions.includes(whenUnsatisfiable))
      errors.push(notSupported(`${at}.whenUnsatisfiable`, whenUnsatisfiable, actions));
    if (labelSelector)
      errors.push(
        forbidden(`${at}.labelSelector`, 'must not be set: it follows from the Services and the controller of a pod'),
      );
  }
  return errors;
}

function validateAdded({ addedAffinity }: NodeAffinityArgs, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!addedAffinity) return errors;
  const at = `${path}.addedAffinity`;
  const { requiredDuringSchedulingIgnoredDuringExecution: terms, ...preferences } = addedAffinity;
  if (terms) validateNodeSelector(terms, `${at}.requiredDuringSchedulingIgnoredDuringExecution`, errors, true);
  const found: FieldError[] = [];
  validateAffinity({ nodeAffinity: preferences }, 'affinity', found, true);
  for (const { type, field, message } of found)
    errors.push({ type, field: field.replace('affinity.nodeAffinity', at), message });
  return errors;
}

function validatePreemption(args: DefaultPreemptionArgs, path: string): FieldError[] {
  const { minCandidateNodesPercentage: percentage, minCandidateNodesAbsolute: absolute } = args;
  const [atPercentage, atAbsolute] = [`${path}.minCandidateNodesPercentage`, `${path}.minCandidateNodesAbsolute`];
  const errors = [...outside(percentage, 0, MAX_PERCENT, atPercentage), ...outside(absolute, 0, Infinity, atAbsolute)];
  if (percentage === 0 && absolute === 0)
    errors.push(invalid(atPercentage, percentage, 'cannot be zero at the same time as minCandidateNodesAbsolute'));
  return errors;
}

function validateBalanced({ resources }: NodeResourcesBalancedAllocationArgs, path: string): FieldError[] {
  const errors = validateNames(resources, `${path}.resources`);
  for (const [index, { weight }] of (resources ?? []).entries())
    if ((weight || 1) !== 1) errors.push(invalid(`${path}.resources[${index}].weight`, weight, 'must be 1'));
  return errors;
}

const ARGS: { readonly [P in ConfigurablePlugin]: ReadArgs<PluginSettings[P]> } = {
  NodeAffinity: argsOf(NodeAffinityArgs, validateAdded, ({ addedAffinity }: NodeAffinityArgs) => ({
    ...(addedAffinity && { addedAffinity }),
  })),
  NodeResourcesFit: argsOf(
    NodeResourcesFitArgs,
    ({ ignoredResources, ignoredResourceGroups, scoringStrategy }: NodeResourcesFitArgs, path) => [
      ...validateIgnored(ignoredResources, `${path}.ignoredResources`, false),
      ...validateIgnored(ignoredResourceGroups, `${path}.ignoredResourceGroups`, true),
      ...(scoringStrategy ? validateStrategy(scoringStrategy, `${path}.scoringStrategy`) : []),
    ],
    ({ ignoredResources = [], ignoredResourceGroups = [], scoringStrategy }) => ({
      ignoredResources,
      ignoredResourceGroups,
      scoringStrategy: strategySettings(scoringStrategy),
    }),
  ),
  VolumeBinding: argsOf(
    VolumeBindingArgs,
    ({ bindTimeoutSeconds, shape }: VolumeBindingArgs, path) => [
      ...outside(bindTimeoutSeconds, 0, Infinity, `${path}.bindTimeoutSeconds`),
      ...(shape ? validateShape(shape, `${path}.shape`) : []),
    ],
    ({ bindTimeoutSeconds = defaultPluginSettings.VolumeBinding.bindTimeoutSeconds, shape }) => ({
      bindTimeoutSeconds,
      shape,
    }),
  ),
  PodTopologySpread: argsOf(
    PodTopologySpreadArgs,
    validateSpread,
    ({ defaultConstraints = [], defaultingType }: PodTopologySpreadArgs) => ({
      defaultConstraints,
      defaultingType: defaultingType === 'List' ? 'List' : 'System',
    }),
  ),
  InterPodAffinity: argsOf(
    InterPodAffinityArgs,
    ({ hardPodAffinityWeight }: InterPodAffinityArgs, path) =>
      outside(hardPodAffinityWeight, 0, MAX_WEIGHT, `${path}.hardPodAffinityWeight`),
    ({ hardPodAffinityWeight = 1, ignorePreferredTermsOfExistingPods = false }) => ({
      hardPodAffinityWeight,
      ignorePreferredTermsOfExistingPods,
    }),
  ),
  DefaultPreemption: argsOf(DefaultPreemptionArgs, validatePreemption, (args: DefaultPreemptionArgs) => ({
    ...defaultPluginSettings.DefaultPreemption,
    ...(args.minCandidateNodesPercentage !== undefined && {
      minCandidateNodesPercentage: args.minCandidateNodesPercentage,
    }),
    ...(args.minCandidateNodesAbsolute !== undefined && { minCandidateNodesAbsolute: args.minCandidateNodesAbsolute }),
  })),
  NodeResourcesBalancedAllocation: argsOf(
    NodeResourcesBalancedAllocationArgs,
    validateBalanced,
    ({ resources }: NodeResourcesBalancedAllocationArgs) => ({ resources: weights(resources) }),
  ),
};

const isConfigurable = (name: string): name is ConfigurablePlugin => Object.hasOwn(ARGS, name);

/** Reads `pluginConfig`, which is at `path`. Where something is wrong, the defaults are returned. */
export function pluginSettings(configured: readonly PluginConfig[], path: string, findings: Findings): PluginSettings {
  const settings: { -readonly [P in ConfigurablePlugin]: PluginSettings[P] } = { ...defaultPluginSettings };
  const seen = new Set<string>();
  const { errors } = findings;
  for (const [index, { name, args = {} }] of configured.entries()) {
    const at = `${path}[${index}]`;
    if (seen.has(name)) errors.push(duplicate(`${at}.name`, name));
    seen.add(name);
    if (isConfigurable(name)) {
      validateType(name, args, `${at}.args`, errors);
      read(name, settings, args, `${at}.args`, findings);
    } else if (!plugins.has(name)) errors.push(notSupported(`${at}.name`, name, Object.keys(ARGS)));
    else errors.push(invalid(`${at}.name`, name, 'has no arguments'));
  }
  return settings;
}

function read<P extends ConfigurablePlugin>(
  name: P,
  settings: Record<P, PluginSettings[P]>,
  args: unknown,
  path: string,
  findings: Findings,
): void {
  settings[name] = ARGS[name](args, path, findings) ?? settings[name];
}

function validateType(name: string, args: Readonly<Record<string, unknown>>, path: string, errors: FieldError[]): void {
  for (const [key, expected] of [
    ['apiVersion', API_VERSION],
    ['kind', `${name}Args`],
  ] as const) {
    const given = own(args, key);
    if (given !== undefined && given !== expected) errors.push(notSupported(`${path}.${key}`, given, [expected]));
  }
}
