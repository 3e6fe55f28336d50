import t from 'tap';
import { CriClient } from '../../../agent/cri/client.ts';
import { unhealthy } from '../../../agent/stats/health.ts';
import { startContainerd } from '../../support/containerd.ts';

t.test('the agent is unhealthy, with a reason, while its runtime is down or its workers are stuck', async (t) => {
  let called: { call: string; failed: boolean } | undefined;
  let cri: CriClient;
  const stuck: string[] = [];
  const health = () => unhealthy({ cri, stuckPods: () => stuck });
  {
    await using containerd = await startContainerd({ name: 'agent-stats' });
    cri = new CriClient(containerd.socket, (call, _seconds, failed) => (called = { call, failed }));
    t.equal(await health(), undefined);
    t.same(called, { call: 'Status', failed: false });
    stuck.push('default/a');
    t.equal(await health(), 'pod workers are stuck: default/a');
    stuck.push('default/b', 'default/c', 'default/d');
    t.match(await health(), /stuck: default\/a, default\/b, default\/c and 1 more$/);
    stuck.length = 0;
  }
  t.match(await health(), /^container runtime is not responding at \S+containerd.sock: /);
  t.same(called, { call: 'Status', failed: true });
  cri.close();
});
