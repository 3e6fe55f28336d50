/**
 * Looks for input that makes a parser, a patch or a schema misbehave: `npm run fuzz -- --minutes 10 --only schemas`. What has been
 * found is kept in `seeds.ts`, and a short run of each fuzzer is part of the unit tests.
 *
 *   --minutes N   for each fuzzer; the default is 1
 *   --only NAME   one of them
 *   --seed N      the first seed: by default one that nobody has run
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { FUZZERS, runCase } from './fuzzers.ts';

/** A case that takes longer is a finding: they are all small. */
const SLOW_MS = 2_000;
const MAX_SEED = 2 ** 31;

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '1' }, only: { type: 'string' }, seed: { type: 'string' } },
});
const limitMs = Number(values.minutes) * 60_000;
const chosen = FUZZERS.filter(({ name }) => values.only === undefined || values.only === name);
if (chosen.length === 0 || !(limitMs > 0))
  throw new Error(`nothing to run: ${FUZZERS.map(({ name }) => name).join(', ')}`);

let findings = 0;
for (const fuzzer of chosen) {
  const first = values.seed === undefined ? randomInt(MAX_SEED) : Number(values.seed);
  const startedAt = performance.now();
  let cases = 0;
  let slowest = { ms: 0, seed: first };
  for (let at = startedAt; at - startedAt < limitMs; cases++) {
    const seed = (first + cases) % MAX_SEED;
    try {
      await runCase(fuzzer, seed);
    } catch (error) {
      findings++;
      console.error(error);
    }
    const now = performance.now();
    if (now - at > slowest.ms) slowest = { ms: now - at, seed };
    if (now - at > SLOW_MS) {
      findings++;
      console.error(`${fuzzer.name}, seed ${seed}: it took ${Math.round(now - at)} ms`);
    }
    at = now;
  }
  console.log(
    `${fuzzer.name}: ${cases} cases from seed ${first}, the slowest ${Math.round(slowest.ms)} ms (${slowest.seed})`,
  );
}
console.log(`${findings} findings`);
process.exitCode = findings > 0 ? 1 : 0;
