/**
 * Properties of plain objects by a name that comes from outside: labels, annotations, data, anything that was JSON. Plain access
 * would find what every object inherits (`constructor`, `toString`), and writing `__proto__` would change what this one inherits.
 * The lint rule `kedge/own-keys` sends whoever uses such a key here. A table of our own is better off as a Map.
 */

/** The object's own property of this name; undefined when it has none. */
export const own = <T>(object: { readonly [key: string]: T } | undefined, key: string): T | undefined =>
  // eslint-disable-next-line kedge/own-keys -- this is the check
  object !== undefined && Object.hasOwn(object, key) ? object[key] : undefined;

/** Gives the object an own property of this name. */
export function setOwn<T>(object: { [key: string]: T }, key: string, value: T): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  // eslint-disable-next-line kedge/own-keys -- any other name is an ordinary property
  else object[key] = value;
}
