import t from 'tap';
import { usesClaim } from '../../../control-plane/controllers/storage/claim-protection.ts';
import { finalizerChange } from '../../../control-plane/controllers/storage/protection.ts';
import { podViewOf } from './pod-view.ts';

t.test('the finalizer is added to what is kept, and removed from what goes', async (t) => {
  for (const [deleting, finalizers, wanted] of [
    [false, [], 'add'],
    [false, ['a'], undefined],
    [true, ['b', 'a'], 'remove'],
    [true, ['b'], undefined],
  ] as const) {
    t.equal(finalizerChange(podViewOf('x', { deleting, finalizers }), 'a'), wanted);
  }
});

t.test('a pod uses its claims from when it has a node until it is gone', async (t) => {
  const named = [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }];
  const ephemeral = [{ name: 'data', ephemeral: {} }];
  const claim = { name: 'data', owners: [] };
  const ofPod = { name: 'p-data', owners: [{ apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u', controller: true }] };
  const shutDown = { deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 0 };
  for (const [what, metadata, nodeName, volumes, asked, wanted] of [
    ['a running pod', {}, 'n', named, claim, true],
    ['one without a node', {}, undefined, named, claim, false],
    ['another claim', {}, 'n', named, { ...claim, name: 'other' }, false],
    ['one that its node is done with', shutDown, 'n', named, claim, true],
    ['an ephemeral volume', {}, 'n', ephemeral, ofPod, true],
    ['a claim of the name that is not the pod’s', {}, 'n', ephemeral, { ...ofPod, owners: [] }, false],
    ['an ephemeral volume of one that its node is done with', shutDown, 'n', ephemeral, ofPod, false],
  ] as const) {
    const pod = {
      metadata: { name: 'p', uid: 'u', ...metadata },
      spec: { containers: [], nodeName, volumes: [...volumes] },
    };
    t.equal(usesClaim(pod, asked), wanted, what);
  }
});
