/** The proxy's maps: hosts and paths, by which requests find their backends. Pure. */
import type { HostModel, Model, PathModel } from '../model/model.ts';
import { literalPattern } from '../model/pattern.ts';
import { connectionMaps } from './connection-lines.ts';
import { ownHosts, routingMaps } from './routing-lines.ts';
import { clientsMap } from './client-certificates.ts';
import { CLIENTS_MAP } from './names.ts';
import type { ProxySettings } from './settings.ts';

export const MAP_NAMES = [
  'hosts',
  'exact',
  'prefix',
  'pattern',
  'spares',
  'gateways',
  'wildcards',
  'parents',
  'connections',
  'connection-wildcards',
  'ended',
  'ended-wildcards',
  CLIENTS_MAP,
] as const;
export type MapName = (typeof MAP_NAMES)[number];
export type Entries = readonly (readonly [key: string, value: string])[];

export type Maps = Readonly<Record<MapName, Entries>>;

/** What the keys of hosts begin with whose paths are looked up as regular expressions. No host name has it. */
export const PATTERN_MARK = '~';

export function mapsOf(model: Model, settings: ProxySettings): Omit<Maps, 'spares'> {
  const { hosts, routing } = model;
  const { httpPort, httpsPort } = settings;
  const { exact, prefix, ...others } = routingMaps(routing);
  const maps = {
    ...others,
    ...connectionMaps(model, settings),
    [CLIENTS_MAP]: clientsMap(model, settings),
    hosts: [] as [string, string][],
    exact: [...exact],
    prefix: [...prefix],
    pattern: [] as [string, string][],
  };
  const known = new Set(hosts.map((host) => host.name));
  for (const host of ownHosts(routing, [httpPort, httpsPort])) if (!known.has(host)) maps.hosts.push([host, host]);
  for (const host of [...hosts].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const usesPatterns = host.paths.some(({ type }) => type === 'pattern');
    const key = usesPatterns ? `${PATTERN_MARK}${host.name}` : host.name;
    maps.hosts.push([host.name, key]);
    if (usesPatterns) maps.pattern.push(...patternsOf(host, key));
    else
      for (const { type, path: at, backend } of host.paths) {
        if (type === 'exact') maps.exact.push([key + at, backend]);
        else maps.prefix.push([type === 'literal' ? key + at : `${key}${at}/`, backend]);
      }
  }
  return maps;
}

/** The first that matches counts: exact paths, then by their length, as ingress-nginx does it. */
function patternsOf({ paths }: HostModel, key: string): [string, string][] {
  const byLength = [...paths].sort(
    (a, b) => Number(b.type === 'exact') - Number(a.type === 'exact') || b.path.length - a.path.length,
  );
  return byLength.map((each) => [`^${literalPattern(key)}${patternOf(each)}`, each.backend]);
}

function patternOf({ type, path: at }: PathModel): string {
  switch (type) {
    case 'exact':
      return `${literalPattern(at)}$`;
    case 'prefix':
      return `${literalPattern(at)}(/|$)`;
    case 'literal':
      return literalPattern(at);
    case 'pattern':
      // An escaped end of a line is a character as any other.
      return `(?is:${at})`;
  }
}
