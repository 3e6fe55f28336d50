import { applies } from './applies.ts';
import { cel } from './cel.ts';
import type { Fuzzer } from './fuzzer.ts';
import { patches } from './patches.ts';
import { protobuf } from './protobuf.ts';
import { quantities } from './quantities.ts';
import { Random } from './random.ts';
import { schemas } from './schemas.ts';
import { selectors } from './selectors.ts';
import { spdy } from './spdy.ts';

export const FUZZERS: readonly Fuzzer[] = [applies, cel, patches, schemas, quantities, selectors, protobuf, spdy];

/** One case of a fuzzer. Rejects with the seed in the message. */
export async function runCase(fuzzer: Fuzzer, seed: number): Promise<void> {
  try {
    await fuzzer.run(new Random(seed));
  } catch (error) {
    throw new Error(`${fuzzer.name}, seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
