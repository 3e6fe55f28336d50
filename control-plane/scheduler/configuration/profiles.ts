/** Makes the profiles of a configuration: each has plugins of its own, with its arguments. */
import type { Plugin } from '../framework/plugin.ts';
import type { Profile, ExtensionPoint } from '../framework/profile.ts';
import { plugins } from '../plugins/index.ts';
import type { ProfileSettings } from './settings.ts';

export function profileFrom(settings: ProfileSettings): Profile {
  const { schedulerName, percentageOfNodesToScore, enabled } = settings;
  const made = new Map<string, Plugin | undefined>();
  const pluginOf = (name: string): Plugin | undefined => {
    if (!made.has(name)) made.set(name, plugins.get(name)?.create?.(settings.plugins));
    return made.get(name);
  };
  const at = (point: ExtensionPoint): Plugin[] => enabled[point].flatMap(({ name }) => pluginOf(name) ?? []);
  const filter = at('filter').filter((plugin) => plugin.filter);
  const preFilter = at('preFilter').filter((plugin) => plugin.preFilter);
  return {
    schedulerName,
    percentageOfNodesToScore,
    preEnqueue: at('preEnqueue').filter((plugin) => plugin.preEnqueue),
    // Some of the plugins that upstream has filter only begin earlier here.
    preFilter: [...preFilter, ...filter.filter((plugin) => plugin.preFilter && !preFilter.includes(plugin))],
    filter,
    postFilter: at('postFilter').filter((plugin) => plugin.postFilter),
    score: enabled.score.flatMap(({ name, weight }) => {
      const plugin = pluginOf(name);
      return plugin?.score ? [{ plugin, weight }] : [];
    }),
    reserve: at('reserve').filter((plugin) => plugin.reserve ?? plugin.unreserve),
    permit: at('permit').filter((plugin) => plugin.permit),
    preBind: at('preBind').filter((plugin) => plugin.preBind),
  };
}
