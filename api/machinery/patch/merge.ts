/** JSON merge patch, RFC 7386. */
import { own, setOwn } from '../own.ts';

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Returns a new value that may share parts with `target` and `patch`; neither is changed. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const out: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const key of Object.keys(patch)) {
    const value = patch[key];
    if (value === null) delete out[key];
    else setOwn(out, key, isObject(value) ? applyMergePatch(own(out, key), value) : value);
  }
  return out;
}
