/** What upstream takes, drops and refuses where a reader of the API would not guess it: gates that are off, templates, empty values. */
import t from 'tap';
import { mutatingWebhookConfigurations } from '../../../api/kinds/admissionregistration/mutating-webhook-configuration.ts';
import { horizontalPodAutoscalers } from '../../../api/kinds/autoscaling/horizontal-pod-autoscaler-v1.ts';
import { leases } from '../../../api/kinds/coordination/lease.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { persistentVolumes } from '../../../api/kinds/core/persistent-volume.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { replicationControllers } from '../../../api/kinds/core/replication-controller.ts';
import { secrets } from '../../../api/kinds/core/secret.ts';
import { services } from '../../../api/kinds/core/service.ts';
import { ingresses } from '../../../api/kinds/networking/ingress.ts';
import { runtimeClasses } from '../../../api/kinds/node/runtime-class.ts';
import { priorityClasses } from '../../../api/kinds/scheduling/priority-class.ts';
import { storageClasses } from '../../../api/kinds/storage/storage-class.ts';
import { created, refused } from './kind-rules.ts';
import { CONTEXT } from './updates.ts';

const template = (image: string) => ({
  metadata: { labels: { a: 'b' } },
  spec: { containers: [{ name: 'c', image }] },
});

t.test('an image in white space is refused in pods, not in templates', async (t) => {
  const said = /image: Invalid value: " i": must not have leading or trailing whitespace/;
  t.match(refused(pods, template(' i')), [said]);
  t.strictSame(refused(replicationControllers, { spec: { selector: { a: 'b' }, template: template(' i') } }), []);
});

t.test('an autoscaler of v1 that names nothing scales by CPU, as in v2', async (t) => {
  const spec = { scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' }, maxReplicas: 2 };
  const targetOf = (more: object, annotations = {}) =>
    created(horizontalPodAutoscalers, { metadata: { name: 'x', annotations }, spec: { ...spec, ...more } }).spec
      ?.targetCPUUtilizationPercentage;
  t.equal(targetOf({}), 80);
  t.equal(targetOf({ targetCPUUtilizationPercentage: 5 }), 5);
  const memory = { type: 'Resource', resource: { name: 'memory', targetAverageUtilization: 5 } };
  t.equal(targetOf({}, { 'autoscaling.alpha.kubernetes.io/metrics': JSON.stringify([memory]) }), undefined);
});

t.test('fields of coordinated leader election are not taken, and stay where they are', async (t) => {
  const spec = { holderIdentity: 'h', strategy: 'OldestEmulationVersion', preferredHolder: 'p' };
  t.strictSame(created(leases, { spec }).spec, { holderIdentity: 'h' });
  const changed = structuredClone({ spec });
  leases.prepareForUpdate(changed, { spec: { ...spec, preferredHolder: undefined } }, CONTEXT);
  t.strictSame(changed.spec, { holderIdentity: 'h', strategy: 'OldestEmulationVersion' });
});

t.test('tolerations that compare numbers are behind a gate that is off', async (t) => {
  const toleration = { key: 'k', operator: 'Gt', value: '5', effect: 'NoSchedule' };
  const said = 'tolerations[0].operator: Unsupported value: "Gt": supported values: "Equal", "Exists"';
  t.strictSame(refused(runtimeClasses, { handler: 'h', scheduling: { tolerations: [toleration] } }), [
    `scheduling.${said}`,
  ]);
  const { spec } = template('i');
  t.strictSame(refused(pods, { spec: { ...spec, tolerations: [toleration] } }), [`spec.${said}`]);
});

t.test('services', async (t) => {
  const service = (spec: object) => ({
    spec: { ports: [{ port: 80 }], clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'], ...spec },
  });
  const affinity = { sessionAffinity: 'x', sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } } };
  t.strictSame(refused(services, service(affinity)), [
    'spec.sessionAffinity: Unsupported value: "x": supported values: "ClientIP", "None"',
  ]);
  t.strictSame(refused(services, service({ trafficDistribution: 'x' })), [
    'spec.trafficDistribution: Unsupported value: "x": supported values: "PreferClose", "PreferSameZone", "PreferSameNode"',
  ]);
  t.strictSame(refused(services, { spec: { type: 'ExternalName' } }), ['spec.externalName: Required value']);
});

t.test('what is empty', async (t) => {
  const resource = { apiGroup: '', kind: 'K', name: 'n' };
  t.match(refused(ingresses, { spec: { defaultBackend: { resource } } }), [
    /^spec.defaultBackend.resource.apiGroup: Invalid value: "": a lowercase RFC 1123 subdomain/,
  ]);
  const ssh = (key: string) => ({ type: 'kubernetes.io/ssh-auth', data: { 'ssh-privatekey': key } });
  t.strictSame(refused(secrets, ssh('')), ['data[ssh-privatekey]: Required value']);
  t.strictSame(refused(secrets, ssh('YQ==')), []);
  t.strictSame(refused(storageClasses, { provisioner: 'p', reclaimPolicy: '' }), []);
  const webhook = { name: 'a.b.c', clientConfig: { url: 'https://a.b/' }, admissionReviewVersions: ['v1'] };
  const effects = (sideEffects: object) =>
    refused(mutatingWebhookConfigurations, { webhooks: [{ ...webhook, ...sideEffects }] });
  t.strictSame(effects({ sideEffects: '' }), [
    'webhooks[0].sideEffects: Unsupported value: "": supported values: "None", "NoneOnDryRun"',
  ]);
  t.strictSame(effects({}), ['webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun']);
});

t.test('how values are shown', async (t) => {
  const volume = (capacity: object | undefined) => ({
    spec: { capacity, accessModes: ['ReadWriteOnce'], nfs: { server: 's', path: '/p' } },
  });
  t.strictSame(refused(persistentVolumes, volume({ storage: '1Gi', a: '1Gi' })), [
    'spec.capacity: Unsupported value: {"a":"1Gi","storage":"1Gi"}: supported values: "storage"',
  ]);
  t.match(refused(persistentVolumes, volume(undefined)), [
    /Required/,
    'spec.capacity: Unsupported value: null: supported values: "storage"',
  ]);
  const taint = { key: 'k', value: 'v', effect: 'NoSchedule', timeAdded: '2026-01-01T00:00:00Z' };
  t.match(refused(nodes, { spec: { taints: [taint, taint] } }), [/"TimeAdded":"2026-01-01T00:00:00Z"\}: taints/]);
  t.strictSame(refused(priorityClasses, { value: 1, preemptionPolicy: 'x' }), [
    'preemptionPolicy: Unsupported value: "x": supported values: "PreemptLowerPriority", "Never"',
  ]);
});
