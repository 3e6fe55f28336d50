/** The default FlowSchemas and PriorityLevelConfigurations are there, and stay. */
import { pino } from 'pino';
import { test } from 'tap';
import { flowSchemas } from '../../../api/kinds/flowcontrol/flow-schema.ts';
import { priorityLevelConfigurations } from '../../../api/kinds/flowcontrol/priority-level-configuration.ts';
import type { FlowSchema, PriorityLevelConfiguration } from '../../../api/types/flowcontrol/v1.gen.ts';
import { keepFlowControl } from '../../../control-plane/apiserver/bootstrap/flow-control.ts';
import { eventually } from '../../support/wait.ts';
import { refusal, startServer } from './fixture.ts';

const ANNOTATION = 'apf.kubernetes.io/autoupdate-spec';

test('default objects are created, restored and kept as they are, unless an operator takes them over', async (t) => {
  const fixture = await startServer(t);
  const { api } = fixture.core;
  const stopping = new AbortController();
  t.teardown(() => stopping.abort());
  await keepFlowControl({ api, logger: pino({ level: 'silent' }), signal: stopping.signal });
  const names = (objects: readonly { metadata?: { name?: string } }[]) => objects.map(({ metadata }) => metadata?.name);
  t.strictSame(names(api.list(priorityLevelConfigurations)), [
    ...[
      'catch-all',
      'exempt',
      'global-default',
      'leader-election',
      'node-high',
      'system',
      'workload-high',
      'workload-low',
    ],
  ]);
  t.strictSame(names(api.list(flowSchemas)), [
    'catch-all',
    'exempt',
    'global-default',
    'kube-controller-manager',
    'kube-scheduler',
    'kube-system-service-accounts',
    'probes',
    'service-accounts',
    'system-leader-election',
    'system-node-high',
    'system-nodes',
  ]);

  const admin = fixture.client({ token: 'admin-token' });
  const level = (name: string) => admin.get<PriorityLevelConfiguration>(priorityLevelConfigurations, '', name);
  const schema = (name: string) => admin.get<FlowSchema>(flowSchemas, '', name);
  const dangling = (one: FlowSchema) => one.status?.conditions?.find(({ type }) => type === 'Dangling');
  t.match(dangling(await schema('probes')), {
    status: 'False',
    reason: 'Found',
    message: 'This FlowSchema references the PriorityLevelConfiguration object named "exempt" and it exists',
  });

  await admin.delete(flowSchemas, '', 'catch-all');
  await admin.delete(priorityLevelConfigurations, '', 'workload-low');
  await eventually('deleted objects to come back', () => {
    return api.has(flowSchemas, '', 'catch-all') && api.has(priorityLevelConfigurations, '', 'workload-low');
  });

  const fixed = await schema('exempt');
  const other = { ...fixed, spec: { ...fixed.spec, matchingPrecedence: 2 } } as FlowSchema;
  t.match(await refusal(admin.update(flowSchemas, other)), {
    code: 422,
    message: /spec of 'exempt' must equal the fixed value/,
  });

  const system = await level('system');
  const limited = { ...system.spec?.limited, nominalConcurrencyShares: 99 };
  const changed = { ...system, spec: { type: 'Limited', limited } };
  await admin.update(priorityLevelConfigurations, changed);
  await eventually('the change to be undone', async () => {
    return (await level('system')).spec?.limited?.nominalConcurrencyShares === 30;
  });
  const current = await level('system');
  const metadata = { ...current.metadata, annotations: { [ANNOTATION]: 'false' } };
  await admin.update(priorityLevelConfigurations, { ...changed, metadata });
  const own = { metadata: { name: 'own' }, spec: { priorityLevelConfiguration: { name: 'none' } } };
  await admin.create<FlowSchema>(flowSchemas, own);
  await eventually('its status to say that its level is missing', async () => {
    return dangling(await schema('own'))?.status === 'True';
  });
  t.equal(dangling(await schema('own'))?.reason, 'NotFound');
  t.equal((await level('system')).spec?.limited?.nominalConcurrencyShares, 99, 'the operator has taken it over');

  const lent = { type: 'Exempt', exempt: { nominalConcurrencyShares: 10, lendablePercent: 50 } };
  await admin.update(priorityLevelConfigurations, { ...(await level('exempt')), spec: lent });
  await admin.create<PriorityLevelConfiguration>(priorityLevelConfigurations, {
    metadata: { name: 'old-default', annotations: { [ANNOTATION]: 'true' } },
    spec: { type: 'Limited', limited: { limitResponse: { type: 'Reject' } } },
  });
  await eventually('defaults of other releases to be removed', () => {
    return !api.has(priorityLevelConfigurations, '', 'old-default');
  });
  t.strictSame((await level('exempt')).spec, lent);
});

test('a status is changed through its subresource, which changes nothing else', async (t) => {
  const fixture = await startServer(t);
  const admin = fixture.client({ token: 'admin-token' });
  const spec = { priorityLevelConfiguration: { name: 'l' }, matchingPrecedence: 5000 };
  const created = await admin.create<FlowSchema>(flowSchemas, { metadata: { name: 's' }, spec });
  t.same(created.status, {});
  t.equal(created.metadata?.generation, 1);
  const conditions = [{ type: 'Odd', status: 'False', reason: 'test' }];
  const patch = { metadata: { labels: { a: 'b' } }, spec: { matchingPrecedence: 1 }, status: { conditions } };
  const patched = await admin.patch<FlowSchema>(flowSchemas, '', 's', patch, { subresource: 'status' });
  t.match(patched, { metadata: { generation: 1, labels: undefined }, spec, status: { conditions } });
  t.ok(Number(patched.metadata?.resourceVersion) > Number(created.metadata?.resourceVersion));
  const changed = await admin.patch<FlowSchema>(flowSchemas, '', 's', { spec: { matchingPrecedence: 6000 } });
  t.match(changed, { metadata: { generation: 2 }, spec: { matchingPrecedence: 6000 }, status: { conditions } });
});
