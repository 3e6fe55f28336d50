/** Seeds of cases that failed once, by fuzzer: the unit tests run them again. */
export const SEEDS: ReadonlyMap<string, readonly number[]> = new Map([
  ['schemas', [8844]],
  ['protobuf', [18214]],
]);
