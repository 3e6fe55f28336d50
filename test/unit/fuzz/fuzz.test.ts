/** A short run of each fuzzer, always the same, and the cases that failed once. */
import t from 'tap';
import { FUZZERS, runCase } from '../../fuzz/fuzzers.ts';
import { SEEDS } from '../../fuzz/seeds.ts';

for (const fuzzer of FUZZERS) {
  t.test(`${fuzzer.cases} random cases of ${fuzzer.name} are as they have to be`, async (t) => {
    for (const seed of SEEDS.get(fuzzer.name) ?? []) await runCase(fuzzer, seed);
    for (let seed = 1; seed <= fuzzer.cases; seed++) await runCase(fuzzer, seed);
    t.pass(`${fuzzer.cases} cases`);
  });
}

t.test('every kept seed is of a fuzzer', async (t) => {
  const names = FUZZERS.map(({ name }) => name);
  t.strictSame(
    [...SEEDS.keys()].filter((name) => !names.includes(name)),
    [],
  );
});
