import { decoderOf } from './decode.ts';
import type { Kind, KindDefinition, KubeObject } from './kind.ts';
import { validateSubdomainName } from './names.ts';

const nothing = (): void => {};
const noErrors = (): [] => [];

/** Completes a kind's definition with what most kinds have in common. */
export function defineKind<T extends KubeObject>(definition: KindDefinition<T>): Kind<T> {
  return {
    singular: definition.kind.toLowerCase(),
    shortNames: [],
    categories: [],
    verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
    persisted: true,
    subresources: [],
    columns: [],
    selectableFields: {},
    hasGeneration: false,
    validateName: validateSubdomainName,
    createOnUpdate: false,
    unconditionalUpdate: true,
    returnDeletedObject: false,
    applyDefaults: nothing,
    prepareForCreate: nothing,
    prepareForUpdate: nothing,
    validate: noErrors,
    validateUpdate: noErrors,
    warnings: noErrors,
    decode: decoderOf(definition.schema),
    ...definition,
  };
}

/** `apps/v1`, or `v1` for the core group. */
export const apiVersionOf = ({ group, version }: { group: string; version: string }): string =>
  group ? `${group}/${version}` : version;

/** `deployments.apps`, or `pods` for the core group: how upstream's messages name a resource. */
export const groupResource = ({ group, plural }: { group: string; plural: string }): string =>
  group ? `${plural}.${group}` : plural;
