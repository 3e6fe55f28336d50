import {
  isStoredSubresource,
  type HookContext,
  type Kind,
  type KubeObject,
  type UpdateRules,
} from '../../../api/machinery/kind.ts';

export const CONTEXT: HookContext = {
  user: { name: 'jane', groups: ['developers'] },
  now: Date.parse('2026-01-02T03:04:05Z'),
  warn: () => undefined,
};

/** The update rules of a subresource of the kind. */
export function updateThrough<T extends KubeObject>(kind: Kind<T>, name: string): UpdateRules<T> {
  const subresource = kind.subresources.find((each) => each.name === name);
  if (!subresource || !isStoredSubresource(subresource))
    throw new Error(`${kind.plural} have no update rules for ${name}`);
  return subresource.update;
}
