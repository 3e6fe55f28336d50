/**
 * The default FlowSchemas and PriorityLevelConfigurations, and what the status of FlowSchemas says of their levels: upstream's
 * `pkg/registry/flowcontrol/ensurer`, and `presyncFlowSchemaStatus` of its configuration controller.
 */
import {
  AUTOUPDATE_ANNOTATION,
  EXEMPT,
  mandatoryLevels,
  mandatorySchemas,
  suggestedLevels,
  suggestedSchemas,
} from '../../../api/kinds/flowcontrol/default-configuration.ts';
import { flowSchemas } from '../../../api/kinds/flowcontrol/flow-schema.ts';
import { priorityLevelConfigurations } from '../../../api/kinds/flowcontrol/priority-level-configuration.ts';
import { semanticallyEqual } from '../../../api/machinery/deep-equal.ts';
import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import { parseBool } from '../../../api/machinery/parse-bool.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../../api/machinery/status-error.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import type { FlowSchema, PriorityLevelConfiguration } from '../../../api/types/flowcontrol/v1.gen.ts';
import type { Logger } from '../../../client/logger.ts';
import type { LocalApi } from '../catalogue/local-api.ts';

/** After a failure; otherwise they are looked at when they change. */
const RETRY_MS = 60_000;
const DANGLING = 'Dangling';

export interface FlowControlOptions {
  readonly api: LocalApi;
  readonly logger: Pick<Logger, 'error'>;
  readonly signal: AbortSignal;
}

/** Resolves when the objects are there; keeps them there until the signal is aborted. Throws a StatusError. */
export async function keepFlowControl({ api, logger, signal }: FlowControlOptions): Promise<void> {
  await reconcile(api);
  let isRunning = false;
  let isDirty = true;
  let retry: NodeJS.Timeout | undefined;
  const run = async (): Promise<void> => {
    isRunning = true;
    while (isDirty && !signal.aborted) {
      isDirty = false;
      await reconcile(api).catch((error: unknown) => {
        if (signal.aborted) return;
        logger.error({ err: error }, 'failed to reconcile priorities and flows');
        clearTimeout(retry);
        retry = setTimeout(changed, RETRY_MS).unref();
      });
    }
    isRunning = false;
  };
  const changed = (): void => {
    isDirty = true;
    if (!isRunning) void run();
  };
  api.subscribe(flowSchemas, changed);
  api.subscribe(priorityLevelConfigurations, changed);
  signal.addEventListener('abort', () => clearTimeout(retry), { once: true });
}

async function reconcile(api: LocalApi): Promise<void> {
  for (const level of suggestedLevels) await ensure(api, priorityLevelConfigurations, level, false);
  for (const schema of suggestedSchemas) await ensure(api, flowSchemas, schema, false);
  for (const level of mandatoryLevels) await ensure(api, priorityLevelConfigurations, level, true);
  for (const schema of mandatorySchemas) await ensure(api, flowSchemas, schema, true);
  await removeOthers(api, flowSchemas, [...mandatorySchemas, ...suggestedSchemas]);
  await removeOthers(api, priorityLevelConfigurations, [...mandatoryLevels, ...suggestedLevels]);
  for (const schema of api.list(flowSchemas)) await setDangling(api, schema);
}

type Configuration = FlowSchema | PriorityLevelConfiguration;

const annotationOf = ({ metadata }: KubeObject): boolean | undefined =>
  parseBool(metadata?.annotations?.[AUTOUPDATE_ANNOTATION]);

/** Creates what is missing. A suggested object is brought back to its default unless an operator has taken it over. */
async function ensure<T extends Configuration>(
  api: LocalApi,
  kind: Kind<T>,
  wanted: T,
  isMandatory: boolean,
): Promise<void> {
  const present = api.get(kind, '', wanted.metadata?.name ?? '');
  try {
    if (!present) {
      await api.create(kind, wanted);
      return;
    }
    const isKept = isMandatory || (annotationOf(present) ?? present.metadata?.generation === 1);
    const spec = isKept && !hasSpec(present, wanted) ? wanted.spec : present.spec;
    if (spec === present.spec && annotationOf(present) === isKept) return;
    const annotations = { ...present.metadata?.annotations, [AUTOUPDATE_ANNOTATION]: String(isKept) };
    await api.update(kind, { ...present, metadata: { ...present.metadata, annotations }, spec });
  } catch (error) {
    // Changed at the same time: that change is another reason to look.
    if (!isAlreadyExists(error) && !isConflict(error) && !isNotFound(error)) throw error;
  }
}

function hasSpec(present: Configuration, wanted: Configuration): boolean {
  if (wanted.metadata?.name !== EXEMPT || !('exempt' in (wanted.spec ?? {}))) {
    return semanticallyEqual(present.spec, wanted.spec);
  }
  // What the level `exempt` lends is the operator's to say.
  const exempt = (present as PriorityLevelConfiguration).spec?.exempt;
  return exempt !== undefined && semanticallyEqual(present.spec, { ...wanted.spec, exempt });
}

/** Deletes defaults of other releases: what says that it is kept, and is none of ours. */
async function removeOthers(api: LocalApi, kind: Kind, wanted: readonly KubeObject[]): Promise<void> {
  const names = new Set(wanted.map(({ metadata }) => metadata?.name));
  for (const object of api.list(kind)) {
    const { name = '', uid, resourceVersion } = object.metadata ?? {};
    if (names.has(name) || annotationOf(object) !== true) continue;
    try {
      await api.delete(kind, '', name, { preconditions: { uid, resourceVersion } });
    } catch (error) {
      if (!isConflict(error) && !isNotFound(error)) throw error;
    }
  }
}

async function setDangling(api: LocalApi, schema: FlowSchema): Promise<void> {
  const level = schema.spec?.priorityLevelConfiguration.name ?? '';
  const exists = api.has(priorityLevelConfigurations, '', level);
  const what = `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(level)}`;
  const wanted = {
    type: DANGLING,
    status: exists ? 'False' : 'True',
    reason: exists ? 'Found' : 'NotFound',
    message: exists ? `${what} and it exists` : `${what} but there is no such object`,
  };
  const conditions = schema.status?.conditions ?? [];
  const present = conditions.find(({ type }) => type === DANGLING);
  const isSame = (['status', 'reason', 'message'] as const).every((field) => present?.[field] === wanted[field]);
  if (isSame) return;
  const lastTransitionTime = present?.status === wanted.status ? present.lastTransitionTime : timeOf(Date.now());
  const others = conditions.filter((condition) => condition !== present);
  const status = { ...schema.status, conditions: [...others, { ...wanted, lastTransitionTime }] };
  try {
    await api.updateStatus(flowSchemas, { ...schema, status });
  } catch (error) {
    if (!isConflict(error) && !isNotFound(error)) throw error;
  }
}
