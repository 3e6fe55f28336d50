/** The settings of this node's agent, for commands that look at the node beside it. */
import { agentSettings, type AgentConfig } from '../agent/config.ts';
import { readTextIfThere } from '../agent/host/files.ts';
import { daemonSettings } from './daemon-settings.ts';

/** Where the installation has them. */
export const AGENT_CONFIG = '/etc/kedge/agent.yaml';

/** Help text of the `--config` flag. */
export const NODE_CONFIG_HELP = `YAML file of the agent's settings (default: $KEDGE_CONFIG, or ${AGENT_CONFIG} where it is there)`;

/** Throws SettingsError. */
export async function nodeSettings(given: string | undefined): Promise<AgentConfig> {
  const isThere = async (): Promise<boolean> => (await readTextIfThere(AGENT_CONFIG)) !== undefined;
  const config = given ?? process.env['KEDGE_CONFIG'] ?? ((await isThere()) ? AGENT_CONFIG : undefined);
  return daemonSettings(agentSettings, config === undefined ? {} : { config });
}
