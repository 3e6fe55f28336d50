/** What a pod that is being resized holds of its node and of quotas. */
import { test } from 'tap';
import { heldSpec } from '../../../api/domain/held-resources.ts';
import { evaluatorOf } from '../../../api/domain/quota.ts';
import { podQuantity } from '../../../api/domain/pod-resources.ts';
import { podInfo } from '../../../control-plane/scheduler/framework/pod-info.ts';
import type { Pod, ResourceRequirements } from '../../../api/types/core/v1.gen.ts';

const requesting = (cpu: string): ResourceRequirements => ({ requests: { cpu }, limits: { cpu } });
const podOf = (wanted: string, allocated?: string, running?: string, reason?: string): Pod => ({
  spec: { containers: [{ name: 'main', image: 'app:1', resources: requesting(wanted) }] },
  status: {
    containerStatuses: [
      {
        ...{ name: 'main', image: 'app:1', imageID: '', ready: true, restartCount: 0 },
        ...(allocated !== undefined && { allocatedResources: { cpu: allocated } }),
        ...(running !== undefined && { resources: requesting(running) }),
      },
    ],
    ...(reason !== undefined && { conditions: [{ type: 'PodResizePending', status: 'True', reason }] }),
  },
});

test('the largest of what is asked for, allocated and used counts, but not what the node can never give', (t) => {
  const rows: [string, Pod, string, string][] = [
    ['a node that does not say', podOf('1'), '1', '1'],
    ['nothing is resized', podOf('1', '1', '1'), '1', '1'],
    ['more is asked for', podOf('2', '1', '1', 'Deferred'), '2', '2'],
    ['more is allocated', podOf('2', '2', '1'), '2', '2'],
    ['less is allocated', podOf('1', '1', '2'), '2', '2'],
    ['more than the node has', podOf('64', '1', '1', 'Infeasible'), '1', '1'],
  ];
  for (const [what, pod, requests, limits] of rows) {
    const spec = heldSpec(pod) ?? { containers: [] };
    t.equal(podQuantity(spec, 'requests', 'cpu'), requests, what);
    t.equal(podQuantity(spec, 'limits', 'cpu'), limits, what);
  }
  const settled = podOf('1', '1', '1');
  t.equal(heldSpec(settled), settled.spec, 'a pod that is not resized costs nothing');
  t.end();
});

test('the scheduler and quotas count what is held', (t) => {
  const shrinks = podOf('1', '1', '2');
  t.equal(podInfo(shrinks).requests.milliCpu, 2000);
  const measure = evaluatorOf({ group: '', plural: 'pods' })?.measure(shrinks);
  t.ok(measure?.usage.has('requests.cpu'));
  t.same(measure?.usage, evaluatorOf({ group: '', plural: 'pods' })?.measure(podOf('2')).usage);
  t.end();
});
