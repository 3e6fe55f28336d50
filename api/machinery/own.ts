/**
 * Access to properties of plain objects by keys from outside: labels, annotations, data, anything that was JSON. Plain access would
 * find inherited properties (`constructor`, `toString`), and writing `__proto__` would change the prototype. The lint rule
 * `kedge/own-keys` requires these functions for such keys. Tables of our own are Maps instead.
 */

/** Whether parsed JSON is an object. */
export const isJsonObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The object's own property of this name; undefined when it has none. */
export function own<T>(object: { readonly [key: string]: T } | undefined, key: string): T | undefined {
  if (object === undefined) return undefined;
  // eslint-disable-next-line kedge/own-keys -- what it finds is looked at below
  const value = object[key];
  // Plain objects inherit only functions and `__proto__`. Testing every key would make decoding ten percent slower.
  return (typeof value !== 'function' && key !== '__proto__') || Object.hasOwn(object, key) ? value : undefined;
}

/** Sets an own property of this name. */
export function setOwn<T>(object: { [key: string]: T }, key: string, value: T): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  // eslint-disable-next-line kedge/own-keys -- any other name is an ordinary property
  else object[key] = value;
}
