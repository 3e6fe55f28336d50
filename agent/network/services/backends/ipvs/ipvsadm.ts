/** The kernel's virtual servers by way of ipvsadm(8). Nothing else in the agent runs this program. */
import type { IpFamily } from '../../../../../api/domain/address.ts';
import { ProgramError, run } from '../../../../host/run.ts';
import { readSysctl } from '../../../../host/sysctl.ts';
import { readSaved, type ServerName, type ServerState } from './virtual-servers.ts';

/** 5,000 Services written at once take several seconds; a hung program is to be noticed all the same. */
const TIME_LIMIT_MS = 60_000;
const MAX_ERROR_LINES = 6;
const MADE_BY_MODULE = 'net.ipv4.vs.conntrack';

const OPTIONS: ReadonlyMap<string, string> = new Map([
  ['TCP', '-t'],
  ['UDP', '-u'],
  ['SCTP', '--sctp-service'],
]);

/** `-t 10.43.0.5:80` @param protocol TCP, UDP or SCTP */
export const serverName = (protocol: string, socket: string): ServerName => `${OPTIONS.get(protocol)} ${socket}`;

/** `-t [fd00::5]:80` -> `fd00::5` */
export const addressOf = (name: ServerName): string => name.replace(/^-\S+ \[?|\]?:\d+$/g, '');

/** `-t [fd00::5]:80`; a server that is known by a mark of its packets has no address. */
const isOfFamily = (name: ServerName, family: IpFamily): boolean =>
  /^-\S+ [[\d]\S*:\d+$/.test(name) && name.includes('[') === (family === 'IPv6');

/** All methods throw ProgramError with the program's own words when it fails. */
export class Ipvsadm {
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Whether the kernel has ip_vs at work: any other question to it would load the module. */
  async isLoaded(): Promise<boolean> {
    return (await readSysctl(MADE_BY_MODULE)) !== undefined;
  }

  /** Not one transaction: when this throws, some of the lines may be in force. */
  async restore(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    const input = lines.map((line) => `${line}\n`).join('');
    const { stderr } = await this.#run(['--restore'], input);
    // It goes on after a line that the kernel rejects, and exits with what the last line gave.
    if (stderr.trim() !== '')
      throw new ProgramError('ipvsadm', ['--restore'], 0, 'lines were rejected', firstLines(stderr));
  }

  /** The virtual servers with addresses of the family. */
  async save(family: IpFamily): Promise<ReadonlyMap<ServerName, ServerState>> {
    const { stdout } = await this.#run(['--save', '--numeric']);
    return new Map([...readSaved(stdout)].filter(([name]) => isOfFamily(name, family)));
  }

  /** How many connections real servers have, those that are being closed, too. */
  async connections(): Promise<ReadonlyMap<ServerName, ReadonlyMap<string, number>>> {
    const { stdout } = await this.#run(['--list', '--numeric', '--exact']);
    return readConnections(stdout);
  }

  async #run(args: readonly string[], input?: string): Promise<{ stdout: string; stderr: string }> {
    try {
      return await run('ipvsadm', args, { input, timeoutMs: TIME_LIMIT_MS, signal: this.#signal });
    } catch (error) {
      if (!(error instanceof ProgramError) || error.exitCode === null) throw error;
      throw new ProgramError('ipvsadm', args, error.exitCode, `exit code ${error.exitCode}`, firstLines(error.stderr));
    }
  }
}

/** A line for each that was rejected: of thousands, some say what is wrong. */
const firstLines = (text: string): string => text.trim().split('\n').slice(0, MAX_ERROR_LINES).join('\n');

/** `TCP  10.43.0.5:80 rr`, and for each real server `  -> 10.42.0.2:8080  Masq  1  ACTIVE  INACTIVE`. */
export function readConnections(text: string): Map<ServerName, Map<string, number>> {
  const counts = new Map<ServerName, Map<string, number>>();
  let current: Map<string, number> | undefined;
  for (const line of text.split('\n')) {
    const [, protocol = '', socket = ''] = /^(TCP|UDP|SCTP|FWM) +(\S+)/.exec(line) ?? [];
    if (protocol !== '') {
      current = new Map();
      counts.set(serverName(protocol, socket), current);
    }
    const [, real, active, inactive] = /^ +-> (\S+) +\S+ +\d+ +(\d+) +(\d+)/.exec(line) ?? [];
    if (real !== undefined) current?.set(real, Number(active) + Number(inactive));
  }
  return counts;
}
