import t from 'tap';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { conflict, forbidden, notFound, StatusError } from '../../../api/machinery/status-error.ts';
import type { Resource } from '../../../client/resource.ts';
import { pods, replicaSets } from '../../../client/resources.gen.ts';
import { Expectations } from '../../../control-plane/controllers/framework/expectations.ts';
import { PodControl, podOfTemplate } from '../../../control-plane/controllers/workloads/pod-control.ts';
import { podViewOf } from './pod-view.ts';

const owner = { metadata: { namespace: 'default', name: 'web', uid: 'rs' } };
const pod = podOfTemplate(replicaSets, owner, { metadata: { labels: { app: 'web' } }, spec: { containers: [] } });
const signal = new AbortController().signal;

function controlWith(refusal?: Error) {
  const events: string[] = [];
  const deleted: unknown[] = [];
  const expectations = new Expectations();
  let created = 0;
  const control = new PodControl({
    client: {
      create: async <T extends KubeObject>(_: Resource<T>, object: T): Promise<T> => {
        if (refusal) throw refusal;
        return { ...object, metadata: { ...object.metadata, name: `web-${++created}` } };
      },
      delete: async (_resource, _namespace, name, options) => {
        if (refusal) throw refusal;
        deleted.push({ name, uid: options?.uid });
        return {};
      },
    },
    recorder: { event: ({ kind }, type, reason, message) => events.push(`${kind} ${type} ${reason} ${message}`) },
    expectations,
    ownerResource: replicaSets,
  });
  const isSatisfied = () => expectations.isSatisfied('rs', performance.now());
  return { control, events, deleted, expectations, isSatisfied };
}

t.test('each created or deleted pod is expected and has an event', async (t) => {
  const { control, events, deleted, expectations, isSatisfied } = controlWith();
  t.equal(await control.create(owner, [pod, pod], signal), undefined);
  t.notOk(isSatisfied());
  for (const key of ['default/web-1', 'default/web-2']) expectations.observeCreation('rs', key);
  t.ok(isSatisfied());
  t.equal(await control.delete(owner, [podViewOf('web-1')], signal), undefined);
  t.notOk(isSatisfied());
  expectations.observeDeletion('rs', 'default/web-1');
  t.ok(isSatisfied());
  t.strictSame(deleted, [{ name: 'web-1', uid: 'uid-web-1' }]);
  t.strictSame(events, [
    'ReplicaSet Normal SuccessfulCreate Created pod: web-1',
    'ReplicaSet Normal SuccessfulCreate Created pod: web-2',
    'ReplicaSet Normal SuccessfulDelete Deleted pod: web-1',
  ]);
});

t.test('a rejected create is a failure with an event, without an expectation', async (t) => {
  const refusal = forbidden(pods, 'web', 'exceeded quota');
  const { control, events, isSatisfied } = controlWith(refusal);
  const failure = await control.create(owner, Array(5).fill(pod), signal);
  t.match(failure, { error: refusal, reason: 'FailedCreate', message: refusal.message });
  t.strictSame(events, [`ReplicaSet Warning FailedCreate Error creating: ${refusal.message}`]);
  t.ok(isSatisfied());
  const other = controlWith(conflict(pods, 'web-1', 'replaced'));
  t.match(await other.control.delete(owner, [podViewOf('web-1')], signal), { reason: 'FailedDelete' });
  t.match(other.events, [/^ReplicaSet Warning FailedDelete Error deleting: /]);
});

t.test('a terminating namespace and a deleted pod are no failures', async (t) => {
  const { status } = forbidden(pods, 'web', 'the namespace is being terminated');
  const causes = [{ reason: 'NamespaceTerminating', message: '', field: 'metadata.namespace' }];
  const terminating = controlWith(new StatusError({ ...status, details: { ...status.details, causes } }));
  t.equal(await terminating.control.create(owner, [pod], signal), undefined);
  const gone = controlWith(notFound(pods, 'web-1'));
  t.equal(await gone.control.delete(owner, [podViewOf('web-1')], signal), undefined);
  t.strictSame([...terminating.events, ...gone.events], []);
  t.ok(gone.isSatisfied());
});

t.test('a pod from a template is named after its owner and controlled by it', async (t) => {
  t.strictSame(pod.metadata, {
    namespace: 'default',
    generateName: 'web-',
    labels: { app: 'web' },
    annotations: undefined,
    finalizers: undefined,
    ownerReferences: [
      {
        ...{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'rs' },
        ...{ controller: true, blockOwnerDeletion: true },
      },
    ],
  });
});
