/** The rules of the host as its programs print them, for people to read elsewhere. Nothing is changed. */
import { run } from '../../host/run.ts';

const LIMIT_MS = 20_000;
/** Tables of the agent, and those of the same names that others have made. */
const OWN_TABLE = /^table (\S+) (\S*(?:kube|kedge)\S*)$/;
const MAX_TABLES = 32;

/** What iptables-save, or ip6tables-save, prints. Throws ProgramError. */
export const savedRules = async (family: 'IPv4' | 'IPv6', signal: AbortSignal): Promise<string> =>
  (await run(family === 'IPv4' ? 'iptables-save' : 'ip6tables-save', [], { signal, timeoutMs: LIMIT_MS })).stdout;

/** The tables of nftables that are the agent's by their names. Throws ProgramError. */
export async function ownTables(signal: AbortSignal): Promise<string> {
  const options = { signal, timeoutMs: LIMIT_MS };
  const { stdout: tables } = await run('nft', ['list', 'tables'], options);
  let text = `${tables}\n`;
  for (const line of tables.split('\n').slice(0, MAX_TABLES)) {
    const [, family, name] = OWN_TABLE.exec(line) ?? [];
    if (family !== undefined && name !== undefined)
      text += `${(await run('nft', ['list', 'table', family, name], options)).stdout}\n`;
  }
  return text;
}
