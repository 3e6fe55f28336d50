import t from 'tap';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { deleteOptions } from '../../../api/kinds/meta/delete-options.ts';
import { decodeObject } from '../../../api/machinery/decode.ts';

const pod = (spec: object, status: object = {}, metadata: object = {}) =>
  decodeObject(pods, { metadata, spec: { containers: [], ...spec }, status }).object;

t.test('the grace period of a scheduled pod comes from the pod or the delete options', async (t) => {
  const onNode = { nodeName: 'n', terminationGracePeriodSeconds: 20 };
  const ending = { deletionTimestamp: '2026-01-02T03:04:05Z', deletionGracePeriodSeconds: 10 };
  for (const [what, object, gracePeriodSeconds, wanted] of [
    ['its own', pod(onNode), undefined, 20],
    ['the default', pod({ nodeName: 'n' }), undefined, 30],
    ["the delete's", pod(onNode), 5, 5],
    ['at once', pod(onNode), 0, 0],
    ['a negative grace period becomes the minimum', pod(onNode), -3, 1],
    ['not scheduled', pod({ terminationGracePeriodSeconds: 20 }), 7, 0],
    ['terminated', pod(onNode, { phase: 'Succeeded' }), 7, 0],
    ['deleted again', pod(onNode, {}, ending), undefined, 10],
    ['deleted again after it has terminated', pod(onNode, { phase: 'Failed' }, ending), undefined, 10],
    ['deleted again with a shorter grace period', pod(onNode, {}, ending), 2, 2],
    ['deleted again while not scheduled', pod({}, {}, ending), undefined, 0],
  ] as const) {
    t.equal(pods.deletion.graceSeconds(object, { gracePeriodSeconds }), wanted, what);
  }
  t.equal(configMaps.deletion.graceSeconds({}, { gracePeriodSeconds: 5 }), 0);
});

t.test('a namespace with finalizers in its spec becomes Terminating', async (t) => {
  const { object } = decodeObject(namespaces, {
    metadata: { name: 'n', deletionGracePeriodSeconds: 0 },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  });
  t.equal(namespaces.deletion.isHeld(object), true);
  t.equal(namespaces.deletion.isHeld({ spec: {} }), false);
  namespaces.deletion.markDeleted(object);
  t.equal(object.status?.phase, 'Terminating');
  t.equal(object.metadata?.deletionGracePeriodSeconds, undefined);
});

t.test("invalid delete options are rejected with upstream's messages", async (t) => {
  for (const [options, message] of [
    [{ propagationPolicy: 'Orphan', dryRun: ['All'] }, undefined],
    [
      { propagationPolicy: 'None' },
      'Unsupported value: "None": supported values: "Foreground", "Background", "Orphan", "nil"',
    ],
    [{ propagationPolicy: '' }, 'Unsupported value: "": supported values: "Foreground", "Background", "Orphan", "nil"'],
    [
      { propagationPolicy: 'Orphan', orphanDependents: true },
      'Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set',
    ],
    [{ dryRun: ['All', 'x', 'y'] }, 'Unsupported value: ["All","x","y"]: supported values: "All"'],
  ] as const) {
    t.equal(deleteOptions.validate(deleteOptions.decode(options).object)[0]?.message, message);
  }
});
