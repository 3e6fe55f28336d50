/** The CustomResourceDefinitions of the Gateway API, standard channel. */
import {
  BUNDLE_VERSION_ANNOTATION,
  GATEWAY_BUNDLE_VERSION,
  GATEWAY_GROUP,
} from '../../../../api/domain/gateway-api.ts';
import { customResourceDefinitions } from '../../../../api/kinds/apiextensions/custom-resource-definition.ts';
import type { CustomResourceDefinition } from '../../../../api/types/apiextensions/v1.gen.ts';
import { backendTlsPolicySchema } from './backend-tls-policy.ts';
import { gatewayClassSchema, gatewaySchema } from './gateway.ts';
import { grpcRouteSchema } from './grpc-route.ts';
import { httpRouteSchema } from './http-route.ts';
import { listenerSetSchema } from './listener-set.ts';
import { atomicList, group, kind, namespace, object, objectName, type Schema } from './schema.ts';
import { tlsRouteSchema } from './tls-route.ts';

export const CHANNEL = 'gateway.networking.k8s.io/channel';
export const STANDARD = 'standard';

interface Definition {
  readonly kind: string;
  readonly plural: string;
  readonly shortNames?: readonly string[];
  readonly isClusterScoped?: boolean;
  /** The first is the one that is stored. */
  readonly versions: readonly string[];
  readonly schema: Schema;
  readonly columns: readonly Column[];
  readonly hasStatus: boolean;
  /** It says something about an object that it names. */
  readonly isPolicy?: boolean;
}

interface Column {
  readonly name: string;
  readonly type: 'string' | 'date';
  readonly jsonPath: string;
  readonly priority?: number;
}

const column = (name: string, jsonPath: string): Column => ({ name, type: 'string', jsonPath });
const AGE: Column = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };
const HOSTNAMES = column('Hostnames', '.spec.hostnames');
const conditionColumn = (type: string): Column => column(type, `.status.conditions[?(@.type=="${type}")].status`);

const referenceGrantSchema = object(
  {
    spec: object(
      {
        from: atomicList(object({ group, kind, namespace }, ['group', 'kind', 'namespace']), 16, 1),
        to: atomicList(object({ group, kind, name: objectName }, ['group', 'kind']), 16, 1),
      },
      ['from', 'to'],
    ),
  },
  ['spec'],
);

const DEFINITIONS: readonly Definition[] = [
  {
    ...{ kind: 'GatewayClass', plural: 'gatewayclasses', shortNames: ['gc'], isClusterScoped: true },
    ...{ versions: ['v1', 'v1beta1'], schema: gatewayClassSchema, hasStatus: true },
    columns: [
      column('Controller', '.spec.controllerName'),
      conditionColumn('Accepted'),
      AGE,
      { ...column('Description', '.spec.description'), priority: 1 },
    ],
  },
  {
    ...{ kind: 'Gateway', plural: 'gateways', shortNames: ['gtw'] },
    ...{ versions: ['v1', 'v1beta1'], schema: gatewaySchema, hasStatus: true },
    columns: [
      column('Class', '.spec.gatewayClassName'),
      column('Address', '.status.addresses[*].value'),
      conditionColumn('Programmed'),
      AGE,
    ],
  },
  {
    ...{ kind: 'HTTPRoute', plural: 'httproutes', versions: ['v1', 'v1beta1'] },
    ...{ schema: httpRouteSchema, columns: [HOSTNAMES, AGE], hasStatus: true },
  },
  {
    ...{ kind: 'GRPCRoute', plural: 'grpcroutes', versions: ['v1'] },
    ...{ schema: grpcRouteSchema, columns: [HOSTNAMES, AGE], hasStatus: true },
  },
  {
    ...{ kind: 'TLSRoute', plural: 'tlsroutes', versions: ['v1'] },
    ...{ schema: tlsRouteSchema, columns: [AGE], hasStatus: true },
  },
  {
    ...{ kind: 'ListenerSet', plural: 'listenersets', shortNames: ['lset'], versions: ['v1'] },
    ...{ schema: listenerSetSchema, hasStatus: true },
    columns: [conditionColumn('Accepted'), conditionColumn('Programmed'), AGE],
  },
  {
    ...{ kind: 'BackendTLSPolicy', plural: 'backendtlspolicies', shortNames: ['btlspolicy'], versions: ['v1'] },
    ...{ schema: backendTlsPolicySchema, columns: [AGE], hasStatus: true, isPolicy: true },
  },
  {
    ...{ kind: 'ReferenceGrant', plural: 'referencegrants', shortNames: ['refgrant'], versions: ['v1beta1', 'v1'] },
    ...{ schema: referenceGrantSchema, columns: [AGE], hasStatus: false },
  },
];

/** What every object has beside its own fields. */
const IDENTITY = { apiVersion: { type: 'string' }, kind: { type: 'string' }, metadata: { type: 'object' } };

function definitionOf(definition: Definition, labels: Readonly<Record<string, string>>): CustomResourceDefinition {
  const {
    plural,
    shortNames = [],
    isClusterScoped = false,
    versions,
    schema,
    columns,
    hasStatus,
    isPolicy,
  } = definition;
  const { properties } = schema as { properties: object };
  const { object: decoded, problems } = customResourceDefinitions.decode({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.${GATEWAY_GROUP}`,
      labels: { ...labels, ...(isPolicy && { [`${GATEWAY_GROUP}/policy`]: 'Direct' }) },
      annotations: {
        'api-approved.kubernetes.io': 'https://github.com/kubernetes-sigs/gateway-api/pull/4530',
        [BUNDLE_VERSION_ANNOTATION]: GATEWAY_BUNDLE_VERSION,
        [CHANNEL]: STANDARD,
      },
    },
    spec: {
      group: GATEWAY_GROUP,
      names: {
        ...{ kind: definition.kind, listKind: `${definition.kind}List`, plural },
        ...{ singular: definition.kind.toLowerCase(), categories: ['gateway-api'] },
        ...(shortNames.length > 0 && { shortNames }),
      },
      scope: isClusterScoped ? 'Cluster' : 'Namespaced',
      versions: versions.map((name, index) => ({
        ...{ name, served: true, storage: index === 0, additionalPrinterColumns: columns },
        ...(hasStatus && { subresources: { status: {} } }),
        schema: { openAPIV3Schema: { ...schema, properties: { ...IDENTITY, ...properties } } },
      })),
    },
  });
  if (problems.length > 0) throw new Error(`definition of ${definition.kind}: ${problems.join('; ')}`);
  return decoded;
}

export const gatewayDefinitions = (labels: Readonly<Record<string, string>>): readonly CustomResourceDefinition[] =>
  DEFINITIONS.map((each) => definitionOf(each, labels));
