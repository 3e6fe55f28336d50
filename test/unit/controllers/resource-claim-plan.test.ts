/** What becomes of ResourceClaims: made for pods, given back by those that are done. */
import t from 'tap';
import { CLAIM_FINALIZER, podDeviceClaims } from '../../../api/domain/pod-device-claims.ts';
import type { ResourceClaim, ResourceClaimStatus } from '../../../api/types/resource/v1.gen.ts';
import {
  claimPlan,
  generatedClaim,
  isLeftOver,
} from '../../../control-plane/controllers/devices/resource-claim-plan.ts';
import { podOf } from '../scheduler/objects.ts';
import { podViewOf } from './pod-view.ts';

const allocation = { devices: { results: [{ request: 'r', driver: 'd', pool: 'p', device: 'one' }] } };
const consumer = (name: string) => ({ resource: 'pods', name, uid: `uid-${name}` });
const other = { apiGroup: 'example.com', resource: 'jobs', name: 'j', uid: 'uid-j' };

function claimOf(status: ResourceClaimStatus, metadata: ResourceClaim['metadata'] = {}): ResourceClaim {
  return { metadata: { name: 'c', finalizers: [CLAIM_FINALIZER, 'mine'], ...metadata }, spec: {}, status };
}

const deletionTimestamp = '2026-01-01T00:00:00Z';
const rows = [
  {
    what: 'consumers that are there stay',
    claim: claimOf({ allocation, reservedFor: [consumer('a')] }),
    status: undefined,
    dropsFinalizer: false,
  },
  {
    what: 'one of two is done',
    claim: claimOf({ allocation, reservedFor: [consumer('gone'), consumer('a')] }),
    status: { allocation, reservedFor: [consumer('a')] },
    dropsFinalizer: false,
  },
  {
    what: 'the last one is done: the devices are free',
    claim: claimOf({ allocation, reservedFor: [consumer('gone')] }),
    status: {},
    dropsFinalizer: true,
  },
  {
    what: 'a claim that others than the scheduler have allocated stays allocated',
    claim: claimOf({ allocation, reservedFor: [consumer('gone')] }, { finalizers: [] }),
    status: { allocation },
    dropsFinalizer: false,
  },
  {
    what: 'of other consumers nobody knows',
    claim: claimOf({ allocation, reservedFor: [other, consumer('gone')] }),
    status: { allocation, reservedFor: [other] },
    dropsFinalizer: false,
  },
  {
    what: 'a claim that nobody has reserved stays allocated',
    claim: claimOf({ allocation }),
    status: undefined,
    dropsFinalizer: false,
  },
  {
    what: 'until it is deleted',
    claim: claimOf({ allocation }, { deletionTimestamp }),
    status: {},
    dropsFinalizer: true,
  },
  {
    what: 'a crash between the two writes: only the finalizer is left',
    claim: claimOf({}, { deletionTimestamp }),
    status: undefined,
    dropsFinalizer: true,
  },
];

for (const { what, claim, status, dropsFinalizer } of rows)
  t.test(what, (t) => {
    const plan = claimPlan(claim, ({ uid }) => uid === 'uid-gone');
    t.strictSame(plan.status?.status, status);
    t.equal(plan.dropsFinalizer, dropsFinalizer);
    t.end();
  });

t.test('a generated claim is named after pod and entry, and goes with the pod', (t) => {
  const template = { spec: { metadata: { labels: { app: 'web' } }, spec: { devices: { requests: [] } } } };
  for (const [name, generateName] of [
    ['web', 'web-gpu-'],
    ['w'.repeat(60), `${'w'.repeat(52)}-gp`],
  ] as const) {
    const pod = podOf(name, { resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 't' }] });
    const [entry] = podDeviceClaims(pod);
    if (!entry) throw new Error('the pod has no entry');
    t.match(generatedClaim(pod, entry, template), {
      metadata: {
        generateName,
        labels: { app: 'web' },
        annotations: { 'resource.kubernetes.io/pod-claim-name': 'gpu' },
        ownerReferences: [{ kind: 'Pod', name, controller: true }],
      },
      spec: { devices: { requests: [] } },
    });
  }
  t.end();
});

t.test('a generated claim is left over when its pod is done or was replaced', (t) => {
  const owner = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'uid-p', controller: true };
  const claim = claimOf({}, { ownerReferences: [owner] });
  t.equal(isLeftOver(claim, podViewOf('p')), false, 'it runs');
  t.equal(isLeftOver(claim, undefined), false, 'the garbage collector sees to pods that are gone');
  t.equal(isLeftOver(claim, podViewOf('p', { phase: 'Succeeded' })), true);
  t.equal(isLeftOver(claim, podViewOf('p', { uid: 'another' })), true);
  t.equal(isLeftOver(claim, podViewOf('p', { deleting: true, nodeName: '' })), true, 'deleted before it had a node');
  t.equal(isLeftOver(claim, podViewOf('p', { deleting: true })), false, 'deleted, and still running');
  const reserved = { ...claim, status: { reservedFor: [consumer('p')] } };
  t.equal(isLeftOver(reserved, podViewOf('p', { phase: 'Failed' })), false, 'reserved');
  t.equal(isLeftOver(claimOf({}), podViewOf('p', { phase: 'Failed' })), false, 'not generated');
  t.end();
});
