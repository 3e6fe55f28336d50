/**
 * The scheduler's configuration file, upstream's KubeSchedulerConfiguration. The settings that are made of it are plain data, so that
 * they can be passed to the scheduler's thread; `profiles.ts` makes plugins of them.
 */
import { duplicate, invalid, required, type FieldError } from '../../../api/machinery/field-error.ts';
import { decoderOf, DecodeError } from '../../../api/machinery/schema-decoder.ts';
import {
  KubeSchedulerConfiguration,
  type Extender,
  type KubeSchedulerProfile,
} from '../../../api/types/kubescheduler/v1.gen.ts';
import { parseConfiguration, throwProblems } from '../../../daemon/configuration-file.ts';
import { SettingValueError } from '../../../daemon/setting-rules.ts';
import { DEFAULT_SCHEDULER_NAME } from '../framework/profile.ts';
import type { PluginSettings } from '../plugins/index.ts';
import { API_VERSION, KIND } from './api-version.ts';
import { validateExtenders } from './extenders.ts';
import { pluginSettings } from './plugin-args.ts';
import { enabledPlugins, validatePluginSets, type EnabledPlugins } from './plugin-sets.ts';

export interface ProfileSettings {
  readonly schedulerName: string;
  /** 0: as the number of nodes suggests. */
  readonly percentageOfNodesToScore: number;
  readonly enabled: EnabledPlugins;
  readonly plugins: PluginSettings;
}

export interface SchedulerSettings {
  /** One at least, each with a name of its own. */
  readonly profiles: readonly ProfileSettings[];
  readonly podInitialBackoffSeconds: number;
  readonly podMaxBackoffSeconds: number;
  readonly extenders: readonly Extender[];
  /** Fields of the file that have no effect here. */
  readonly withoutEffect: readonly string[];
}

const MAX_PERCENT = 100;
/** Each costs a list of its plugins with every event of the cluster. */
const MAX_PROFILES = 64;
const LEASES = 'leases';

const WITHOUT_EFFECT = [
  'parallelism',
  'leaderElection',
  'clientConnection',
  'enableProfiling',
  'enableContentionProfiling',
  'delayCacheUntilActive',
] as const;

const decode = decoderOf<KubeSchedulerConfiguration>(KubeSchedulerConfiguration);

/**
 * Parses, defaults and validates a configuration in YAML or JSON. Throws SettingValueError, whose message names the fields that are wrong.
 */
export function readSchedulerConfiguration(text: string): SchedulerSettings {
  const { value, problems } = parseConfiguration(text, KIND);
  const { apiVersion, kind } = value;
  if (apiVersion !== API_VERSION || kind !== KIND)
    throw new SettingValueError(
      `it must have apiVersion ${API_VERSION} and kind ${KIND}, not ${JSON.stringify(apiVersion)} and ${JSON.stringify(kind)}`,
    );
  try {
    const decoded = decode(value);
    return settingsOf(decoded.object, [...problems, ...decoded.problems]);
  } catch (error) {
    throw error instanceof DecodeError ? new SettingValueError(error.message, { cause: error }) : error;
  }
}

/** What a scheduler without a configuration file has. */
export const defaultSchedulerSettings = (): SchedulerSettings => settingsOf({}, []);

function settingsOf(configuration: KubeSchedulerConfiguration, unknown: readonly string[]): SchedulerSettings {
  const errors = validate(configuration);
  const problems = [...unknown];
  const profiles = profilesOf(configuration).map((profile, index) =>
    profileSettings(profile, configuration, `profiles[${index}]`, errors, problems),
  );
  throwProblems([...problems, ...errors.map(({ field, message }) => `${field}: ${message}`)]);
  const { podInitialBackoffSeconds = 1, podMaxBackoffSeconds = 10, extenders = [] } = configuration;
  return {
    profiles,
    podInitialBackoffSeconds,
    podMaxBackoffSeconds,
    extenders,
    withoutEffect: WITHOUT_EFFECT.filter((field) => configuration[field] !== undefined),
  };
}

