/** Authorizers that the settings name: a real webhook over HTTPS, policies in a file, and their configuration while it changes. */
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { test, type Test } from 'tap';
import { subjectAccessReviews } from '../../../api/kinds/authorization/subject-access-review.ts';
import { selfSubjectRulesReviews } from '../../../api/kinds/authorization/self-subject-rules-review.ts';
import { validatingAdmissionPolicies } from '../../../api/kinds/admissionregistration/validating-admission-policy.ts';
import { validatingAdmissionPolicyBindings } from '../../../api/kinds/admissionregistration/validating-admission-policy-binding.ts';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import type {
  SelfSubjectRulesReview,
  SubjectAccessReview,
  SubjectAccessReviewSpec,
  SubjectAccessReviewStatus,
} from '../../../api/types/authorization/v1.gen.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { ConfiguredAuthorizers } from '../../../control-plane/apiserver/access/authorization/configured.ts';
import {
  authorizationDefaults,
  type AuthorizationSettings,
} from '../../../control-plane/apiserver/access/authorization/settings.ts';
import { Exposition } from '../../../daemon/metrics/exposition.ts';
import { bodyOf, startServer as startHttps, TestCa, type TestServer } from '../../support/https-server.ts';
import { eventually } from '../../support/wait.ts';
import { refusal, startServer, type ServedFixture } from './fixture.ts';

const MEGABYTE = 1024 * 1024;

/** What the webhook does for users of these names. Others are nobody that it knows. */
type Behaviour = (response: ServerResponse, status: (status: object) => void) => void;
const BEHAVIOURS: ReadonlyMap<string, Behaviour> = new Map<string, Behaviour>([
  ['allowed', (_, status) => status({ allowed: true, reason: 'may do all' })],
  ['denied', (_, status) => status({ denied: true, reason: 'is on leave' })],
  ['both', (_, status) => status({ allowed: true, denied: true })],
  ['hanging', () => undefined],
  ['garbage', (response) => void response.end('{"allowed":')],
  ['huge', (response) => void response.end(`"${'x'.repeat(10 * MEGABYTE)}"`)],
  ['redirected', (response) => void response.writeHead(307, { location: '/allow-all' }).end()],
  ['refused', (response) => void response.writeHead(403).end('secret of the webhook')],
  ['other', (response) => void response.end('{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1"}')],
]);

class Webhook {
  readonly server: TestServer;
  /** The reviews that it has been asked for. */
  readonly asked: SubjectAccessReviewSpec[] = [];
  /** How many of the next answers are a 500. */
  failures = 0;

  private constructor(server: TestServer) {
    this.server = server;
  }

  static async start(t: Test): Promise<Webhook> {
    const started: { webhook?: Webhook } = {};
    const server = await startHttps((request, response) => {
      void bodyOf(request).then((body) => started.webhook?.answer(request.url ?? '', body, response));
    });
    t.teardown(() => server[Symbol.asyncDispose]());
    return (started.webhook = new Webhook(server));
  }

  answer(url: string, body: string, response: ServerResponse): void {
    const { apiVersion, kind, spec } = JSON.parse(body) as SubjectAccessReview;
    this.asked.push(spec);
    const status = (said: object): void => void response.end(JSON.stringify({ apiVersion, kind, status: said }));
    if (this.failures > 0) {
      this.failures--;
      response.writeHead(500).end();
    } else if (url === '/allow-all') status({ allowed: true });
    else (BEHAVIOURS.get(spec.user ?? '') ?? (() => status({})))(response, status);
  }

  times(user: string): number {
    return this.asked.filter((spec) => spec.user === user).length;
  }
}

async function ownDirectory(t: Test): Promise<string> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-authorization-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

async function kubeconfig(directory: string, { url }: TestServer, ca: string, name = 'webhook'): Promise<string> {
  const file = path.join(directory, `${name}.kubeconfig`);
  const cluster = { server: url, 'certificate-authority-data': Buffer.from(ca).toString('base64') };
  await writeFile(
    file,
    JSON.stringify({
      'current-context': 'c',
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      clusters: [{ name: 'c', cluster }],
      users: [{ name: 'u', user: {} }],
    }),
  );
  return file;
}

