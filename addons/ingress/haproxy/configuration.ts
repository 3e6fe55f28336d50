/**
 * The proxy's whole configuration of a model: https://docs.haproxy.org/2.6/configuration.html. Pure. Hosts and paths are in maps, so
 * that a request costs the same with ten Ingresses and with thousands; a backend's section has what is special about its paths.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import type { BackendModel, Model } from '../model/model.ts';
import { backendLines, isNamed, serverLines } from './backend-section.ts';
import { certificateLists } from './certificate-lists.ts';
import { connectionLines, connectionPorts, noConnectionLines, requestsSocket } from './connection-lines.ts';
import { gatewayFrontend, ingressFrontend } from './frontends.ts';
import { MAP_NAMES, mapsOf, type Maps } from './maps.ts';
import { NOT_FOUND } from './names.ts';
import { defaultLines, globalLines, RESOLVERS } from './prelude.ts';
import type { SectionContext } from './section-context.ts';
import { newSections, sectionsWithin, SPARES, type Sections } from './sections.ts';
import type { ProxySettings } from './settings.ts';
import { SCRIPT_FILE, SideRequests } from './side-requests.ts';
import { mapWord, name, quoted } from './text.ts';

/** What of a configuration can be changed at run time, and what cannot. */
export interface Configuration {
  /** Equal for two configurations that differ in addresses of endpoints, entries of maps and contents of certificates only. */
  readonly fixed: string;
  readonly maps: Maps;
  /** PEM by the name of its file, which says what it is for and not what is in it. */
  readonly certificates: ReadonlyMap<string, string>;
  readonly sections: Sections;
}

/** Files by their names in a directory of their own, the configuration among them. */
export interface RenderedFiles {
  readonly main: string;
  readonly others: ReadonlyMap<string, string>;
}

/** The configuration of a new worker. */
export const newConfiguration = (model: Model, settings: ProxySettings): Configuration =>
  configurationOf(model, settings, newSections(model.backends));

/** What is wanted, with the sections that the running worker has; undefined when these cannot do it. */
export function configurationWithin(
  now: Configuration,
  model: Model,
  settings: ProxySettings,
): Configuration | undefined {
  const sections = sectionsWithin(now.sections, model.backends);
  const wanted = sections && configurationOf(model, settings, sections);
  return wanted?.fixed === now.fixed ? wanted : undefined;
}

function configurationOf(model: Model, settings: ProxySettings, sections: Sections): Configuration {
  const { lines, certificates } = new Rendering(model, settings).whole(sections.backends);
  const sizes = sections.backends.map((backend) => `${backend.name} ${fixedServers(backend, sections)}`);
  return {
    fixed: createHash('sha256')
      .update([...lines, ...sizes].join('\n'))
      .digest('hex'),
    maps: { ...mapsOf(model, settings), spares: [...sections.spares] },
    certificates,
    sections,
  };
}

/** Names are resolved by the proxy: they are no addresses that it can be told. */
const fixedServers = (backend: BackendModel, { slots }: Sections): string =>
  backend.endpoints.some(isNamed) ? backend.endpoints.join() : String(slots.get(backend.name)?.addresses.length);

/** As files. `directory`: where they are going to be. `socket`: of the worker that runs with them. */
export function render(
  model: Model,
  settings: ProxySettings,
  { sections, maps, certificates }: Configuration,
  directory: string,
  socket: string,
): RenderedFiles {
  const rendering = new Rendering(model, settings);
  const { lines, files, certificateLists } = rendering.whole(sections.backends, directory, socket);
  const text = lines.flatMap((line) => {
    if (!line.startsWith(SERVERS_OF)) return [line];
    const slots = sections.slots.get(line.slice(SERVERS_OF.length));
    return slots ? serverLines(slots).map((server) => `  ${server}`) : [];
  });
  const others = new Map(files);
  for (const map of MAP_NAMES)
    others.set(`${map}.map`, maps[map].map(([key, value]) => `${mapWord(key)} ${mapWord(value)}\n`).join(''));
  for (const [file, pem] of certificates) others.set(file, pem);
  for (const [file, list] of certificateLists) others.set(file, list.join('\n') + '\n');
  return { main: text.join('\n') + '\n', others };
}

/** Stands for the servers of a backend until their addresses are known. */
const SERVERS_OF = '\0servers ';

class Rendering {
  readonly #model: Model;
  readonly #settings: ProxySettings;
  readonly #files = new Map<string, string>();
  readonly #userLists = new Map<string, string[]>();

  constructor(model: Model, settings: ProxySettings) {
    this.#model = model;
    this.#settings = settings;
  }

  whole(backends: readonly BackendModel[], directory = '', socket = '') {
    const [model, settings] = [this.#model, this.#settings];
    const at = (file: string): string => quoted(path.join(directory, file));
    const sockets = path.dirname(socket);
    const side = new SideRequests(sockets);
    const inner = new Map(connectionPorts(model.routing).map((port) => [port, requestsSocket(sockets, port)]));
    const context: SectionContext = {
      httpsPort: settings.httpsPort,
      fileOf: (pem) => path.join(directory, this.#file('pem', pem)),
      mapOf: (map) => at(`${map}.map`),
      userListOf: (backend) => this.#userList(backend),
      side,
    };
    const sections = backends.flatMap((backend) => [
      `backend ${name(backend.name)}`,
      ...backendLines(backend, context).map((line) => `  ${line}`),
      SERVERS_OF + backend.name,
    ]);
    const { certificates, list, others } = certificateLists(model, settings, directory, (kind, pem) =>
      this.#file(kind, pem),
    );
    if (side.areUsed) this.#files.set(SCRIPT_FILE, side.script());
    const usesResolvers = side.usesResolvers || backends.some(({ endpoints }) => endpoints.some(isNamed));
    const lines = [
      ...globalLines(settings, socket),
      ...side.globalLines(path.join(directory, SCRIPT_FILE)),
      ...defaultLines(settings),
      ...(usesResolvers ? RESOLVERS : []),
      ...[...this.#userLists].flatMap(([list, users]) => [`userlist ${list}`, ...users]),
      ...connectionLines(model, settings, sockets, at),
      ...noConnectionLines(model.routing),
      ...ingressFrontend(model, settings, backends, side, inner, at),
      ...gatewayFrontend(model, settings, inner, at),
      ...side.lines(),
      `backend ${NOT_FOUND}`,
      '  http-request deny deny_status 404',
      ...SPARES.flatMap(({ name: spare, lines: ordinary }) => [
        `backend ${spare}`,
        ...ordinary.map((line) => `  ${line}`),
        SERVERS_OF + spare,
      ]),
      ...sections,
    ];
    // Which certificates there are is fixed, and so is who is shown which.
    const fixed = directory === '' ? [...lines, ...list, ...[...others.values()].flat()] : lines;
    return {
      ...{ lines: fixed, certificates, files: this.#files },
      certificateLists: new Map([['certificates.list', list], ...others]),
    };
  }

  #file(kind: string, content: string): string {
    const file = `${kind}-${createHash('sha256').update(content).digest('hex')}.pem`;
    this.#files.set(file, content);
    return file;
  }

  #userList({ users = [] }: BackendModel): string {
    const lines = users.map((user) => `  user ${quoted(user.name)} password ${quoted(user.hash)}`);
    const list = `users-${createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 16)}`;
    this.#userLists.set(list, lines);
    return list;
  }
}
