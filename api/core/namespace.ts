import { defineKind } from '../machinery/define-kind.ts';
import { always, atomic, merged, oneOf, string, struct, time, type Static } from '../machinery/schema.ts';
import { ObjectMeta } from '../meta/object-meta.ts';

export const NamespaceSpec = struct(
  'io.k8s.api.core.v1.NamespaceSpec',
  {},
  {
    finalizers: atomic(string()),
  },
);
export type NamespaceSpec = Static<typeof NamespaceSpec>;

export const NamespaceCondition = struct(
  'io.k8s.api.core.v1.NamespaceCondition',
  {
    status: string(),
    type: string(),
  },
  {
    lastTransitionTime: always(time()),
    message: string(),
    reason: string(),
  },
);
export type NamespaceCondition = Static<typeof NamespaceCondition>;

export const NamespaceStatus = struct(
  'io.k8s.api.core.v1.NamespaceStatus',
  {},
  {
    conditions: merged(NamespaceCondition, 'type'),
    phase: oneOf('Active', 'Terminating'),
  },
);
export type NamespaceStatus = Static<typeof NamespaceStatus>;

export const Namespace = struct(
  'io.k8s.api.core.v1.Namespace',
  {},
  {
    apiVersion: string(),
    kind: string(),
    metadata: always(ObjectMeta),
    spec: always(NamespaceSpec),
    status: always(NamespaceStatus),
  },
);
export type Namespace = Static<typeof Namespace>;

export const namespaces = defineKind<Namespace>({
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  shortNames: ['ns'],
  namespaced: false,
  schema: Namespace,
  verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
  subresources: [
    { name: 'finalize', verbs: ['update'] },
    { name: 'status', verbs: ['get', 'patch', 'update'] },
  ],
});
