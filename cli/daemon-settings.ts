/** Loads the settings of a daemon, and warns of misspelled settings in the environment. */
import { ingressSettings } from '../addons/ingress/config.ts';
import { agentSettings } from '../agent/config.ts';
import { serverSettings } from '../control-plane/config.ts';
import { suggestion } from './nearest.ts';
import { environmentKey } from './setting-names.ts';
import { loadSettings, type Settings, type SettingsDeclaration } from './settings.ts';
import { complain } from './output.ts';

/** The settings of all daemons: they may share one environment on a host. */
const VARIABLES: ReadonlySet<string> = new Set([
  'KEDGE_CONFIG',
  ...[agentSettings, serverSettings, ingressSettings].flatMap(({ defaults }) =>
    Object.keys(defaults).map(environmentKey),
  ),
]);

/** One warning for each `KEDGE_` variable that is not a setting. */
export const misspelledVariables = (environment: NodeJS.ProcessEnv): string[] =>
  Object.keys(environment)
    .filter((name) => name.startsWith('KEDGE_') && !VARIABLES.has(name))
    .map((name) => `ignoring unknown setting ${name}${suggestion(name, VARIABLES)}`);

/** Throws SettingsError. */
export async function daemonSettings<S extends Settings>(
  declaration: SettingsDeclaration<S>,
  flags: Readonly<Record<string, unknown>>,
  required: readonly (keyof S & string)[] = [],
): Promise<S> {
  for (const sentence of misspelledVariables(process.env)) complain(`${sentence}`);
  return loadSettings(declaration, flags, process.env, required);
}
