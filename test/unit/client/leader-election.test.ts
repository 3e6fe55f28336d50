import t from 'tap';
import { planElection } from '../../../client/leader-election.ts';
import type { Lease } from '../../../api/types/coordination/v1.gen.ts';

const held = (holderIdentity: string): Lease => ({ spec: { holderIdentity, leaseDurationSeconds: 15 } });

t.test('a Lease is acquired when it is free or was not renewed for its duration, by the local clock', async (t) => {
  t.equal(planElection(undefined, 'me', 0), 'create');
  t.equal(planElection(held('me'), 'me', 0), 'renew');
  t.equal(planElection(held(''), 'me', 0), 'take over');
  t.equal(planElection(held('other'), 'me', 15_000), 'wait');
  t.equal(planElection(held('other'), 'me', 15_001), 'take over');
});
