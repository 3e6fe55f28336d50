/** The FlowSchemas and PriorityLevelConfigurations of the cluster as requests are classified by them. */
import { CATCH_ALL, mandatoryLevels, mandatorySchemas } from '../../../api/kinds/flowcontrol/default-configuration.ts';
import { flowSchemas } from '../../../api/kinds/flowcontrol/flow-schema.ts';
import { priorityLevelConfigurations } from '../../../api/kinds/flowcontrol/priority-level-configuration.ts';
import type {
  FlowSchema,
  FlowSchemaSpec,
  PolicyRulesWithSubjects,
  PriorityLevelConfiguration,
  PriorityLevelConfigurationSpec,
} from '../../../api/types/flowcontrol/v1.gen.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import type { RequestInfo } from '../http/request-info.ts';
import type { User } from '../http/user.ts';
import { allocate, limitsOf, type Allocation, type Shares } from './concurrency.ts';
import { matchesRequest, rulesFor } from './flow-rules.ts';
import { PriorityLevel } from './priority-level.ts';

/** Upstream's `borrowingAdjustmentPeriod`. */
export const ADJUSTMENT_MS = 10_000;

/** A FlowSchema, with its level. */
export interface Flow {
  readonly schema: string;
  readonly level: PriorityLevel;
  readonly spec: FlowSchemaSpec;
  /** By the uids: names are not for everybody's eyes. */
  readonly responseHeaders: Readonly<Record<string, string>>;
}

/** The FlowSchemas that can be about requests of one user, in the order of precedence. */
type Candidates = readonly { readonly flow: Flow; readonly rules: readonly PolicyRulesWithSubjects[] }[];

/** What a FlowSchema or a level is compiled of: an object of the API, or a mandatory one that is not there. */
interface Source<Spec> {
  readonly metadata?: { readonly name?: string; readonly uid?: string; readonly generation?: number };
  readonly spec?: Spec;
}
type LevelSource = Source<PriorityLevelConfigurationSpec>;

const nameOf = ({ metadata }: Source<unknown>): string => metadata?.name ?? '';
const precedenceOf = ({ spec }: Source<FlowSchemaSpec>): number => spec?.matchingPrecedence ?? 0;

function sharesOf({ limited, exempt }: PriorityLevelConfigurationSpec): Shares {
  const { nominalConcurrencyShares, lendablePercent = 0 } = limited ?? exempt ?? {};
  const shares = nominalConcurrencyShares ?? 0;
  return { shares, lendablePercent, borrowingLimitPercent: limited ? limited.borrowingLimitPercent : 0 };
}

const UIDS = { schema: 'X-Kubernetes-PF-FlowSchema-UID', level: 'X-Kubernetes-PF-PriorityLevel-UID' };

/** Objects that have not been stored yet have no uid. */
function headersOf(schema: Source<unknown>, level: Source<unknown>): Record<string, string> {
  const [schemaUid, levelUid] = [schema.metadata?.uid, level.metadata?.uid];
  return { ...(schemaUid && { [UIDS.schema]: schemaUid }), ...(levelUid && { [UIDS.level]: levelUid }) };
}

export class FlowConfiguration {
  readonly #seats: number;
  readonly #schemaObjects = new Map<string, FlowSchema>();
  readonly #levelObjects = new Map<string, PriorityLevelConfiguration>();
  readonly #levels = new Map<string, PriorityLevel>();
  #flows: readonly Flow[] = [];
  #ofUsers = new WeakMap<User, Candidates>();
  #isCurrent = false;
  #adjustedAt = performance.now();
  #allocation: Allocation = { seats: [], fairFraction: 0 };

  /** @param seats of the whole server, without those of exempt requests. */
  constructor(seats: number) {
    this.#seats = seats;
  }

