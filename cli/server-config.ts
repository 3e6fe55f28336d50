/** The settings of `kedge server`, for commands that work on its data. */
import { access } from 'node:fs/promises';
import { serverSettings, type ServerConfig } from '../control-plane/config.ts';
import { withManagedEtcd } from '../control-plane/store/etcd/managed/settings.ts';
import { daemonSettings } from './daemon-settings.ts';

/** Of the units. */
export const INSTALLED = '/etc/kedge/server.yaml';

/** Help text of the `--config` flag. */
export const SERVER_CONFIG = `the server's settings (default: $KEDGE_CONFIG, or ${INSTALLED} where it exists)`;

/** With where an etcd is that Kedge runs. Throws SettingsError, StoreUnavailableError or PkiError. */
export async function serverConfigOf(
  given: { readonly config?: string | undefined } & Readonly<Record<string, unknown>>,
): Promise<ServerConfig> {
  return withManagedEtcd(await givenServerConfig(given));
}

/** Throws SettingsError. */
export const givenServerConfig = async (
  given: { readonly config?: string | undefined } & Readonly<Record<string, unknown>>,
): Promise<ServerConfig> => daemonSettings(serverSettings, { ...given, config: await serverConfigFile(given.config) });

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
