import t from 'tap';
import type { ApiClient } from '../../../client/api-client.ts';
import { Expectations } from '../../../control-plane/controllers/framework/expectations.ts';
import { StatefulSetActions } from '../../../control-plane/controllers/workloads/stateful-set/actions.ts';
import { podViewOf } from './pod-view.ts';
import { statefulSetOf } from './sets.ts';

t.test('pods that have ended are deleted, and events say that they are made anew', async (t) => {
  const deleted: string[] = [];
  const events: string[] = [];
  const client = { delete: async (_resource: unknown, _namespace: string, name: string) => void deleted.push(name) };
  const actions = new StatefulSetActions({
    client: client as unknown as ApiClient,
    expectations: new Expectations(),
    recorder: { event: (_about, type, reason, message) => void events.push(`${type} ${reason}: ${message}`) },
  });
  const pods = [podViewOf('web-0', { phase: 'Failed' }), podViewOf('web-1', { phase: 'Succeeded' })];
  const stage = pods.map((pod) => ({ type: 'recreatePod' as const, pod }));
  await actions.carryOut(statefulSetOf(), stage, { isOrdered: true, signal: new AbortController().signal });
  t.strictSame(deleted, ['web-0', 'web-1']);
  t.strictSame(events, [
    'Warning RecreatingFailedPod: StatefulSet default/web is recreating failed Pod web-0',
    'Normal SuccessfulDelete: Delete Pod web-0 in StatefulSet web successful',
    'Normal RecreatingTerminatedPod: StatefulSet default/web is recreating terminated Pod web-1',
    'Normal SuccessfulDelete: Delete Pod web-1 in StatefulSet web successful',
  ]);
});
