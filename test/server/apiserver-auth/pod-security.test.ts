/** Pods are held to the Pod Security Standards that the labels of their namespace name. */
import https from 'node:https';
import { test, type Test } from 'tap';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { serviceAccounts } from '../../../api/kinds/core/service-account.ts';
import { LATEST } from '../../../control-plane/apiserver/admission/pod-security/policy.ts';
import type { PodSecurityOptions } from '../../../control-plane/apiserver/admission/pod-security/pod-security.ts';
import { createAll, startServer } from './fixture.ts';

interface Answer {
  readonly code: number;
  /** Of a Status; '' otherwise. */
  readonly message: string;
  readonly reason: string;
  readonly warnings: readonly string[];
}

/** The texts of `299 - "text", 299 - "text"`. */
const warningsOf = (header = ''): string[] =>
  [...header.matchAll(/299 - ("(?:[^"\\]|\\.)*")/g)].map(([, text]) => JSON.parse(text ?? '""') as string);

async function start(t: Test, labels: Record<string, string>, options?: Partial<PodSecurityOptions>) {
  const fixture = await startServer(t, options);
  await createAll(fixture.core, namespaces, { metadata: { name: 'apps', labels } });
  await createAll(fixture.core, serviceAccounts, { metadata: { namespace: 'apps', name: 'default' } });
  const call = (method: string, path: string, body: object, type = 'application/json'): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const request = https.request(
        `${fixture.url}${path}`,
        {
          method,
          ca: fixture.pki.ca.certificate,
          agent: false,
          headers: { authorization: 'Bearer admin-token', 'content-type': type },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (text += chunk));
          response.on('end', () => {
            const { message = '', reason = '' } = JSON.parse(text) as { message?: string; reason?: string };
            const { warning } = response.headers;
            const warnings = warningsOf(Array.isArray(warning) ? warning.join(', ') : warning);
            resolve({ code: response.statusCode ?? 0, message, reason, warnings });
          });
        },
      );
      request.on('error', reject);
      request.end(JSON.stringify(body));
    });
  const label = (changed: Record<string, string | null>) =>
    call('PATCH', '/api/v1/namespaces/apps', { metadata: { labels: changed } }, 'application/merge-patch+json');
  return { ...fixture, call, label };
}

const PODS = '/api/v1/namespaces/apps/pods';
const ENFORCE = 'pod-security.kubernetes.io/enforce';
const WARN = 'pod-security.kubernetes.io/warn';
const pod = (name: string, spec: object = {}) => ({ metadata: { name }, spec: { containers: [plain('c')], ...spec } });
const plain = (name: string) => ({ name, image: 'i' });
const confined = (name: string) => ({
  ...plain(name),
  securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
});
const CONFINED = {
  containers: [confined('c')],
  securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
};
const RESTRICTED_VIOLATIONS =
  'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), ' +
  'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), ' +
  'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), ' +
  'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")';

test('pods that violate the enforced level are rejected', async (t) => {
  const { call } = await start(t, { [ENFORCE]: 'restricted' });
  t.match(await call('POST', PODS, pod('p')), {
    code: 403,
    reason: 'Forbidden',
    message: `pods "p" is forbidden: violates PodSecurity "restricted:latest": ${RESTRICTED_VIOLATIONS}`,
    warnings: [],
  });
  t.equal((await call('POST', PODS, pod('p', CONFINED))).code, 201);

  const unconfined = { spec: { ephemeralContainers: [{ name: 'debug', image: 'i' }] } };
  const debug = await call('PATCH', `${PODS}/p/ephemeralcontainers`, unconfined, 'application/merge-patch+json');
  t.match(debug, { code: 403, message: /violates PodSecurity "restricted:latest": .*container "debug" must set/ });
  const confinedDebug = { spec: { ephemeralContainers: [confined('debug')] } };
  t.equal(
    (await call('PATCH', `${PODS}/p/ephemeralcontainers`, confinedDebug, 'application/merge-patch+json')).code,
    200,
  );
});

test('a version of the standards can be named', async (t) => {
  const { call, label } = await start(t, { [ENFORCE]: 'restricted', [`${ENFORCE}-version`]: 'v1.7' });
  const early = await call('POST', PODS, pod('p'));
  t.equal(
    early.message,
    'pods "p" is forbidden: violates PodSecurity "restricted:v1.7": ' +
      'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)',
  );
  await label({ [`${ENFORCE}-version`]: 'v1.99' });
  t.match((await call('POST', PODS, pod('p'))).message, 'violates PodSecurity "restricted:v1.99": allowPrivilege');
});

