/** Loads the scheduler's configuration file, and the files that it names. */
import type { Extender, ExtenderTLSConfig } from '../../../api/types/kubescheduler/v1.gen.ts';
import { readConfigurationFile } from '../../../daemon/configuration-file.ts';
import { SettingValueError } from '../../../daemon/setting-rules.ts';
import { readSchedulerConfiguration, type SchedulerSettings } from './settings.ts';

/** Throws SettingValueError, whose message names the file and what is wrong with it. */
export async function loadSchedulerSettings(file: string): Promise<SchedulerSettings> {
  const text = await readConfigurationFile(file, `scheduler configuration ${file}`);
  try {
    const settings = readSchedulerConfiguration(text.toString());
    const extenders = await Promise.all(settings.extenders.map(withTlsData));
    return { ...settings, extenders };
  } catch (error) {
    if (!(error instanceof SettingValueError)) throw error;
    throw new SettingValueError(`scheduler configuration ${file}: ${error.message}`, { cause: error });
  }
}

/** The same extender, whose certificates are in the configuration itself. As upstream, what is there already wins. */
async function withTlsData(extender: Extender, index: number): Promise<Extender> {
  const { tlsConfig } = extender;
  if (!tlsConfig) return extender;
  const data = async (what: 'ca' | 'cert' | 'key'): Promise<Partial<ExtenderTLSConfig>> => {
    const file = tlsConfig[`${what}File`];
    if (!file || tlsConfig[`${what}Data`]) return {};
    const bytes = await readConfigurationFile(file, `extenders[${index}].tlsConfig.${what}File`);
    return { [`${what}Data`]: bytes.toString('base64') };
  };
  const [ca, cert, key] = await Promise.all([data('ca'), data('cert'), data('key')]);
  return { ...extender, tlsConfig: { ...tlsConfig, ...ca, ...cert, ...key } };
}
