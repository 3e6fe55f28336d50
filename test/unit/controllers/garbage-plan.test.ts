import t from 'tap';
import { planCollection, type OwnerState } from '../../../control-plane/controllers/garbage/collection-plan.ts';
import { ObjectGraph } from '../../../control-plane/controllers/garbage/object-graph.ts';
import type { Owned } from '../../../control-plane/controllers/framework/owner-references.ts';

const owner = (uid: string, blockOwnerDeletion = false) => ({
  apiVersion: 'v1',
  kind: 'X',
  name: uid,
  uid,
  blockOwnerDeletion,
});
const item = (uid: string, more: Partial<Owned> = {}): Owned => ({
  namespace: 'default',
  name: uid,
  uid,
  owners: [],
  finalizers: [],
  deleting: false,
  ...more,
});
const plan = (object: Owned, states: Record<string, OwnerState>, dependents: Owned[] = []) =>
  planCollection({ item: object, dependents, ownerState: ({ uid }) => states[uid] ?? 'present' });

t.test("an object is deleted with its last owner, and otherwise loses the absent owner's reference", async (t) => {
  const both = item('a', { owners: [owner('x'), owner('y')] });
  t.strictSame(plan(both, {}), { type: 'keep' });
  t.strictSame(plan(both, { x: 'absent' }), { type: 'drop owners', uids: ['x'] });
  t.strictSame(plan(both, { x: 'absent', y: 'waiting' }), { type: 'delete', propagationPolicy: 'Background' });
  t.strictSame(plan(item('a'), {}), { type: 'keep' }, 'no owners');
  t.strictSame(plan(item('a', { owners: [owner('x')], deleting: true }), { x: 'absent' }), { type: 'keep' });
});

t.test('the propagation policy is inherited', async (t) => {
  const child = item('child', { owners: [owner('a', true)] });
  const a = item('a', { owners: [owner('x')] });
  t.match(plan(a, { x: 'waiting' }, [child]), { propagationPolicy: 'Foreground' });
  t.match(plan(a, { x: 'waiting' }), { propagationPolicy: 'Background' });
  t.match(plan(a, { x: 'absent' }, [child]), { propagationPolicy: 'Background' });
  t.match(plan({ ...a, finalizers: ['orphan'] }, { x: 'absent' }, [child]), { propagationPolicy: 'Orphan' });
});

t.test('foreground deletion waits for blocking dependents only', async (t) => {
  const a = item('a', { deleting: true, finalizers: ['foregroundDeletion'] });
  const blocking = item('b', { owners: [owner('a', true)] });
  const free = item('c', { owners: [owner('a')] });
  t.strictSame(plan(a, {}, [blocking, free]), { type: 'collect dependents', uids: ['b'] });
  const going = { ...blocking, deleting: true, finalizers: ['foregroundDeletion'] };
  t.strictSame(plan(a, {}, [going]), { type: 'keep' });
  t.strictSame(plan(a, {}, [free]), { type: 'remove finalizer', finalizer: 'foregroundDeletion' });
});

t.test('in a cycle of owners one object unblocks its owner', async (t) => {
  const waiting = item('x', { owners: [owner('a', true)], deleting: true, finalizers: ['foregroundDeletion'] });
  const a = item('a', { owners: [owner('o', true)] });
  t.strictSame(plan(a, { o: 'waiting' }, [waiting]), { type: 'unblock owners' });
  const unblocked = { ...a, owners: [owner('o')] };
  t.strictSame(plan(unblocked, { o: 'waiting' }, [waiting]), { type: 'delete', propagationPolicy: 'Foreground' });
  t.match(plan(a, { o: 'waiting' }, [item('y', { owners: [owner('a', true)] })]), { type: 'delete' }, 'no circle');
});

t.test('the graph finds dependents before and after their owners, and follows ownership changes', async (t) => {
  const resource = { group: '', version: 'v1', kind: 'X', plural: 'xs', namespaced: true };
  const graph = new ObjectGraph();
  const names = (uid: string): string[] => graph.dependentsOf(uid).map(({ view }) => view.uid);
  const first = item('b', { owners: [owner('a')] });
  graph.put(resource, first);
  t.strictSame(names('a'), ['b']);
  graph.put(resource, item('a'));
  const moved = item('b', { owners: [owner('z')] });
  graph.put(resource, moved);
  t.strictSame([names('a'), names('z')], [[], ['b']]);
  graph.remove(moved);
  t.strictSame(names('z'), []);
  t.equal(graph.size, 1);
});
