/** The settings of `kedge server`, for commands that work on its data. */
import { access } from 'node:fs/promises';
import { serverSettings, type ServerConfig } from '../control-plane/config.ts';
import { daemonSettings } from './daemon-settings.ts';

const INSTALLED = '/etc/kedge/server.yaml';

/** Help text of the `--config` flag. */
export const SERVER_CONFIG = `the server's settings (default: $KEDGE_CONFIG, or ${INSTALLED} where it exists)`;

/** Throws SettingsError. */
export async function serverConfigOf(
  given: { readonly config?: string | undefined } & Readonly<Record<string, unknown>>,
): Promise<ServerConfig> {
  return daemonSettings(serverSettings, { ...given, config: await serverConfigFile(given.config) });
}

/** The file of the settings; undefined when there is none. */
export async function serverConfigFile(given: string | undefined): Promise<string | undefined> {
  if (given !== undefined) return given;
  const variable = process.env['KEDGE_CONFIG'];
  if (variable) return variable;
  return access(INSTALLED).then(
    () => INSTALLED,
    () => undefined,
  );
}
