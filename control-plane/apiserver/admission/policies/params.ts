/** The objects that parametrize a policy: upstream's `CollectParams`. */
import type { KubeObject } from '../../../../api/machinery/kind.ts';
import { selectorFrom } from '../../../../api/machinery/selectors.ts';
import type { ParamKind, ParamRef } from '../../../../api/types/admissionregistration/v1.gen.ts';
import type { ServedKinds } from '../../catalogue/served-kinds.ts';
import type { ServedResource } from '../../catalogue/served-resource.ts';

/** A policy or a binding cannot be used as it is. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
}

export class Params {
  readonly #kinds: ServedKinds;
  /** By the bytes of an object: gone with its revision. */
  readonly #parsed = new WeakMap<Buffer, KubeObject>();

  constructor(kinds: ServedKinds) {
    this.#kinds = kinds;
  }

  /** The resource of a kind of parameters. Throws ConfigurationError when it is not served. */
  resource({ apiVersion = '', kind = '' }: ParamKind): ServedResource {
    const slash = apiVersion.indexOf('/');
    const [group, version] = [apiVersion.slice(0, Math.max(slash, 0)), apiVersion.slice(slash + 1)];
    const known = this.#kinds.findKind(group, version, kind);
    const resource = known && this.#kinds.of(known);
    if (resource?.kind.verbs.includes('list')) return resource;
    const named = `${group}/${version}, Kind=${kind}`;
    throw new ConfigurationError(`failed to find resource referenced by paramKind: '${named}'`);
  }

  /**
   * The parameters that a binding refers to; undefined stands for none. Empty when there are none and the binding allows that.
   * The objects are shared and must not be changed. Throws ConfigurationError.
   * @param namespace of the request
   */
  of(resource: ServedResource | undefined, ref: ParamRef | undefined, namespace: string): (KubeObject | undefined)[] {
    if (!resource || !ref) return [undefined];
    const found = this.#find(resource, ref, paramsNamespace(resource, ref, namespace));
    if (found.length === 0 && ref.parameterNotFoundAction === 'Deny')
      throw new ConfigurationError('no params found for policy binding with `Deny` parameterNotFoundAction');
    return found;
  }

  #find(resource: ServedResource, { name, selector }: ParamRef, namespace: string): KubeObject[] {
    if (name) {
      const entry = resource.cache.get(namespace, name);
      return entry ? [this.#parse(resource, entry.bytes)] : [];
    }
    const selected = selectorFrom(selector);
    const found: KubeObject[] = [];
    for (const { labels, bytes } of resource.cache.entries(namespace))
      if (selected.matches(labels)) found.push(this.#parse(resource, bytes));
    return found;
  }

  #parse(resource: ServedResource, bytes: Buffer): KubeObject {
    // Two versions of a kind share the bytes, but not what is made of them.
    if (resource.converts) return resource.parse(bytes);
    const known = this.#parsed.get(bytes);
    if (known) return known;
    const object = resource.parse(bytes);
    this.#parsed.set(bytes, object);
    return object;
  }
}

/** '' for cluster-scoped kinds. */
function paramsNamespace({ kind }: ServedResource, { namespace = '' }: ParamRef, ofRequest: string): string {
  if (!kind.namespaced) {
    if (namespace === '') return '';
    throw new ConfigurationError('paramRef.namespace must not be provided for a cluster-scoped `paramKind`');
  }
  const used = namespace || ofRequest;
  if (used !== '') return used;
  throw new ConfigurationError(
    'cannot use namespaced paramRef in policy binding that matches cluster-scoped resources',
  );
}
