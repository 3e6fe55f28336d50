/** The ports that listeners of Gateways may have beside the controller's own. */
import { readFile } from 'node:fs/promises';
import { parsePortNumber } from '../../api/domain/port-number.ts';
import { SettingValueError } from '../../daemon/setting-rules.ts';

interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Parses `8080` or `9000-9010`. Throws SettingValueError. */
export function readGatewayPorts(text: string): PortRange {
  const [first, last = first, ...others] = text.split('-').map((part) => parsePortNumber(part.trim()));
  if (first === undefined || last === undefined || last < first || others.length > 0)
    throw new SettingValueError(`${JSON.stringify(text)} is neither a port nor a range of ports such as 9000-9010`);
  return { first, last };
}

export function portsAllowedBy(texts: readonly string[]): (port: number) => boolean {
  const ranges = texts.map(readGatewayPorts);
  return (port) => ranges.some(({ first, last }) => port >= first && port <= last);
}

/** Of both families; the second is not there without IPv6. */
const TABLES = ['/proc/net/tcp', '/proc/net/tcp6'];
const LISTEN = '0A';
const HEX = 16;

/** The ports of a table as proc(5) has it that somebody listens on. */
export function listeningPorts(table: string): ReadonlySet<number> {
  const ports = new Set<number>();
  for (const line of table.split('\n').slice(1)) {
    const [, local = '', , state] = line.trim().split(/\s+/);
    const port = parseInt(local.slice(local.lastIndexOf(':') + 1), HEX);
    if (state === LISTEN && port > 0) ports.add(port);
  }
  return ports;
}

/** The ports of this host that somebody listens on. */
export async function portsInUse(): Promise<ReadonlySet<number>> {
  const tables = await Promise.all(
    TABLES.map((file) =>
      readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
        return '';
      }),
    ),
  );
  return new Set(tables.flatMap((table) => [...listeningPorts(table)]));
}
