/** The default class of a kind. */
import { newestName } from '../../../api/domain/default-class.ts';
import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import type { LocalApi } from '../catalogue/local-api.ts';

/** Returns the name of the current default class; undefined when there is none. */
export function defaultClass<T extends KubeObject>(
  api: Pick<LocalApi, 'subscribe'>,
  kind: Kind<T>,
  isDefault: (object: T) => boolean,
): () => string | undefined {
  /** When each was created. */
  const defaults = new Map<string, string>();
  api.subscribe(kind, ({ name, object }) => {
    if (object && isDefault(object)) defaults.set(name, object.metadata?.creationTimestamp ?? '');
    else defaults.delete(name);
  });
  return () => newestName(defaults);
}
