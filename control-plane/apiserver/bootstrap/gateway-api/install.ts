/**
 * The Gateway API in a new cluster: its definitions, the rights of the controller, and a GatewayClass. Each is made once in the life of a
 * cluster. Definitions that somebody else has installed stay as they are, and none are added to them: releases do not mix.
 */
import {
  BUNDLE_VERSION_ANNOTATION,
  GATEWAY_BUNDLE_VERSION,
  GATEWAY_CLASS,
  GATEWAY_CONTROLLER,
  GATEWAY_GROUP,
} from '../../../../api/domain/gateway-api.ts';
import { INGRESS_NAMESPACE } from '../../../../api/domain/ingress-addon.ts';
import { customResourceDefinitions } from '../../../../api/kinds/apiextensions/custom-resource-definition.ts';
import { clusterRoleBindings } from '../../../../api/kinds/rbac/cluster-role-binding.ts';
import { clusterRoles } from '../../../../api/kinds/rbac/cluster-role.ts';
import type { Kind, KubeObject } from '../../../../api/machinery/kind.ts';
import { own } from '../../../../api/machinery/own.ts';
import { isAlreadyExists, StatusError } from '../../../../api/machinery/status-error.ts';
import type { CustomResourceDefinition } from '../../../../api/types/apiextensions/v1.gen.ts';
import type { ClusterRole } from '../../../../api/types/rbac/v1.gen.ts';
import type { Logger } from '../../../../client/logger.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import type { ServedKinds } from '../../catalogue/served-kinds.ts';
import { makeOnce } from '../made-once.ts';
import { CHANNEL, gatewayDefinitions, STANDARD } from './definitions.ts';

type Api = Pick<LocalApi, 'get' | 'list' | 'create' | 'update' | 'subscribe'>;

export interface GatewayApiOptions {
  readonly api: Api;
  readonly kinds: ServedKinds;
  readonly logger: Logger;
}

const NAME = 'kedge-gateway';
const MANAGED_BY = 'app.kubernetes.io/managed-by';
const LABELS = { [MANAGED_BY]: 'kedge' };
const CLASS_DEFINITION = `gatewayclasses.${GATEWAY_GROUP}`;

/** Resolves when the definitions are there. The GatewayClass follows as soon as its kind is served. */
export async function offerGatewayApi({ api, kinds, logger }: GatewayApiOptions): Promise<void> {
  const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      logger.warn({ err: error, what }, 'failed to offer the Gateway API');
    }
  };
  await attempt('definitions', () => makeOnce(api, 'kedge.io/gateway-api', () => installDefinitions(api)));
  await attempt('newer definitions', () => updateDefinitions(api));
  api.subscribe(customResourceDefinitions, ({ name, object }) => {
    if (name !== CLASS_DEFINITION || !isEstablished(object)) return;
    const kind = kinds.findKind(GATEWAY_GROUP, 'v1', 'GatewayClass');
    if (!kind) return;
    attempt('GatewayClass', () => makeOnce(api, 'kedge.io/gateway-class', () => makeClass(api, kind))).catch(
      (error: unknown) => logger.error({ err: error }, 'failed to offer the Gateway API'),
    );
  });
}

const isEstablished = (definition: CustomResourceDefinition | undefined): boolean =>
  (definition?.status?.conditions ?? []).some(({ type, status }) => type === 'Established' && status === 'True');

async function makeMissing<T extends KubeObject>(api: Api, kind: Kind<T>, object: T): Promise<void> {
  try {
    await api.create(kind, object);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

/** Kinds with a status, which the controller writes. */
const WRITTEN = [
  'gatewayclasses',
  'gateways',
  'httproutes',
  'grpcroutes',
  'tlsroutes',
  'listenersets',
  'backendtlspolicies',
];
const ROLE: ClusterRole = {
  metadata: { name: NAME, labels: LABELS },
  rules: [
    { apiGroups: [GATEWAY_GROUP], resources: [...WRITTEN, 'referencegrants'], verbs: ['list', 'watch'] },
    { apiGroups: [GATEWAY_GROUP], resources: WRITTEN.map((plural) => `${plural}/status`), verbs: ['patch'] },
    // Listeners select the namespaces of their routes by label.
    { apiGroups: [''], resources: ['namespaces'], verbs: ['list', 'watch'] },
  ],
};

async function installDefinitions(api: Api): Promise<void> {
  await makeMissing(api, clusterRoles, ROLE);
  await makeMissing(api, clusterRoleBindings, {
    metadata: { name: NAME, labels: LABELS },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: NAME },
    subjects: [{ kind: 'ServiceAccount', name: INGRESS_NAMESPACE, namespace: INGRESS_NAMESPACE }],
  });
  const isOthers = api
    .list(customResourceDefinitions)
    .some(({ metadata: found, spec }) => spec.group === GATEWAY_GROUP && own(found?.labels, MANAGED_BY) !== 'kedge');
  if (isOthers) return;
  for (const definition of gatewayDefinitions(LABELS)) await makeMissing(api, customResourceDefinitions, definition);
}

/** Definitions that an older server has made become those of this one, with kinds that are new and the rights to them. */
async function updateDefinitions(api: Api): Promise<void> {
  let isUpdated = false;
  const wantedOnes = gatewayDefinitions(LABELS);
  for (const wanted of wantedOnes) {
    const present = api.get(customResourceDefinitions, '', wanted.metadata?.name ?? '');
    const { labels, annotations } = present?.metadata ?? {};
    if (!present || own(labels, MANAGED_BY) !== 'kedge') continue;
    // Whoever has put the experimental channel in their place has objects with fields that this one drops.
    if (own(annotations, CHANNEL) !== STANDARD) continue;
    if (!isOlder(own(annotations, BUNDLE_VERSION_ANNOTATION) ?? '', GATEWAY_BUNDLE_VERSION)) continue;
    const metadata = { ...present.metadata, annotations: { ...annotations, ...wanted.metadata?.annotations } };
    await api.update(customResourceDefinitions, { ...present, metadata, spec: wanted.spec });
    isUpdated = true;
  }
  if (!isUpdated) return;
  for (const wanted of wantedOnes) await makeMissing(api, customResourceDefinitions, wanted);
  const role = api.get(clusterRoles, '', NAME);
  if (role) await api.update(clusterRoles, { ...role, rules: ROLE.rules });
}

/** Of two releases as `v1.4.1`; what is none is not older. */
export function isOlder(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => /^v(\d{1,4})\.(\d{1,4})\.(\d{1,4})$/.exec(text)?.slice(1).map(Number));
  if (!left || !right) return false;
  for (const [index, number] of left.entries()) {
    const other = right[index] ?? 0;
    if (number !== other) return number < other;
  }
  return false;
}

const makeClass = (api: Api, kind: Kind): Promise<unknown> =>
  api.create(kind, {
    metadata: { name: GATEWAY_CLASS, labels: LABELS },
    spec: { controllerName: GATEWAY_CONTROLLER, description: 'HAProxy on every node (kedge)' },
  } as KubeObject);
