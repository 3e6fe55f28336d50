/** JSON merge patch, RFC 7386. */

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A new value that may share parts with `target` and `patch`; neither is changed. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const out: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const key of Object.keys(patch)) {
    const value = patch[key];
    if (key === '__proto__') continue;
    if (value === null) delete out[key];
    else out[key] = isObject(value) ? applyMergePatch(out[key], value) : value;
  }
  return out;
}
