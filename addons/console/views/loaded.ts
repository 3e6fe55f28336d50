/** Something that a view reads from the server when it appears. */
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

export type Loaded<T> =
  | { readonly kind: 'loading' }
  | { readonly kind: 'loaded'; readonly value: T }
  | { readonly kind: 'failed'; readonly error: unknown };

/** Reads again when one of `inputs` is another one; what is under way then is aborted. */
export function useLoaded<T>(read: (signal: AbortSignal) => Promise<T>, inputs: readonly unknown[]): Loaded<T> {
  const state = useSignal<Loaded<T>>({ kind: 'loading' });
  useEffect(() => {
    const leaving = new AbortController();
    read(leaving.signal).then(
      (value) => {
        if (!leaving.signal.aborted) state.value = { kind: 'loaded', value };
      },
      (error: unknown) => {
        if (!leaving.signal.aborted) state.value = { kind: 'failed', error };
      },
    );
    return () => leaving.abort();
  }, inputs);
  return state.value;
}
