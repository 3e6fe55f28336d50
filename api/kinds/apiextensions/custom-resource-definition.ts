import { deepEqual } from '../../machinery/deep-equal.ts';
import { createdColumn, nameColumn } from '../../machinery/columns.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import type { Kind } from '../../machinery/kind.ts';
import { MAX_PROBLEMS } from '../../machinery/limits.ts';
import { Messages } from '../../machinery/messages.ts';
import { isRecognizedFormat } from '../../machinery/structural/formats.ts';
import { statusSubresource } from '../../machinery/subresources.ts';
import { timeOf } from '../../machinery/time.ts';
import {
  CustomResourceDefinition,
  type CustomResourceDefinitionCondition,
  type CustomResourceDefinitionVersion,
} from '../../types/apiextensions/v1.gen.ts';
import { validateDefinition } from './definition-validation.ts';
import { decodeNestedSchemas, everySchema } from './nested-schemas.ts';

/** While the definition has it, there may be instances. */
export const CLEANUP_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io';

/** Sets a condition; its time changes with its status. */
export function setCondition(
  definition: CustomResourceDefinition,
  condition: Pick<CustomResourceDefinitionCondition, 'type' | 'status' | 'reason' | 'message'>,
  now: number,
): void {
  const status = (definition.status ??= {});
  const conditions = (status.conditions ??= []);
  const known = conditions.find(({ type }) => type === condition.type);
  const lastTransitionTime = known?.status === condition.status ? known.lastTransitionTime : timeOf(now);
  const next: CustomResourceDefinitionCondition = { ...condition, lastTransitionTime };
  if (known) conditions[conditions.indexOf(known)] = next;
  else conditions.push(next);
}

const orEmpty = <T>(list: T[] | null): T[] => list ?? [];

const kind = defineKind<CustomResourceDefinition>({
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  shortNames: ['crd', 'crds'],
  categories: ['api-extensions'],
  namespaced: false,
  freeFinalizers: true,
  schema: CustomResourceDefinition,
  subresources: [statusSubresource()],
  columns: [nameColumn(), createdColumn()],
  hasGeneration: true,
  applyDefaults: ({ spec, status = {} }) => {
    const { names } = spec;
    // A required list that is absent is decoded as null.
    spec.versions = orEmpty(spec.versions);
    names.singular ||= names.kind.toLowerCase();
    if (names.kind) names.listKind ||= `${names.kind}List`;
    spec.conversion ??= { strategy: 'None' };
    const { service } = spec.conversion.webhook?.clientConfig ?? {};
    if (service) service.port ??= 443;
    const stored = spec.versions.find(({ storage }) => storage);
    if (!status.storedVersions?.length && stored) status.storedVersions = [stored.name];
  },
  prepareForCreate: (definition) => {
    const stored = definition.spec.versions.find(({ storage }) => storage);
    definition.status = {
      acceptedNames: { kind: '', plural: '' },
      conditions: null,
      storedVersions: stored ? [stored.name] : [],
    };
  },
  prepareForUpdate: (definition, old) => {
    const stored = definition.spec.versions.find(({ storage }) => storage)?.name;
    const before = definition.status?.storedVersions ?? [];
    if (stored !== undefined && !before.includes(stored) && !deepEqual(definition.spec, old.spec))
      (definition.status ??= {}).storedVersions = [...before, stored];
  },
  validate: (definition, old) => validateDefinition(definition, old),
  warnings: (definition, old) => {
    const before = new Set(old && unrecognizedFormats(old));
    return unrecognizedFormats(definition)
      .filter((format) => !before.has(format))
      .map((format) => `unrecognized format ${JSON.stringify(format)}`);
  },
  deletion: {
    // The first delete marks it: instances are deleted before it goes.
    isHeld: ({ metadata }) => metadata?.deletionTimestamp === undefined,
    markDeleted: (definition) => {
      const { metadata = {} } = definition;
      const finalizers = (metadata.finalizers ??= []);
      if (!finalizers.includes(CLEANUP_FINALIZER)) finalizers.push(CLEANUP_FINALIZER);
      setCondition(
        definition,
        {
          type: 'Terminating',
          status: 'True',
          reason: 'InstanceDeletionPending',
          message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
        },
        Date.now(),
      );
    },
  },
});

/** The formats of a definition's schemas that no value is validated by. */
function unrecognizedFormats({ spec }: CustomResourceDefinition): readonly string[] {
  const found = new Set<string>();
  for (const { schema } of spec.versions)
    for (const { type, format } of schema?.openAPIV3Schema ? everySchema(schema.openAPIV3Schema) : [])
      if (format && !isRecognizedFormat(type, format)) found.add(format);
  return [...found];
}

/** https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/ */
export const customResourceDefinitions: Kind<CustomResourceDefinition> = {
  ...kind,
  decode: (value) => {
    const decoded = kind.decode(value);
    const problems = new Messages(MAX_PROBLEMS, decoded.problems);
    // A required list that is absent is decoded as null.
    const { versions } = decoded.object.spec as { versions: CustomResourceDefinitionVersion[] | null };
    for (const [index, { schema }] of (versions ?? []).entries()) {
      const path = `spec.versions[${index}].schema.openAPIV3Schema`;
      if (schema?.openAPIV3Schema) decodeNestedSchemas(schema.openAPIV3Schema, path, problems);
    }
    return { ...decoded, problems: problems.list };
  },
};