const webhookOf = (kubeConfigFile: string, more: object = {}, name = 'outside'): object => ({
  type: 'Webhook',
  name,
  webhook: {
    ...{ timeout: '1s', authorizedTTL: '5m', unauthorizedTTL: '30s', failurePolicy: 'NoOpinion' },
    ...{ subjectAccessReviewVersion: 'v1', connectionInfo: { type: 'KubeConfigFile', kubeConfigFile } },
    ...more,
  },
});
const RBAC = { type: 'RBAC', name: 'rbac' };
const configurationOf = (...authorizers: object[]): string =>
  JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthorizationConfiguration', authorizers });

async function open(t: Test, settings: Partial<AuthorizationSettings>, logged: string[] = []) {
  const stopping = new AbortController();
  t.teardown(() => stopping.abort());
  const logger = pino({ level: 'info' }, { write: (line: string) => void logged.push(line) });
  const all = { ...authorizationDefaults, ...settings };
  return ConfiguredAuthorizers.open(all, { logger, signal: stopping.signal });
}

function metricsOf({ metrics }: ConfiguredAuthorizers): string {
  const exposition = new Exposition();
  metrics.write(exposition);
  return exposition.toString();
}

const PODS = { verb: 'get', version: 'v1', resource: 'pods', namespace: 'default', name: 'p' };

async function review(
  admin: ApiClient,
  user: string,
  resourceAttributes: object = PODS,
  more: object = {},
): Promise<SubjectAccessReviewStatus> {
  const spec = { user, resourceAttributes, ...more };
  const { status } = await admin.create<SubjectAccessReview>(subjectAccessReviews, { metadata: {}, spec });
  return status ?? { allowed: false };
}

const adminOf = (server: ServedFixture): ApiClient => server.client({ token: 'admin-token' });

