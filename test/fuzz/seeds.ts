/** Seeds of cases that failed once, by fuzzer: the unit tests run them again. */
export const SEEDS: ReadonlyMap<string, readonly number[]> = new Map([
  ['patches', [1016639571]],
  ['cel', [1742831536, 1742868927]],
  ['schemas', [8844]],
  ['protobuf', [18214]],
]);
