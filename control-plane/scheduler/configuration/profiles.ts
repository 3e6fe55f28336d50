/** Makes the profiles of a configuration: each has plugins of its own, with its arguments. */
import type { Plugin } from '../framework/plugin.ts';
import { having, reserving, type ExtensionPoint, type Profile } from '../framework/profile.ts';
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
  const filter = having(at('filter'), 'filter');
  const preFilter = having(at('preFilter'), 'preFilter');
  return {
    schedulerName,
    percentageOfNodesToScore,
    preEnqueue: having(at('preEnqueue'), 'preEnqueue'),
    // Some of the plugins that upstream has filter only begin earlier here.
    preFilter: [...preFilter, ...having(filter, 'preFilter').filter((plugin) => !preFilter.includes(plugin))],
    filter,
    postFilter: having(at('postFilter'), 'postFilter'),
    score: enabled.score.flatMap(({ name, weight }) => {
      const plugin = pluginOf(name);
      return plugin?.score ? [{ plugin, weight }] : [];
    }),
    reserve: reserving(at('reserve')),
    permit: having(at('permit'), 'permit'),
    preBind: having(at('preBind'), 'preBind'),
  };
}
