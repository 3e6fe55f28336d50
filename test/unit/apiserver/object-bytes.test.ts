import { test } from 'tap';
import { ObjectBytes } from '../../../control-plane/apiserver/storage/cache/object-bytes.ts';

const bytes = new ObjectBytes({ group: '', version: 'v1', kind: 'ConfigMap' });
const encode = (data: Record<string, string>, labels?: Record<string, string>): Buffer =>
  bytes.encode({ metadata: { name: 'one', labels }, data } as object);

test('only objects with the same bytes in another order count as reordered', (t) => {
  const stored = encode({ a: '1', b: '2' }, { x: 'y' });
  for (const revision of [1, 98_765_432_101]) {
    const served = bytes.serve(stored, revision);
    t.ok(bytes.mayBeReordered(served, stored), 'the same');
    t.ok(bytes.mayBeReordered(served, encode({ b: '2', a: '1' }, { x: 'y' })), 'another order');
    t.notOk(bytes.mayBeReordered(served, encode({ a: '1', b: '3' }, { x: 'y' })), 'another value of the same length');
    t.notOk(bytes.mayBeReordered(served, encode({ a: '0', b: '3' }, { x: 'y' })), 'two values with the same sum');
    t.notOk(bytes.mayBeReordered(served, encode({ a: '1', b: '22' }, { x: 'y' })), 'a longer value');
    t.notOk(bytes.mayBeReordered(served, encode({ a: '1' }, { x: 'y' })), 'one field less');
  }
  t.end();
});
