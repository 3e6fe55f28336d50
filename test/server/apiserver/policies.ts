/** A real api-server with the plugins of admission policies, and what tests put into it. */
import type { Test } from 'tap';
import type { Authorizer } from '../../../control-plane/apiserver/access/authorization/authorizer.ts';
import { AdmissionMetrics } from '../../../control-plane/apiserver/admission/metrics.ts';
import { mutatingAdmissionPolicy } from '../../../control-plane/apiserver/admission/policies/mutating-admission-policy.ts';
import { paramAccess } from '../../../control-plane/apiserver/admission/policies/param-access.ts';
import { validatingAdmissionPolicy } from '../../../control-plane/apiserver/admission/policies/validating-admission-policy.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../../../control-plane/apiserver/admission/plugin.ts';
import { configMap, CONFIG_MAPS, TestServer } from './server.ts';

export const POLICIES = '/apis/admissionregistration.k8s.io/v1';
export const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';

const rule = (group: string, resource: string) => ({
  operations: ['CREATE', 'UPDATE'],
  apiGroups: [group],
  apiVersions: ['v1'],
  resources: [resource],
});
export const CONFIG_MAP_RULE = rule('', 'configmaps');
export const DEPLOYMENT_RULE = rule('apps', 'deployments');

export const deployment = (name: string, replicas: number, metadata: object = {}) => ({
  metadata: { name, ...metadata },
  spec: {
    replicas,
    selector: { matchLabels: { a: 'b' } },
    template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'nginx' }] } },
  },
});

const EVERYTHING: Authorizer = { authorize: () => ({ allowed: true, reason: 'because' }) };

/** Notes the audit annotations of requests. */
function noting(plugin: AdmissionPlugin, annotations: Map<string, string>): AdmissionPlugin {
  const noted = (request: AdmissionRequest): AdmissionRequest => ({
    ...request,
    origin: request.origin && {
      ...{ info: request.origin.info, gone: request.origin.gone },
      ...{ awaited: request.origin.awaited, span: request.origin.span },
      annotate: (key, value) => void annotations.set(key, value),
    },
  });
  return { name: plugin.name, validate: (request) => plugin.validate?.(noted(request)) };
}

/** @param authorizer whom expressions and the checks of parameters ask */
export async function startPolicies(t: Test, authorizer = EVERYTHING) {
  const annotations = new Map<string, string>();
  const metrics = new AdmissionMetrics();
  const server = await TestServer.start({
    authorizer: EVERYTHING,
    admission: ({ api, registry }) => {
      const options = { api, kinds: registry.kinds, authorizer, metrics };
      return [
        paramAccess(options),
        mutatingAdmissionPolicy(options),
        noting(validatingAdmissionPolicy(options), annotations),
      ];
    },
  });
  t.teardown(() => server[Symbol.asyncDispose]());
  await server.call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'default' } } });
  const create = async (plural: string, object: object) => {
    const answer = await server.call('POST', `${POLICIES}/${plural}`, { body: object });
    t.equal(answer.status, 201, answer.text);
  };
  return {
    server,
    annotations,
    metrics,
    create,
    /** A ValidatingAdmissionPolicy for ConfigMaps and a binding that denies, both named `name`. */
    validate: async (name: string, spec: object, binding: object = {}) => {
      await create('validatingadmissionpolicies', {
        metadata: { name },
        spec: { matchConstraints: { resourceRules: [CONFIG_MAP_RULE] }, ...spec },
      });
      await create('validatingadmissionpolicybindings', {
        metadata: { name },
        spec: { policyName: name, validationActions: ['Deny'], ...binding },
      });
    },
    /** A MutatingAdmissionPolicy for ConfigMaps and a binding, both named `name`. */
    mutate: async (name: string, mutations: readonly object[], spec: object = {}, binding: object = {}) => {
      await create('mutatingadmissionpolicies', {
        metadata: { name },
        spec: {
          matchConstraints: { resourceRules: [CONFIG_MAP_RULE] },
          reinvocationPolicy: 'Never',
          mutations,
          ...spec,
        },
      });
      await create('mutatingadmissionpolicybindings', { metadata: { name }, spec: { policyName: name, ...binding } });
    },
    createMap: (name: string, metadata: object = {}, user = 'admin/system:masters') =>
      server.call('POST', CONFIG_MAPS, { body: configMap(name, metadata), user }),
  };
}

export const configuration = (expression: string) => ({
  patchType: 'ApplyConfiguration',
  applyConfiguration: { expression },
});
export const operations = (expression: string) => ({ patchType: 'JSONPatch', jsonPatch: { expression } });
