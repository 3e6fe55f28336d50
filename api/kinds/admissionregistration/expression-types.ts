/** The types of what expressions of webhooks and policies may refer to: upstream's `plugin/cel/compile.go`. */
import { BOOL, DYN, INT, listOf, mapOf, STRING, struct, TIMESTAMP, type CelType } from '../../machinery/cel/types.ts';

const structOf = (name: string, fields: Readonly<Record<string, CelType>>): CelType => {
  const known = new Map(Object.entries(fields));
  return struct(`kubernetes.${name}`, (field) => known.get(field));
};

const strings = listOf(STRING);

const groupVersionKind = structOf('GroupVersionKind', { group: STRING, version: STRING, kind: STRING });
const groupVersionResource = structOf('GroupVersionResource', { group: STRING, version: STRING, resource: STRING });

/** `request`: an AdmissionRequest without its uid and its objects, which are variables of their own. */
export const REQUEST = structOf('AdmissionRequest', {
  kind: groupVersionKind,
  resource: groupVersionResource,
  subResource: STRING,
  requestKind: groupVersionKind,
  requestResource: groupVersionResource,
  requestSubResource: STRING,
  name: STRING,
  namespace: STRING,
  operation: STRING,
  userInfo: structOf('UserInfo', {
    username: STRING,
    uid: STRING,
    groups: strings,
    extra: mapOf(STRING, strings),
  }),
  dryRun: BOOL,
  options: DYN,
});

/** `namespaceObject`: of metadata what does not change all the time. */
export const NAMESPACE = structOf('Namespace', {
  metadata: structOf('NamespaceMetadata', {
    name: STRING,
    generateName: STRING,
    namespace: STRING,
    labels: mapOf(STRING, STRING),
    annotations: mapOf(STRING, STRING),
    UID: STRING,
    creationTimestamp: TIMESTAMP,
    deletionGracePeriodSeconds: INT,
    deletionTimestamp: TIMESTAMP,
    generation: INT,
    resourceVersion: STRING,
    finalizers: strings,
  }),
  spec: structOf('NamespaceSpec', { finalizers: strings }),
  status: structOf('NamespaceStatus', {
    conditions: listOf(
      structOf('NamespaceCondition', {
        status: STRING,
        type: STRING,
        lastTransitionTime: TIMESTAMP,
        message: STRING,
        reason: STRING,
      }),
    ),
    phase: STRING,
  }),
});
