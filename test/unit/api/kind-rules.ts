/** What a kind makes of a manifest: its defaults, the errors of its validation, its columns. */
import { decodeObject } from '../../../api/machinery/decode.ts';
import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import { CONTEXT, updateThrough } from './updates.ts';

export function decoded<T extends KubeObject>(kind: Kind<T>, manifest: object): T {
  const { object } = decodeObject(kind, { metadata: { name: 'x', namespace: 'n' }, ...manifest });
  kind.applyDefaults(object);
  return object;
}

const causes = (errors: readonly { field: string; message: string }[]): string[] =>
  errors.map(({ field, message }) => `${field}: ${message}`);

/** The errors of an object as the client sends it. */
export function refused<T extends KubeObject>(kind: Kind<T>, manifest: object): string[] {
  const object = decoded(kind, manifest);
  return causes(kind.validate(object));
}

/** The errors of a create, with what the server sets: the object has the uid `u`. */
export function refusedCreate<T extends KubeObject>(kind: Kind<T>, manifest: object): string[] {
  const object = created(kind, manifest);
  return causes(kind.validate(object));
}

/** As it is stored: the object has the uid `u`. */
export function created<T extends KubeObject>(kind: Kind<T>, manifest: object): T {
  const object = decoded(kind, { metadata: { name: 'x', namespace: 'n', uid: 'u' }, ...manifest });
  kind.prepareForCreate(object, CONTEXT);
  return object;
}

export function refusedChange<T extends KubeObject>(kind: Kind<T>, before: object, after: object): string[] {
  const [old, object] = [decoded(kind, before), decoded(kind, after)];
  kind.prepareForUpdate(object, old, CONTEXT);
  return causes([...kind.validate(object, old), ...kind.validateUpdate(object, old)]);
}

export function refusedStatus<T extends KubeObject>(
  kind: Kind<T>,
  before: object,
  after: object,
  spec: object = {},
): string[] {
  const [old, object] = [decoded(kind, { spec, status: before }), decoded(kind, { spec, status: after })];
  return causes(updateThrough(kind, 'status').validate(object, old));
}

export const cells = <T extends KubeObject>(kind: Kind<T>, manifest: object, now = Date.now()) =>
  kind.columns.map((column) => column.cell(decoded(kind, manifest), now));
