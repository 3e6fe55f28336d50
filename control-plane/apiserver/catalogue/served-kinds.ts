/**
 * The set of kinds that are served. It changes while the server runs: what is computed of it is kept by `derived`, or updated by
 * `onChange`.
 */
import type { Kind } from '../../../api/machinery/kind.ts';
import type { ServedResource } from './served-resource.ts';

/** `resource` is served from now on, `previous` no longer. Undefined for a kind that is removed or new, respectively. */
export interface KindsChange {
  readonly resource: ServedResource | undefined;
  readonly previous: ServedResource | undefined;
}

const nameOf = (group: string, version: string, plural: string): string => `${group}/${version}/${plural}`;

export class ServedKinds {
  /** In discovery order; a replaced kind keeps its place. */
  readonly #byName = new Map<string, ServedResource>();
  readonly #byKind = new Map<Kind, ServedResource>();
  readonly #listeners = new Set<(change: KindsChange) => void>();
  #generation = 0;

  constructor(resources: Iterable<ServedResource> = []) {
    for (const resource of resources) this.add(resource);
  }

  get resources(): Iterable<ServedResource> {
    return this.#byName.values();
  }

  find(group: string, version: string, plural: string): ServedResource | undefined {
    return this.#byName.get(nameOf(group, version, plural));
  }

  of(kind: Kind): ServedResource | undefined {
    return this.#byKind.get(kind);
  }

  /** Finds a kind by the `kind` of its objects. */
  findKind(group: string, version: string, name: string): Kind | undefined {
    for (const kind of this.#byKind.keys()) {
      if (kind.kind === name && kind.group === group && kind.version === version) return kind;
    }
    return undefined;
  }

  hasGroupVersion(group: string, version: string): boolean {
    for (const kind of this.#byKind.keys()) if (kind.group === group && kind.version === version) return true;
    return false;
  }

  /** Throws when a kind of this group, version and plural is served. */
  add(resource: ServedResource): void {
    const { group, version, plural } = resource.kind;
    const name = nameOf(group, version, plural);
    if (this.#byName.has(name)) throw new Error(`${name} is served already`);
    this.#byName.set(name, resource);
    this.#byKind.set(resource.kind, resource);
    this.#announce({ resource, previous: undefined });
  }

  /** Throws unless `previous` is served and `resource` has the same group, version and plural. */
  replace(previous: ServedResource, resource: ServedResource): void {
    const name = this.#nameOfServed(previous);
    const { group, version, plural } = resource.kind;
    if (nameOf(group, version, plural) !== name)
      throw new Error(`${group}/${version}/${plural} cannot replace ${name}`);
    this.#byName.set(name, resource);
    this.#byKind.delete(previous.kind);
    this.#byKind.set(resource.kind, resource);
    this.#announce({ resource, previous });
  }

  /** Throws unless it is served. */
  remove(previous: ServedResource): void {
    this.#byName.delete(this.#nameOfServed(previous));
    this.#byKind.delete(previous.kind);
    this.#announce({ resource: undefined, previous });
  }

  /** Calls back with each change once readers see it. */
  onChange(listener: (change: KindsChange) => void): void {
    this.#listeners.add(listener);
  }

  /** Returns a getter of what `compute` returns, which runs when the getter is first called after a change. */
  derived<T>(compute: (kinds: readonly Kind[]) => T): () => T {
    let known: { readonly value: T; readonly generation: number } | undefined;
    return () => {
      if (known?.generation !== this.#generation) {
        const value = compute([...this.resources].map(({ kind }) => kind));
        known = { value, generation: this.#generation };
      }
      return known.value;
    };
  }

  #nameOfServed(resource: ServedResource): string {
    const { group, version, plural } = resource.kind;
    const name = nameOf(group, version, plural);
    if (this.#byName.get(name) !== resource) throw new Error(`${name} is not served, or in another form`);
    return name;
  }

  #announce(change: KindsChange): void {
    this.#generation++;
    for (const listener of this.#listeners) listener(change);
  }
}
