/**
 * Which section of the configuration has which backend of the model. Most backends have one of their own. One that is new and has no
 * rules of its own gets a spare section, so that the proxy can be told at run time; with the next worker it gets its own. Pure.
 */
import type { BackendModel } from '../model/model.ts';
import { NO_LIMITS } from '../model/routing.ts';
import { backendLines, isNamed } from './backend-section.ts';
import type { SectionContext } from './section-context.ts';
import { SideRequests } from './side-requests.ts';
import { assignSlots, capacityFor, newSlots, type Slots } from './slots.ts';

export interface Sections {
  /** In the order of the configuration. Those of Ingresses that have gone stay until the next worker. */
  readonly backends: readonly BackendModel[];
  /** The spare sections of backends that have none of their own, by the names of both. */
  readonly spares: ReadonlyMap<string, string>;
  /** By section. */
  readonly slots: ReadonlyMap<string, Slots>;
}

const SPARES_OF_A_KIND = 64;
/** Endpoints that a spare section has room for. */
const SPARE_ENDPOINTS = 6;

const ORDINARY: BackendModel = {
  ...{ name: 'spare', ingress: { namespace: '', name: '' }, service: '', policy: {}, isClosed: false, endpoints: [] },
  ...{ redirectsToHttps: false, rewritten: undefined, users: undefined, headers: [], upstreamCa: undefined },
  ...{ upstreamCertificate: undefined, clientCa: undefined, canary: undefined, uid: '', authHeaders: [] },
};
const ORDINARY_ROUTE: BackendModel = {
  ...ORDINARY,
  route: {
    ...{
      isBroken: false,
      isGrpc: false,
      isTcp: false,
      usesHttp2: false,
      requestHeaders: [],
      responseHeaders: [],
      mirrors: [],
    },
    ...{ isMirror: false, rewriteHost: undefined, rewritePath: undefined, redirect: undefined, cors: undefined },
    ...{ limits: NO_LIMITS, session: undefined, upstreamTls: undefined, clientCa: undefined },
  },
};
/** What ordinary backends need nothing of. */
const nothing = (): SectionContext => ({
  ...{ httpsPort: 0, fileOf: () => '', mapOf: () => '', userListOf: () => 'none', side: new SideRequests('') },
});
const ordinaryLines = (backend: BackendModel): readonly string[] => backendLines(backend, nothing());

interface Spare {
  readonly name: string;
  readonly lines: readonly string[];
  readonly text: string;
}
function sparesOf(kind: string, backend: BackendModel): readonly Spare[] {
  const lines = ordinaryLines(backend);
  const text = lines.join('\n');
  return Array.from({ length: SPARES_OF_A_KIND }, (_, index) => ({ name: `${kind}-${index + 1}`, lines, text }));
}
/** Of ordinary backends of Ingresses, and of routes. */
export const SPARES: readonly Spare[] = [...sparesOf('spare', ORDINARY), ...sparesOf('spare-route', ORDINARY_ROUTE)];

const EMPTY: Slots = { addresses: Array.from({ length: capacityFor(SPARE_ENDPOINTS) }, () => undefined), next: 0 };

const isOrdinary = ({ canary, endpoints }: BackendModel): boolean =>
  !canary && endpoints.length <= SPARE_ENDPOINTS && !endpoints.some(isNamed);

const firstSlots = ({ isClosed, endpoints }: BackendModel): Slots =>
  isClosed ? { addresses: [], next: 0 } : newSlots(endpoints);

/** Of a new worker: every backend has a section of its own. */
export function newSections(wanted: ReadonlyMap<string, BackendModel>): Sections {
  const slots = new Map([...wanted.values()].map((backend) => [backend.name, firstSlots(backend)]));
  for (const { name } of SPARES) slots.set(name, EMPTY);
  return { backends: [...wanted.values()], spares: new Map(), slots };
}

/** What the sections that there are can do for the wanted backends; undefined when they cannot. */
export function sectionsWithin(now: Sections, wanted: ReadonlyMap<string, BackendModel>): Sections | undefined {
  const own = new Set(now.backends.map(({ name }) => name));
  const spares = new Map([...now.spares].filter(([name]) => wanted.has(name)));
  const taken = new Set(spares.values());
  const free = SPARES.filter(({ name }) => !taken.has(name));
  for (const backend of wanted.values()) {
    if (own.has(backend.name)) continue;
    if (!isOrdinary(backend)) return undefined;
    if (spares.has(backend.name)) continue;
    const wantedText = ordinaryLines(backend).join('\n');
    const at = free.findIndex(({ text }) => text === wantedText);
    const [spare] = at < 0 ? [] : free.splice(at, 1);
    if (!spare) return undefined;
    spares.set(backend.name, spare.name);
  }
  const slots = new Map<string, Slots>();
  const assign = (section: string, endpoints: readonly string[]): boolean => {
    const before = now.slots.get(section);
    const after = before && assignSlots(before, endpoints);
    if (after) slots.set(section, after);
    return after !== undefined;
  };
  const ownerOf = new Map([...spares].map(([name, spare]) => [spare, wanted.get(name)]));
  for (const { name } of SPARES) if (!assign(name, ownerOf.get(name)?.endpoints ?? [])) return undefined;
  const backends = now.backends.map((old) => wanted.get(old.name) ?? { ...old, endpoints: [] });
  for (const { name, endpoints, isClosed } of backends) if (!assign(name, isClosed ? [] : endpoints)) return undefined;
  return { backends, spares, slots };
}
