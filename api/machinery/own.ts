/**
 * Properties of plain objects by a name that comes from outside: labels, annotations, data, anything that was JSON. Plain access
 * would find what every object inherits (`constructor`, `toString`), and writing `__proto__` would change what this one inherits.
 * The lint rule `kedge/own-keys` sends whoever uses such a key here. A table of our own is better off as a Map.
 */

/** The plain object's own property of this name; undefined when it has none. */
export function own<T>(object: { readonly [key: string]: T } | undefined, key: string): T | undefined {
  if (object === undefined) return undefined;
  // eslint-disable-next-line kedge/own-keys -- what it finds is looked at below
  const value = object[key];
  // What plain objects inherit is functions, and `__proto__`. To ask for every key whose it is would cost decoding a tenth.
  return (typeof value !== 'function' && key !== '__proto__') || Object.hasOwn(object, key) ? value : undefined;
}

/** Gives the object an own property of this name. */
export function setOwn<T>(object: { [key: string]: T }, key: string, value: T): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  // eslint-disable-next-line kedge/own-keys -- any other name is an ordinary property
  else object[key] = value;
}
