/** The APIServices of what this server serves itself: upstream's `autoregister` and `crdregistration` controllers. */
import { apiServices, AVAILABLE } from '../../../api/kinds/apiregistration/api-service.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../../api/machinery/status-error.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import type { APIService } from '../../../api/types/apiregistration/v1.gen.ts';
import type { Logger } from '../../../client/logger.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import type { ServedKinds } from '../catalogue/served-kinds.ts';
import { yields } from './yielding.ts';

const MANAGED_LABEL = 'kube-aggregator.kubernetes.io/automanaged';
/** The built-in groups, which are written at the start, and those that come and go. */
const ON_START = 'onstart';
const ALWAYS = 'true';

/** Upstream's `apiVersionPriorities`: where discovery shows a group. */
const GROUP_PRIORITIES: ReadonlyMap<string, number> = new Map([
  ['', 18_000],
  ['apps', 17_800],
  ['events.k8s.io', 17_750],
  ['authentication.k8s.io', 17_700],
  ['authorization.k8s.io', 17_600],
  ['autoscaling', 17_500],
  ['batch', 17_400],
  ['certificates.k8s.io', 17_300],
  ['networking.k8s.io', 17_200],
  ['policy', 17_100],
  ['rbac.authorization.k8s.io', 17_000],
  ['storage.k8s.io', 16_800],
  ['apiextensions.k8s.io', 16_700],
  ['admissionregistration.k8s.io', 16_700],
  ['scheduling.k8s.io', 16_600],
  ['coordination.k8s.io', 16_500],
  ['node.k8s.io', 16_300],
  ['discovery.k8s.io', 16_200],
  ['flowcontrol.apiserver.k8s.io', 16_100],
  ['resource.k8s.io', 15_900],
]);
const VERSION_PRIORITIES: ReadonlyMap<string, number> = new Map([
  ['v1.', 1],
  ['v2.autoscaling', 30],
]);
const BUILT_IN_VERSION_PRIORITY = 15;
const CUSTOM_GROUP_PRIORITY = 1000;
const CUSTOM_VERSION_PRIORITY = 100;
/** It is the server that registers, and so not registered. */
const OWN_GROUP = 'apiregistration.k8s.io';

export interface AutoRegistrationOptions {
  readonly api: Pick<LocalApi, 'get' | 'list' | 'create' | 'update' | 'updateStatus' | 'delete'>;
  readonly kinds: ServedKinds;
  readonly logger: Pick<Logger, 'error'>;
  readonly signal: AbortSignal;
}

/** The APIServices of some kinds, by name. */
export function localApiServices(kinds: Iterable<Kind>): Map<string, APIService> {
  const wanted = new Map<string, APIService>();
  for (const { group, version } of kinds) {
    const name = `${version}.${group}`;
    if (group === OWN_GROUP || yields({ group }) || wanted.has(name)) continue;
    const priority = GROUP_PRIORITIES.get(group);
    const versionPriority = VERSION_PRIORITIES.get(name) ?? BUILT_IN_VERSION_PRIORITY;
    wanted.set(name, {
      metadata: { name, labels: { [MANAGED_LABEL]: priority === undefined ? ALWAYS : ON_START } },
      spec: {
        ...(group && { group }),
        version,
        groupPriorityMinimum: priority ?? CUSTOM_GROUP_PRIORITY,
        versionPriority: priority === undefined ? CUSTOM_VERSION_PRIORITY : versionPriority,
      },
    });
  }
  return wanted;
}

/** Resolves when they are there; then follows the kinds. Throws a StatusError. */
export async function keepLocalApiServices(options: AutoRegistrationOptions): Promise<void> {
  const { kinds, logger, signal } = options;
  await reconcile(options);
  let pending: Promise<void> | undefined;
  let isDirty = false;
  const follow = async (): Promise<void> => {
    while (isDirty && !signal.aborted) {
      isDirty = false;
      await reconcile(options).catch((error: unknown) => {
        if (!signal.aborted) logger.error({ err: error }, 'failed to register served group versions');
      });
    }
    pending = undefined;
  };
  kinds.onChange(() => {
    isDirty = true;
    pending ??= follow();
  });
}

async function reconcile({ api, kinds }: AutoRegistrationOptions): Promise<void> {
  const wanted = localApiServices([...kinds.resources].map(({ kind }) => kind));
  for (const object of wanted.values()) await ensure(api, object);
  for (const { metadata } of api.list(apiServices)) {
    const { name = '', uid, labels } = metadata ?? {};
    if (wanted.has(name) || labels?.[MANAGED_LABEL] === undefined) continue;
    await api.delete(apiServices, '', name, { preconditions: { uid } }).catch(ignoreRaces);
  }
}

async function ensure(api: AutoRegistrationOptions['api'], wanted: APIService): Promise<void> {
  const name = wanted.metadata?.name ?? '';
  const present = api.get(apiServices, '', name);
  // One without the label is somebody else's.
  if (present && present.metadata?.labels?.[MANAGED_LABEL] === undefined) return;
  try {
    const current = present ?? (await api.create(apiServices, wanted));
    if (current.status?.conditions?.some(({ type, status }) => type === AVAILABLE && status === 'True')) return;
    const condition = {
      type: AVAILABLE,
      status: 'True',
      reason: 'Local',
      message: 'Local APIServices are always available',
      lastTransitionTime: timeOf(Date.now()),
    };
    await api.updateStatus(apiServices, { ...current, status: { conditions: [condition] } });
  } catch (error) {
    ignoreRaces(error);
  }
}

/** Another server has been faster. */
function ignoreRaces(error: unknown): void {
  if (!isAlreadyExists(error) && !isConflict(error) && !isNotFound(error)) throw error;
}