test('users are warned of pods and of the templates of workloads', async (t) => {
  const { call } = await start(t, { [WARN]: 'restricted', [ENFORCE]: 'baseline' });
  const warning = `would violate PodSecurity "restricted:latest": ${RESTRICTED_VIOLATIONS}`;
  t.match(await call('POST', PODS, pod('p')), { code: 201, warnings: [warning] });
  const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [plain('c')], hostNetwork: true } };
  const spec = { selector: { matchLabels: { app: 'a' } }, template };
  const deployment = await call('POST', '/apis/apps/v1/namespaces/apps/deployments', { metadata: { name: 'd' }, spec });
  t.match(deployment, {
    code: 201,
    warnings: [/^would violate PodSecurity "restricted:latest": host namespaces \(hostNetwork=true\), allowPriv/],
  });
  const job = { restartPolicy: 'Never', containers: [plain('c')] };
  const cron = { schedule: '* * * * *', jobTemplate: { spec: { template: { spec: job } } } };
  const cronJob = await call('POST', '/apis/batch/v1/namespaces/apps/cronjobs', {
    metadata: { name: 'j' },
    spec: cron,
  });
  t.match(cronJob, { code: 201, warnings: [warning] });
});

test('only changes that matter are checked again', async (t) => {
  const { call, label } = await start(t, {});
  t.equal((await call('POST', PODS, pod('p'))).code, 201);
  await label({ [ENFORCE]: 'restricted' });
  const merge = (change: object) => call('PATCH', `${PODS}/p`, change, 'application/strategic-merge-patch+json');
  t.match(await merge({ metadata: { labels: { a: 'b' } } }), { code: 200, warnings: [] });
  t.equal((await merge({ spec: { containers: [{ name: 'c', image: 'other' }] } })).code, 403);
});

test('the labels of a namespace are validated', async (t) => {
  const { call, label, core } = await start(t, {});
  const labels = { [ENFORCE]: 'strict', [`${WARN}-version`]: '1.30' };
  const refused = await call('POST', '/api/v1/namespaces', { metadata: { name: 'n', labels } });
  const level =
    'metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": must be one of privileged, baseline, restricted';
  t.match(refused, {
    code: 422,
    reason: 'Invalid',
    message: `Namespace "n" is invalid: [${level}, metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: "1.30": must be "latest" or "v1.x"]`,
  });
  t.equal((await label({ [ENFORCE]: 'strict' })).message, `Namespace "apps" is invalid: ${level}`);
  await createAll(core, namespaces, { metadata: { name: 'odd', labels: { [ENFORCE]: 'strict' } } });
  const unrelated = { metadata: { labels: { a: 'b' } } };
  t.equal((await call('PATCH', '/api/v1/namespaces/odd', unrelated, 'application/merge-patch+json')).code, 200);
  await createAll(core, serviceAccounts, { metadata: { namespace: 'odd', name: 'default' } });
  const strict = await call('POST', '/api/v1/namespaces/odd/pods', pod('p'));
  t.match(
    strict,
    { code: 403, message: /violates PodSecurity "restricted:latest"/ },
    'what cannot be read is restricted',
  );
});

test('who makes a namespace stricter is warned of the pods in it', async (t) => {
  const { call, label } = await start(t, {});
  await call('POST', PODS, pod('b', { hostNetwork: true }));
  await call('POST', PODS, pod('a', { hostNetwork: true }));
  await call('POST', PODS, pod('c', { hostIPC: true, volumes: [{ name: 'v', hostPath: { path: '/' } }] }));
  await call('POST', PODS, pod('fine'));
  t.match(await label({ [ENFORCE]: 'baseline' }), {
    code: 200,
    warnings: [
      'existing pods in namespace "apps" violate the new PodSecurity enforce level "baseline:latest"',
      'a (and 1 other pod): host namespaces',
      'c: host namespaces, hostPath volumes',
    ],
  });
  t.match(await label({ [ENFORCE]: 'privileged' }), { code: 200, warnings: [] });
});

test('namespaces, users and RuntimeClasses can be exempt, and unlabelled namespaces have a default', async (t) => {
  const baseline = { level: 'baseline', minor: LATEST } as const;
  const { call } = await start(
    t,
    {},
    {
      defaults: { enforce: baseline, audit: baseline, warn: baseline },
      exemptNamespaces: ['free'],
    },
  );
  const bad = pod('p', { hostNetwork: true });
  t.match(await call('POST', PODS, bad), { code: 403, message: /violates PodSecurity "baseline:latest"/ });
  const labels = { [ENFORCE]: 'restricted' };
  t.match(await call('POST', '/api/v1/namespaces', { metadata: { name: 'free', labels } }), {
    code: 201,
    warnings: [
      'namespace "free" is exempt from Pod Security, and the policy (enforce=restricted:latest) will be ignored',
    ],
  });

  const user = await start(t, { [ENFORCE]: 'restricted' }, { exemptUsernames: ['admin'] });
  t.equal((await user.call('POST', PODS, bad)).code, 201);
});