/** As upstream: only a profile that is alone has a name by default. */
function profilesOf({ profiles = [] }: KubeSchedulerConfiguration): readonly KubeSchedulerProfile[] {
  const [only = {}] = profiles;
  return profiles.length > 1 ? profiles : [{ ...only, schedulerName: only.schedulerName ?? DEFAULT_SCHEDULER_NAME }];
}

function profileSettings(
  { schedulerName = '', percentageOfNodesToScore, plugins = {}, pluginConfig = [] }: KubeSchedulerProfile,
  configuration: KubeSchedulerConfiguration,
  path: string,
  errors: FieldError[],
  problems: string[],
): ProfileSettings {
  errors.push(
    ...validatePercentage(percentageOfNodesToScore, `${path}.percentageOfNodesToScore`),
    ...validatePluginSets(plugins, `${path}.plugins`),
  );
  const configured = pluginSettings(pluginConfig, `${path}.pluginConfig`, { errors, problems });
  return {
    schedulerName,
    percentageOfNodesToScore: percentageOfNodesToScore ?? configuration.percentageOfNodesToScore ?? 0,
    enabled: enabledPlugins(plugins),
    plugins: withoutManaged(configured, configuration.extenders ?? []),
  };
}

/** Resources that an extender manages alone are not this scheduler's to check. */
function withoutManaged(settings: PluginSettings, extenders: readonly Extender[]): PluginSettings {
  const managed = extenders
    .flatMap(({ managedResources = [] }) => managedResources)
    .filter(({ ignoredByScheduler }) => ignoredByScheduler)
    .map(({ name }) => name);
  const { NodeResourcesFit } = settings;
  if (managed.length === 0) return settings;
  const ignoredResources = [...NodeResourcesFit.ignoredResources, ...managed];
  return { ...settings, NodeResourcesFit: { ...NodeResourcesFit, ignoredResources } };
}

const validatePercentage = (percentage: number | undefined, path: string): FieldError[] =>
  percentage !== undefined && (percentage < 0 || percentage > MAX_PERCENT)
    ? [invalid(path, percentage, 'not in valid range [0-100]')]
    : [];

function validate(configuration: KubeSchedulerConfiguration): FieldError[] {
  const { parallelism, leaderElection = {}, podInitialBackoffSeconds = 1, extenders = [] } = configuration;
  const { podMaxBackoffSeconds = 10, percentageOfNodesToScore } = configuration;
  const errors = validatePercentage(percentageOfNodesToScore, 'percentageOfNodesToScore');
  if (parallelism !== undefined && parallelism <= 0)
    errors.push(invalid('parallelism', parallelism, 'should be an integer value greater than zero'));
  const { leaderElect = true, resourceLock = LEASES } = leaderElection;
  if (leaderElect && resourceLock !== LEASES)
    errors.push(invalid('leaderElection.resourceLock', resourceLock, `resourceLock value must be "${LEASES}"`));
  if (podInitialBackoffSeconds <= 0)
    errors.push(invalid('podInitialBackoffSeconds', podInitialBackoffSeconds, 'must be greater than 0'));
  if (podMaxBackoffSeconds < podInitialBackoffSeconds)
    errors.push(
      invalid(
        'podMaxBackoffSeconds',
        podMaxBackoffSeconds,
        'must be greater than or equal to podInitialBackoffSeconds',
      ),
    );
  return [...errors, ...validateNames(configuration), ...validateExtenders(extenders, 'extenders')];
}

function validateNames(configuration: KubeSchedulerConfiguration): FieldError[] {
  const seen = new Set<string>();
  const profiles = profilesOf(configuration);
  const errors: FieldError[] = [];
  if (profiles.length > MAX_PROFILES)
    errors.push(invalid('profiles', profiles.length, `must not be more than ${MAX_PROFILES}`));
  for (const [index, { schedulerName = '' }] of profiles.entries()) {
    const at = `profiles[${index}].schedulerName`;
    if (schedulerName === '') errors.push(required(at));
    else if (seen.has(schedulerName)) errors.push(duplicate(at, schedulerName));
    seen.add(schedulerName);
  }
  return errors;
}
