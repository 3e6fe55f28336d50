import t from 'tap';
import { Extent } from '../../../api/machinery/extent.ts';
import { MAX_VALUES } from '../../../api/machinery/limits.ts';

const members = (count: number): object => Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, '']));

t.test('the values of a body are limited, wherever they are', (t) => {
  for (const value of [members(MAX_VALUES + 1), { data: members(MAX_VALUES) }, [members(MAX_VALUES)]])
    t.throws(() => Extent.of(value), { code: 413 });
  t.equal(Extent.of({ data: members(MAX_VALUES - 1) }).keys, MAX_VALUES);
  t.end();
});
