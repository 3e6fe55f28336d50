/** Loads the scheduler's configuration file, and the files that it names. */
import type { Extender, ExtenderTLSConfig } from '../../../api/types/kubescheduler/v1.gen.ts';
import { loadConfiguration, readConfigurationFile } from '../../../daemon/configuration-file.ts';
import { readSchedulerConfiguration, type SchedulerSettings } from './settings.ts';

/** Throws SettingValueError, whose message names the file and what is wrong with it. */
export const loadSchedulerSettings = (file: string): Promise<SchedulerSettings> =>
  loadConfiguration(file, 'scheduler configuration', async (text) => {
    const settings = readSchedulerConfiguration(text);
    return { ...settings, extenders: await Promise.all(settings.extenders.map(withTlsData)) };
  });

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
