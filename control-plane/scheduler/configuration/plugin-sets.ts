/**
 * Which plugins a profile enables at which extension point: upstream's defaults, changed by `multiPoint`, then by each point.
 * https://kubernetes.io/docs/reference/scheduling/config/#multipoint
 */
import { invalid, notSupported, type FieldError } from '../../../api/machinery/field-error.ts';
import type { Plugin, PluginSet, Plugins } from '../../../api/types/kubescheduler/v1.gen.ts';
import { EXTENSION_POINTS, type ExtensionPoint } from '../framework/profile.ts';
import { ABSENT_PLUGINS, defaultPluginSettings, plugins } from '../plugins/index.ts';

/** A plugin that is enabled at a point; its weight counts at `score`. */
export interface EnabledPlugin {
  readonly name: string;
  readonly weight: number;
}

export type EnabledPlugins = Readonly<Record<ExtensionPoint, readonly EnabledPlugin[]>>;

const ALL = '*';
/** Upstream's MaxTotalScore: no sum of scores may exceed it. */
const MAX_TOTAL_WEIGHT = Math.floor((2 ** 63 - 1) / 100);

const defaultWeight = (name: string): number => plugins.get(name)?.create?.(defaultPluginSettings).weight ?? 1;

/** Upstream has the same for one that is enabled explicitly and without a weight. */
const explicit = ({ name, weight }: Plugin): EnabledPlugin => ({ name, weight: weight || 1 });

function afterMultiPoint({ enabled = [], disabled = [] }: PluginSet): EnabledPlugin[] {
  const off = new Set(disabled.map(({ name }) => name));
  const changed = new Map(enabled.map((plugin) => [plugin.name, explicit(plugin)]));
  const kept: EnabledPlugin[] = [];
  for (const name of off.has(ALL) ? [] : plugins.keys()) {
    if (off.has(name)) continue;
    // Where it was, but as it is configured now.
    kept.push(changed.get(name) ?? { name, weight: defaultWeight(name) });
    changed.delete(name);
  }
  return [...kept, ...changed.values()];
}

/** Those that the point names and multiPoint has, too, come first; those that only the point names, last. */
function atPoint(point: ExtensionPoint, everywhere: readonly EnabledPlugin[], set: PluginSet): EnabledPlugin[] {
  const { enabled = [], disabled = [] } = set;
  const off = new Set(disabled.map(({ name }) => name));
  const named = enabled.map(explicit);
  if (off.has(ALL)) return named;
  const inherited = everywhere.filter(({ name }) => plugins.get(name)?.points.includes(point) && !off.has(name));
  const isIn = (list: readonly EnabledPlugin[], { name }: EnabledPlugin): boolean =>
    list.some((other) => other.name === name);
  return [
    ...named.filter((plugin) => isIn(inherited, plugin)),
    ...inherited.filter((plugin) => !isIn(named, plugin)),
    ...named.filter((plugin) => !isIn(inherited, plugin)),
  ];
}

export function enabledPlugins(configured: Plugins = {}): EnabledPlugins {
  const everywhere = afterMultiPoint(configured.multiPoint ?? {});
  const entries = EXTENSION_POINTS.map(
    (point) => [point, atPoint(point, everywhere, configured[point] ?? {})] as const,
  );
  return Object.fromEntries(entries) as Record<ExtensionPoint, EnabledPlugin[]>;
}

/** @param path of the profile's `plugins` */
export function validatePluginSets(configured: Plugins, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const point of [...EXTENSION_POINTS, 'multiPoint'] as const) {
    const { enabled = [], disabled = [] } = configured[point] ?? {};
    const seen = new Set<string>();
    for (const [index, plugin] of enabled.entries()) {
      const at = `${path}.${point}.enabled[${index}]`;
      errors.push(...validateEnabled(plugin, point, at));
      if (seen.has(plugin.name)) errors.push(invalid(`${at}.name`, plugin.name, 'is enabled twice'));
      seen.add(plugin.name);
    }
    for (const [index, { name }] of disabled.entries())
      if (name !== ALL && !plugins.has(name) && !ABSENT_PLUGINS.has(name))
        errors.push(notSupported(`${path}.${point}.disabled[${index}].name`, name, [...plugins.keys(), ALL]));
  }
  return errors.length > 0 ? errors : validateTogether(configured, path);
}

function validateEnabled({ name, weight = 0 }: Plugin, point: ExtensionPoint | 'multiPoint', at: string): FieldError[] {
  const entry = plugins.get(name);
  const points = entry?.points ?? [];
  if (!entry) return [notSupported(`${at}.name`, name, [...plugins.keys()])];
  if (point !== 'multiPoint' && !points.includes(point))
    return [invalid(`${at}.name`, name, `does not run at ${point}, but at ${points.join(', ')}`)];
  if (weight < 0) return [invalid(`${at}.weight`, weight, 'must not be negative')];
  if (weight > 0 && !points.includes('score')) return [invalid(`${at}.weight`, weight, `${name} does not score`)];
  return [];
}

/** What is wrong with what is enabled in the end. */
function validateTogether(configured: Plugins, path: string): FieldError[] {
  const enabled = enabledPlugins(configured);
  const errors: FieldError[] = [];
  const names = (point: ExtensionPoint): string[] => enabled[point].map(({ name }) => name);
  if (names('queueSort').length !== 1)
    errors.push(
      invalid(`${path}.queueSort`, names('queueSort'), 'exactly one plugin has to sort the queue: PrioritySort'),
    );
  if (names('bind').length === 0)
    errors.push(invalid(`${path}.bind`, [], 'at least one plugin has to bind: DefaultBinder'));
  const preFiltering = new Set(names('preFilter'));
  for (const name of names('filter')) {
    if (!plugins.get(name)?.points.includes('preFilter') || preFiltering.has(name)) continue;
    const needs = plugins.get(name)?.create?.(defaultPluginSettings).preFilter !== undefined;
    if (needs)
      errors.push(
        invalid(`${path}.preFilter`, name, 'cannot be disabled for a plugin that filters: disable filter, too'),
      );
  }
  const total = enabled.score.reduce((sum, { weight }) => sum + weight, 0);
  if (total > MAX_TOTAL_WEIGHT) errors.push(invalid(`${path}.score`, total, 'the weights are too large'));
  return errors;
}
