/** Finds out whose configuration the proxy refuses. Pure but for what it asks. */

/** The proxy refuses a configuration, and leaving out single Ingresses does not help. */
export class ConfigurationRefusedError extends Error {
  override readonly name = 'ConfigurationRefusedError';
}

/** Of more at once, something else is wrong. */
const MAX_REFUSED = 50;

/**
 * The least of `keys` without which the configuration is accepted, found by halving.
 * @param problemWithout what is wrong with it without these; undefined when it is accepted
 * @throws ConfigurationRefusedError
 */
export async function findRefused(
  keys: readonly string[],
  problemWithout: (refused: ReadonlySet<string>) => Promise<string | undefined>,
): Promise<ReadonlySet<string>> {
  const refused = new Set<string>();
  for (;;) {
    const problem = await problemWithout(refused);
    if (problem === undefined) return refused;
    const left = keys.filter((key) => !refused.has(key));
    const without = (from: number) => problemWithout(new Set([...refused, ...left.slice(from)]));
    if (refused.size >= MAX_REFUSED || left.length === 0 || (await without(0)) !== undefined)
      throw new ConfigurationRefusedError(`the proxy refuses its configuration: ${problem}`);
    // It is accepted with the first `good` of those that are left, and not with the first `bad`.
    let [good, bad] = [0, left.length];
    while (bad - good > 1) {
      const middle = (good + bad) >> 1;
      if ((await without(middle)) === undefined) good = middle;
      else bad = middle;
    }
    refused.add(left[bad - 1]!);
  }
}
