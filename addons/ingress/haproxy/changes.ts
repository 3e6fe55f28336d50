/** What the running proxy has to be told to go from one configuration to another that needs no new worker. Pure. */
import { serverName } from './backend-section.ts';
import type { Configuration } from './configuration.ts';
import { MAP_NAMES, type Entries, type MapName } from './maps.ts';
import type { Slots } from './slots.ts';
import { name } from './text.ts';

export interface Changes {
  /** Commands about servers: first those that add, so that no backend is without in between. */
  readonly servers: readonly string[];
  readonly maps: readonly (readonly [MapName, Entries])[];
  /** PEM by the names of files. */
  readonly certificates: readonly (readonly [file: string, pem: string])[];
}

/** Of two configurations that the same worker can have. */
export function changesBetween(now: Configuration, wanted: Configuration): Changes {
  const adding: string[] = [];
  const removing: string[] = [];
  for (const [section, after] of wanted.sections.slots) {
    const before = now.sections.slots.get(section);
    if (before) serverCommands(section, before, after, adding, removing);
  }
  return {
    servers: [...adding, ...removing],
    maps: MAP_NAMES.flatMap((map) =>
      areEqual(now.maps[map], wanted.maps[map]) ? [] : [[map, wanted.maps[map]] as const],
    ),
    certificates: [...wanted.certificates].filter(([file, pem]) => now.certificates.get(file) !== pem),
  };
}

function serverCommands(backend: string, before: Slots, after: Slots, adding: string[], removing: string[]): void {
  for (const [index, address] of after.addresses.entries()) {
    const old = before.addresses[index];
    if (old === address) continue;
    const server = `set server ${name(backend)}/${serverName(index)}`;
    if (address === undefined) {
      removing.push(`${server} state maint`);
      continue;
    }
    const [, host = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(address) ?? [];
    adding.push(`${server} addr ${host} port ${port}`);
    if (old === undefined) adding.push(`${server} state ready`);
  }
}

const areEqual = (a: Entries, b: Entries): boolean =>
  a.length === b.length && a.every(([key, value], index) => key === b[index]?.[0] && value === b[index]?.[1]);
