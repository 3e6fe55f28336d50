/** JSON merge patch, RFC 7386. */
import { isJsonObject, own, setOwn } from '../own.ts';

/** Returns a new value that may share parts with `target` and `patch`; neither is changed. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isJsonObject(patch)) return patch;
  const out: Record<string, unknown> = isJsonObject(target) ? { ...target } : {};
  for (const key of Object.keys(patch)) {
    const value = patch[key];
    if (value === null) delete out[key];
    else setOwn(out, key, isJsonObject(value) ? applyMergePatch(own(out, key), value) : value);
  }
  return out;
}
