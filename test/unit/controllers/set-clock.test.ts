/** The clock of the server is set while the controllers run: nodes are not lost by that. */
import t from 'tap';
import { ApiClient } from '../../../client/api-client.ts';
import { runDescriptors } from '../../../control-plane/controllers/framework/runner.ts';
import { nodeLifecycleController } from '../../../control-plane/controllers/nodes/node-lifecycle.ts';
import { StatusThrottle } from '../../../control-plane/controllers/workloads/status-throttle.ts';
import { silent } from '../../support/https-server.ts';
import { MemoryApi } from '../../support/memory-api.ts';
import { eventually } from '../../support/wait.ts';
import { WallClock } from '../../support/wall-clock.ts';
import type { Node, Pod } from '../../../api/types/core/v1.gen.ts';

const HOUR_MS = 3_600_000;
const GRACE_MS = 40_000;
const READY = { type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' };

t.test('no node is lost, and no pod marked, because the clock is set forward', async (t) => {
  using clock = new WallClock();
  await using api = await MemoryApi.start();
  const node = api.put<Node>('nodes', { metadata: { name: 'n1' }, spec: {}, status: { conditions: [READY] } });
  api.put<Pod>('pods', {
    metadata: { name: 'web' },
    spec: { nodeName: 'n1', containers: [] },
    status: { phase: 'Running', conditions: [READY] },
  });
  const stored = () => api.objects.get('/api/v1/nodes/n1') as Node;
  await using client = new ApiClient({ server: api.url });
  const stop = new AbortController();
  const logger = { ...silent, child: () => silent };
  const running = runDescriptors([nodeLifecycleController(GRACE_MS)], { client, logger, signal: stop.signal });
  api.put('nodes', { ...node, spec: { unschedulable: true } });
  await eventually('a look at the node', () => stored().spec?.taints?.length === 1);
  clock.jump(HOUR_MS);
  api.put('nodes', { ...stored(), spec: { unschedulable: false, taints: stored().spec?.taints } });
  await eventually('another look', () => stored().spec?.taints?.length === 0);
  t.match(stored().status?.conditions, [READY]);
  t.match(api.pod('web')?.status?.conditions, [READY]);
  stop.abort(new Error('the test is over'));
  await running;
});

t.test('a status is written though the clock was set back', async (t) => {
  using clock = new WallClock();
  const throttle = new StatusThrottle();
  const written: string[] = [];
  const write = (status: string) => throttle.write('default/web', true, async () => ({ status: written.push(status) }));
  t.equal(await write('first'), Infinity);
  clock.jump(-HOUR_MS);
  t.ok((await write('too early')) <= 100, 'ms');
  t.strictSame(written, ['first']);
});