test('a webhook allows, denies, or leaves it to others, and its answers are good for a while', async (t) => {
  const webhook = await Webhook.start(t);
  const directory = await ownDirectory(t);
  const file = path.join(directory, 'authorization.yaml');
  const outside = await kubeconfig(directory, webhook.server, webhook.server.ca.cert);
  const wrongCa = await kubeconfig(directory, webhook.server, (await TestCa.create()).cert, 'wrong-ca');
  await writeFile(
    file,
    configurationOf(
      webhookOf(outside, {
        matchConditionSubjectAccessReviewVersion: 'v1',
        matchConditions: [
          { expression: "!has(request.resourceAttributes) || request.resourceAttributes.verb != 'patch'" },
        ],
      }),
      webhookOf(
        wrongCa,
        {
          failurePolicy: 'Deny',
          matchConditionSubjectAccessReviewVersion: 'v1',
          matchConditions: [
            { expression: "request.user == 'carol'" },
            { expression: "request.resourceAttributes.resource == 'pods'" },
          ],
        },
        'unreachable',
      ),
      RBAC,
    ),
  );
  const logged: string[] = [];
  const authorization = await open(t, { authorizationConfig: file }, logged);
  const server = await startServer(t, {}, undefined, authorization);
  const admin = adminOf(server);

  await t.test('its word counts before RBAC', async (t) => {
    t.strictSame(await review(admin, 'allowed'), { allowed: true, reason: 'may do all' });
    t.strictSame(await review(admin, 'denied'), { allowed: false, denied: true, reason: 'is on leave' });
    t.strictSame(await review(admin, 'denied', PODS, { groups: ['system:masters'] }), { allowed: true });
    t.match(await review(admin, 'both'), { allowed: false, denied: true, evaluationError: /both allow and deny/ });
    t.strictSame(await review(admin, 'nobody'), { allowed: false });
    const asked = webhook.times('nobody');
    t.strictSame(await review(admin, 'nobody'), { allowed: false });
    t.equal(webhook.times('nobody'), asked, 'a kept answer');
    await review(admin, 'nobody', { ...PODS, name: 'q' });
    t.equal(webhook.times('nobody'), asked + 1, 'of another question');
    const [first] = await Promise.all([1, 2, 3].map(() => review(admin, 'allowed', { ...PODS, name: 'r' })));
    t.match(first, { allowed: true });
    t.equal(webhook.asked.filter(({ resourceAttributes }) => resourceAttributes?.name === 'r').length, 1, 'asked once');
    t.strictSame(await review(admin, 'allowed', { ...PODS, verb: 'patch' }), { allowed: false }, 'a condition');
  });

  await t.test('it is told what is selected', async (t) => {
    const alice = server.client({ token: 'alice-token' });
    await refusal(
      alice.request('GET', '/api/v1/namespaces/default/pods?labelSelector=a%3Db,!c&fieldSelector=spec.nodeName%3Dn1'),
    );
    const spec = webhook.asked.findLast(({ user }) => user === 'alice');
    t.strictSame(spec, {
      user: 'alice',
      uid: 'uid-a',
      groups: ['developers', 'testers', 'system:authenticated'],
      resourceAttributes: {
        ...{ verb: 'list', version: 'v1', resource: 'pods', namespace: 'default' },
        fieldSelector: { requirements: [{ key: 'spec.nodeName', operator: 'In', values: ['n1'] }] },
        labelSelector: {
          requirements: [
            { key: 'a', operator: 'In', values: ['b'] },
            { key: 'c', operator: 'DoesNotExist' },
          ],
        },
      },
    });
    const text = `/api/v1/namespaces/default/pods?limit=1`;
    t.equal((await refusal(alice.request('GET', text))).code, 403, 'no opinion, and no role');
    const requirements = [{ key: 'x', operator: 'In', values: ['1'] }];
    await review(admin, 'selecting', { ...PODS, verb: 'list', labelSelector: { requirements } });
    t.match(webhook.asked.at(-1)?.resourceAttributes?.labelSelector, { requirements });
  });

  await t.test(
    'what is no answer is no opinion, and a request that nobody else allows is a 500 without details',
    async (t) => {
      for (const user of ['hanging', 'garbage', 'huge', 'redirected', 'refused', 'other']) {
        const { allowed, denied, evaluationError } = await review(admin, user);
        t.strictSame([allowed, denied], [false, undefined], user);
        t.match(evaluationError, /^authorization webhook "outside" has not answered/, user);
      }
      t.equal(webhook.times('garbage'), 1);
      webhook.failures = 1;
      t.match(await review(admin, 'allowed', { ...PODS, name: 'again' }), { allowed: true }, 'a 500 is tried again');
      webhook.failures = 5;
      const alice = server.client({ token: 'alice-token' });
      const failed = await refusal(alice.request('GET', '/api/v1/namespaces/default/secrets/s'));
      webhook.failures = 0;
      t.equal(failed.code, 500);
      t.notMatch(failed.message, /127\.0\.0\.1|https/);
      t.ok(
        logged.some((line) => line.includes('authorization webhook does not answer') && line.includes('"level":50')),
      );
    },
  );

  await t.test('one that cannot be reached, or whose conditions fail, denies where it is to', async (t) => {
    const { allowed, denied, evaluationError } = await review(admin, 'carol');
    t.strictSame([allowed, denied], [false, true]);
    t.match(evaluationError, /"unreachable" has not answered as it should/);
    t.match(await refusal(server.client({ token: 'alice-token' }).request('GET', '/version')), { code: 0 });
    const spec = { user: 'carol', nonResourceAttributes: { verb: 'get', path: '/version' } };
    const { status } = await admin.create<SubjectAccessReview>(subjectAccessReviews, { metadata: {}, spec });
    t.match(status, { allowed: false, denied: true, evaluationError: /cannot evaluate its match conditions/ });
  });

  await t.test('requests with bodies, updates that create, watches and connections wait for it', async (t) => {
    const as = (user: string, method: 'GET' | 'POST' | 'PUT', target: string, body?: object) =>
      admin.request(method, target, { headers: { 'Impersonate-User': user }, ...(body && { body }) });
    const maps = '/api/v1/namespaces/default/configmaps';
    const large = { metadata: { name: 'large' }, data: { text: 'x'.repeat(500_000) } };
    t.equal((await as('allowed', 'POST', maps, large)).status, 201);
    const lease = '/apis/coordination.k8s.io/v1/namespaces/default/leases/made';
    t.equal((await as('allowed', 'PUT', lease, { metadata: { name: 'made' } })).status, 201);
    const verbs = webhook.asked.flatMap(({ user, resourceAttributes: asked }) =>
      user === 'allowed' && asked?.resource === 'leases' ? [asked.verb] : [],
    );
    t.strictSame(verbs, ['update', 'create']);
    t.match((await as('allowed', 'GET', `${maps}?watch=1&timeoutSeconds=1`)).body, /^\{"type":"ADDED"/);
    t.match(await refusal(as('denied', 'GET', maps)), {
      code: 403,
      message: /User "denied" cannot list.*: is on leave$/,
    });
    t.equal((await refusal(as('nobody', 'PUT', lease, { metadata: { name: 'made' } }))).code, 403);
    const upgrade = '/api/v1/namespaces/default/pods/p/exec?command=ls&stdout=1';
    t.equal((await refusal(as('denied', 'POST', upgrade))).code, 403);
  });

  await t.test('expressions of policies wait for its answer', async (t) => {
    const check = (user: string) =>
      `authorizer.serviceAccount('default', '${user}').group('').resource('pods').check('get').allowed()`;
    await admin.create(validatingAdmissionPolicies, {
      metadata: { name: 'asking' },
      spec: {
        matchConstraints: {
          resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'], operations: ['CREATE'] }],
        },
        variables: [{ name: 'first', expression: check('first') }],
        matchConditions: [{ name: 'mine', expression: `!${check('zeroth')}` }],
        validations: [{ expression: `!variables.first && ${check('second')}`, message: 'nobody has allowed it' }],
      },
    });
    await admin.create(validatingAdmissionPolicyBindings, {
      metadata: { name: 'asking' },
      spec: { policyName: 'asking', validationActions: ['Deny'] },
    });
    const make = (name: string) => admin.create(configMaps, { metadata: { namespace: 'default', name } });
    await eventually('the policy to be in use', async () => (await refusal(make('x'))).message.includes('nobody has'));
    for (const name of ['zeroth', 'first', 'second'])
      t.equal(webhook.times(`system:serviceaccount:default:${name}`), 1, name);
  });

  await t.test('rules of users say that there may be more', async (t) => {
    const { status } = await server
      .client({ token: 'alice-token' })
      .create<SelfSubjectRulesReview>(selfSubjectRulesReviews, { metadata: {}, spec: { namespace: 'default' } });
    t.equal(status?.incomplete, true);
    t.match(status?.evaluationError, /webhook authorizer does not support user rule resolution/);
  });

  await t.test("upstream's metrics count all of it", (t) => {
    const metrics = metricsOf(authorization);
    for (const line of [
      /apiserver_authorization_decisions_total\{type="Webhook",name="outside",decision="allowed"\} \d+/,
      /apiserver_authorization_decisions_total\{type="Webhook",name="unreachable",decision="denied"\} 2/,
      /apiserver_authorization_decisions_total\{type="RBAC",name="rbac",decision="allowed"\} [1-9]/,
      /apiserver_authorization_webhook_evaluations_total\{name="outside",result="timeout"\} \d/,
      /apiserver_authorization_webhook_evaluations_total\{name="unreachable",result="error"\} 1/,
      /apiserver_authorization_webhook_evaluations_fail_open_total\{name="outside",result="error"\} \d/,
      /apiserver_authorization_webhook_duration_seconds_count\{name="outside",result="success"\} \d/,
      /apiserver_authorization_match_condition_exclusions_total\{type="Webhook",name="outside"\} 1/,
      /apiserver_authorization_match_condition_evaluation_errors_total\{type="Webhook",name="unreachable"\} 1/,
      /apiserver_authorization_match_condition_evaluation_seconds_count\{type="Webhook",name="outside"\} \d/,
    ])
      t.match(metrics, line);
    t.end();
  });
});

test('a configuration is read again while the server runs; one that is wrong changes nothing', async (t) => {
  const webhook = await Webhook.start(t);
  const directory = await ownDirectory(t);
  const file = path.join(directory, 'authorization.yaml');
  const outside = await kubeconfig(directory, webhook.server, webhook.server.ca.cert);
  await writeFile(file, configurationOf(RBAC));
  const logged: string[] = [];
  const authorization = await open(t, { authorizationConfig: file }, logged);
  const server = await startServer(t, {}, undefined, authorization);
  const admin = adminOf(server);
  const replace = async (text: string): Promise<void> => {
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  };
  const reloads = (status: string): number =>
    Number(
      new RegExp(`automatic_reloads_total\\{status="${status}",[^}]*\\} (\\d+)`).exec(metricsOf(authorization))?.[1] ??
        0,
    );

  t.strictSame(await review(admin, 'allowed'), { allowed: false });
  await replace(configurationOf(webhookOf(outside), RBAC));
  await eventually('the webhook to be asked', async () => (await review(admin, 'allowed')).allowed);
  t.equal(reloads('success'), 1);
  const whole = configurationOf(webhookOf(outside, { failurePolicy: 'Deny' }), RBAC);
  for (const [index, bad] of [
    whole.slice(0, whole.length / 2),
    configurationOf(),
    configurationOf(webhookOf('/nowhere')),
  ].entries()) {
    await replace(bad);
    await eventually('the failure to be counted', () => reloads('failure') === index + 1);
    t.ok((await review(admin, 'allowed')).allowed, 'the one before goes on');
  }
  t.equal(logged.filter((line) => line.includes('cannot be used; the one before goes on')).length, 3);
  await rm(file);
  await replace(configurationOf({ type: 'AlwaysDeny', name: 'nobody' }));
  await eventually('nobody to be allowed', async () => !(await review(admin, 'allowed')).allowed);
  t.match((await review(admin, 'allowed')).reason, /Everything is forbidden/);
  t.match(
    metricsOf(authorization),
    /last_config_info\{apiserver_id_hash="sha256:[0-9a-f]{64}",hash="sha256:[0-9a-f]{64}"\} 1/,
  );
});

test('a start says what is wrong with its files in one sentence', async (t) => {
  const directory = await ownDirectory(t);
  const file = async (name: string, text: string): Promise<string> => {
    const at = path.join(directory, name);
    await writeFile(at, text);
    return at;
  };
  const cases: [Partial<AuthorizationSettings>, RegExp][] = [
    [{ authorizationConfig: path.join(directory, 'none') }, /^authorization configuration .*none: ENOENT/],
    [
      { authorizationConfig: await file('half', configurationOf(RBAC).slice(0, 60)) },
      /^authorization configuration .*half: /,
    ],
    [
      { authorizationConfig: await file('abac', configurationOf({ type: 'ABAC', name: 'a' })) },
      /needs an --authorization-policy-file/,
    ],
    [
      { authorizationConfig: await file('gone', configurationOf(webhookOf('/nowhere/x'))) },
      /gone: authorizers\[0\]\.webhook\.connectionInfo: kubeconfig: \/nowhere\/x does not exist/,
    ],
    [
      { authorizationMode: ['ABAC'], authorizationPolicyFile: await file('policy', '{"user": 1}') },
      /^authorization policy .*policy: line 1: /,
    ],
  ];
  for (const [settings, message] of cases) await t.rejects(open(t, settings), { name: 'SettingValueError', message });
});

test('flags name a chain, too: policies of a file, then everybody', async (t) => {
  const directory = await ownDirectory(t);
  const policies = path.join(directory, 'policies.jsonl');
  await writeFile(policies, '{"user": "reader", "readonly": true}\n');
  const webhook = await Webhook.start(t);
  const authorization = await open(t, {
    authorizationMode: ['Webhook', 'ABAC', 'RBAC'],
    authorizationPolicyFile: policies,
    authorizationWebhookConfigFile: await kubeconfig(directory, webhook.server, webhook.server.ca.cert),
    authorizationWebhookCacheAuthorizedTtl: '0s',
  });
  const server = await startServer(t, {}, undefined, authorization);
  const admin = adminOf(server);
  t.match(await review(admin, 'reader'), { allowed: true });
  t.match(await review(admin, 'reader', { ...PODS, verb: 'delete' }), { allowed: false, reason: 'No policy matched.' });
  t.match(await review(admin, 'allowed'), { allowed: true });
  t.match(await review(admin, 'allowed'), { allowed: true });
  t.equal(webhook.times('allowed'), 2, 'without a time to live, each is asked for');
  t.match(metricsOf(authorization), /decisions_total\{type="ABAC",name="abac",decision="allowed"\} 1/);
  const everybody = await open(t, { authorizationMode: ['AlwaysAllow'] });
  const nobody = { authorize: () => ({ allowed: false, reason: '' }), rulesFor: () => ({ rules: [], errors: [] }) };
  const chain = everybody.with({ Node: nobody, RBAC: nobody });
  t.match(
    chain.authorize({ name: 'x', groups: [] }, { ...PODS, isResource: true, path: '', group: '', subresource: '' }),
    {
      allowed: true,
    },
  );
});