  /** Keeps up with the objects of the API; without it, only the mandatory ones are there. */
  follow(api: Pick<LocalApi, 'subscribe'>): void {
    api.subscribe(flowSchemas, ({ name, object }) => this.#changed(this.#schemaObjects, name, object));
    api.subscribe(priorityLevelConfigurations, ({ name, object }) => this.#changed(this.#levelObjects, name, object));
  }

  #changed<T extends Source<unknown>>(objects: Map<string, T>, name: string, object: T | undefined): void {
    const before = objects.get(name);
    if (object) objects.set(name, object);
    else objects.delete(name);
    // A change of the status does not concern requests.
    const isSame = (['uid', 'generation'] as const).every((key) => before?.metadata?.[key] === object?.metadata?.[key]);
    if (!isSame) this.#isCurrent = false;
  }

  get levels(): Iterable<PriorityLevel> {
    this.#compile();
    return this.#levels.values();
  }

  get allocation(): Allocation {
    return this.#allocation;
  }

  /** The first FlowSchema that is about the request. */
  flowOf(user: User, info: RequestInfo): Flow {
    if (!this.#isCurrent) this.#compile();
    let candidates = this.#ofUsers.get(user);
    if (!candidates) {
      candidates = this.#flows
        .map((flow) => ({ flow, rules: rulesFor(flow.spec.rules ?? [], user) }))
        .filter(({ rules }) => rules.length > 0);
      this.#ofUsers.set(user, candidates);
    }
    for (const { flow, rules } of candidates) if (matchesRequest(rules, info)) return flow;
    return this.#fallback;
  }

  /** Nobody is neither authenticated nor unauthenticated, but for tests. */
  get #fallback(): Flow {
    const flow = this.#flows.find(({ schema }) => schema === CATCH_ALL);
    if (!flow) throw new Error('the mandatory FlowSchema is missing');
    return flow;
  }

  #compile(): void {
    if (this.#isCurrent) return;
    const levels = withMandatory(this.#levelObjects, mandatoryLevels);
    this.#compileLevels(levels);
    const schemas = withMandatory(this.#schemaObjects, mandatorySchemas)
      // One whose level is missing is ignored.
      .filter(({ spec }) => levels.some((level) => nameOf(level) === spec?.priorityLevelConfiguration.name))
      .sort((a, b) => precedenceOf(a) - precedenceOf(b) || (nameOf(a) < nameOf(b) ? -1 : 1));
    this.#flows = schemas.flatMap((schema) => {
      const source = levels.find((level) => nameOf(level) === schema.spec?.priorityLevelConfiguration.name);
      const level = source && this.#levels.get(nameOf(source));
      if (!level || !schema.spec) return [];
      return { schema: nameOf(schema), level, spec: schema.spec, responseHeaders: headersOf(schema, source) };
    });
    this.#ofUsers = new WeakMap();
    this.#isCurrent = true;
    this.adjust();
  }

  #compileLevels(sources: readonly LevelSource[]): void {
    const names = new Set(sources.map(nameOf));
    // Requests that wait in a level that is gone are served as its others end.
    for (const name of this.#levels.keys()) if (!names.has(name)) this.#levels.delete(name);
    const specs = sources.map(({ spec = { type: '' } }) => spec);
    const allShares = specs.reduce((sum, spec) => sum + sharesOf(spec).shares, 0);
    for (const [index, source] of sources.entries()) {
      const spec = specs[index] ?? { type: '' };
      const name = nameOf(source);
      const level = this.#levels.get(name) ?? new PriorityLevel(name, performance.now());
      level.configure(spec, limitsOf(sharesOf(spec), allShares, this.#seats));
      this.#levels.set(name, level);
    }
  }

  /** Divides the seats anew by what each level has needed since the last time. */
  adjust(): void {
    const now = performance.now();
    const periods = (now - this.#adjustedAt) / ADJUSTMENT_MS;
    this.#adjustedAt = now;
    const levels = [...this.#levels.values()];
    for (const { demand } of levels) demand.endPeriod(now, periods);
    const demands = levels.map(({ isExempt, limits, demand: { highWatermark, smoothed } }) => ({
      isExempt,
      limits,
      highWatermark,
      smoothed,
    }));
    this.#allocation = allocate(demands);
    for (const [index, level] of levels.entries()) level.limit = this.#allocation.seats[index] ?? level.limits.nominal;
  }
}

/** The objects, and the mandatory ones that are missing. */
function withMandatory<Spec, T extends Source<Spec>>(
  objects: ReadonlyMap<string, T>,
  mandatory: readonly Source<Spec>[],
): Source<Spec>[] {
  return [...objects.values(), ...mandatory.filter((one) => !objects.has(nameOf(one)))];
}
