import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { test, type Test } from 'tap';
import { selfSubjectReviews } from '../../../api/kinds/authentication/self-subject-review.ts';
import { tokenReviews } from '../../../api/kinds/authentication/token-review.ts';
import { localSubjectAccessReviews } from '../../../api/kinds/authorization/local-subject-access-review.ts';
import { selfSubjectAccessReviews } from '../../../api/kinds/authorization/self-subject-access-review.ts';
import { subjectAccessReviews } from '../../../api/kinds/authorization/subject-access-review.ts';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { secrets } from '../../../api/kinds/core/secret.ts';
import { tokenCommand } from '../../../cli/token.ts';
import { kubeconfigCommand } from '../../../cli/kubeconfig.ts';
import { writeKubeconfig } from '../../../control-plane/pki/kubeconfig.ts';
import { openPki } from '../../../control-plane/pki/cluster-pki.ts';
import { refusal, startServer } from './fixture.ts';
import type { SelfSubjectReview, TokenReview } from '../../../api/types/authentication/v1.gen.ts';
import type { SelfSubjectRulesReview, SubjectAccessReview } from '../../../api/types/authorization/v1.gen.ts';
import type { ConfigMap } from '../../../api/types/core/v1.gen.ts';

const run = promisify(execFile);

/** Runs the command and returns its output. */
async function printed(t: Test, command: ReturnType<typeof tokenCommand>, ...args: string[]): Promise<string> {
  const capture = t.capture(console, 'log');
  await command.parseAsync(args, { from: 'user' });
  const text = capture().map(({ args: [line] }) => String(line));
  capture.restore();
  return text.join('\n');
}

test('invalid credentials get a 401, none are anonymous, valid ones their user', async (t) => {
  const fixture = await startServer(t);
  const whoAmI = async (credentials: { token?: string; cert?: string; key?: string }) => {
    const review = await fixture.client(credentials).create<SelfSubjectReview>(selfSubjectReviews, {});
    return review.status?.userInfo;
  };
  t.same(await whoAmI({ token: 'admin-token' }), {
    username: 'admin',
    groups: ['system:masters', 'system:authenticated'],
  });
  t.same(await whoAmI({ token: 'alice-token' }), {
    ...{ username: 'alice', uid: 'uid-a', groups: ['developers', 'testers', 'system:authenticated'] },
  });
  const { certificate: cert, key } = fixture.pki.admin;
  t.match(
    await whoAmI({ cert, key, token: 'nonsense' }),
    { username: 'kubernetes-admin' },
    'the certificate takes precedence',
  );

  t.same(await refusal(whoAmI({ token: 'nonsense' })), { code: 401, message: 'Unauthorized' });
  t.equal((await refusal(whoAmI({ token: 'abcdef.0123456789abcdef' }))).code, 401);
  const anonymous = fixture.client({});
  t.same(await refusal(anonymous.list(pods)), {
    code: 403,
    message:
      'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" at the cluster scope',
  });
  t.equal((await anonymous.request('GET', '/version')).status, 200);
  t.ok(await anonymous.get<ConfigMap>(configMaps, 'kube-public', 'cluster-info'));
  const stranger = await openPki({ directory: join(fixture.directory, 'stranger'), serverNames: ['x'] });
  const forged = fixture.client({ cert: stranger.admin.certificate, key: stranger.admin.key });
  t.match(
    await refusal(forged.list(pods)),
    { code: 401, message: 'Unauthorized' },
    'nor is a certificate of another CA',
  );
  t.equal(
    (
      await fixture
        .client({ token: 'alice-token' })
        .request('GET', '/api/v1/namespaces/kube-public/configmaps/cluster-info')
    ).status,
    200,
  );
});

test('access reviews agree with requests', async (t) => {
  const fixture = await startServer(t);
  const admin = fixture.client({ token: 'admin-token' });
  const resourceAttributes = { namespace: 'kube-public', verb: 'get', resource: 'configmaps', name: 'cluster-info' };
  const review = async (spec: SubjectAccessReview['spec']) =>
    (await admin.create<SubjectAccessReview>(subjectAccessReviews, { spec })).status;
  t.same(await review({ user: 'nobody', resourceAttributes }), { allowed: false });
  t.same(await review({ user: 'nobody', groups: ['system:authenticated'], resourceAttributes }), {
    allowed: true,
    reason:
      'RBAC: allowed by RoleBinding "kedge:cluster-info-reader/kube-public" of Role "kedge:cluster-info-reader" to Group "system:authenticated"',
  });
  t.same(
    await review({ user: 'x', groups: ['system:masters'], nonResourceAttributes: { verb: 'delete', path: '/x' } }),
    { allowed: true },
  );
  t.match(await refusal(review({ user: 'x' })), {
    code: 422,
    message: /exactly one of nonResourceAttributes or resourceAttributes/,
  });
  t.match(await refusal(review({ resourceAttributes })), { code: 422, message: /at least one of user or group/ });
  const local = { metadata: { namespace: 'default' }, spec: { user: 'x', resourceAttributes } };
  t.match(await refusal(admin.create(localSubjectAccessReviews, local)), {
    code: 422,
    message: /spec.resourceAttributes.namespace: Invalid value: "kube-public": must match metadata.namespace/,
  });
  const alice = fixture.client({ token: 'alice-token' });
  const self = await alice.create(selfSubjectAccessReviews, { spec: { resourceAttributes } });
  t.match(self, { metadata: {}, spec: { resourceAttributes }, status: { allowed: true } });

  const token = async (text: string, audiences?: string[]) =>
    (await admin.create<TokenReview>(tokenReviews, { spec: { token: text, audiences } })).status;
  t.same(await token('nope'), { user: {}, error: 'invalid bearer token' });
  t.match(await token('alice-token', ['vault']), {
    authenticated: true,
    audiences: ['vault'],
    user: { username: 'alice' },
  });
  t.equal((await refusal(token(''))).code, 400);
});

test("kubectl works with a kubeconfig of `kedge kubeconfig`, and lists its user's permissions", async (t) => {
  const fixture = await startServer(t);
  const path = join(fixture.directory, 'bob.kubeconfig');
  const command = ['--user', 'bob', '--group', 'a', '--group', 'b', '--server', fixture.url];
  writeFileSync(path, await printed(t, kubeconfigCommand(), ...command, '--data-dir', fixture.directory));
  const body = join(fixture.directory, 'review.json');
  const ask = async <T>(review: string, spec: object = {}): Promise<T> => {
    const [group = '', resource = '', kind = ''] = review.split(' ');
    writeFileSync(body, JSON.stringify({ apiVersion: `${group}/v1`, kind, spec }));
    const raw = ['create', '--raw', `/apis/${group}/v1/${resource}`, '-f', body];
    return JSON.parse((await run('kubectl', ['--kubeconfig', path, ...raw])).stdout) as T;
  };
  const who = await ask<SelfSubjectReview>('authentication.k8s.io selfsubjectreviews SelfSubjectReview');
  t.match(who.status?.userInfo, { username: 'bob', groups: ['a', 'b', 'system:authenticated'] });
  t.match(who.metadata?.creationTimestamp, /^\d{4}-/);
  const rules = 'authorization.k8s.io selfsubjectrulesreviews SelfSubjectRulesReview';
  const { status } = await ask<SelfSubjectRulesReview>(rules, { namespace: 'kube-public' });
  t.match(status?.resourceRules, [
    { verbs: ['create'], resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'] },
  ]);
  t.ok(status?.resourceRules.some(({ resourceNames }) => resourceNames?.includes('cluster-info')));
  t.ok(status?.nonResourceRules.some(({ nonResourceURLs }) => nonResourceURLs?.includes('/version')));
  t.equal(status?.incomplete, false);
});

test('kedge token creates, lists and deletes bootstrap tokens', async (t) => {
  const fixture = await startServer(t);
  const path = join(fixture.directory, 'admin.kubeconfig');
  const { ca, admin } = fixture.pki;
  const options = { server: fixture.url, caCertificate: ca.certificate, user: 'admin', credentials: admin };
  await writeKubeconfig(path, options);
  const kedge = (...args: string[]) => printed(t, tokenCommand(), ...args, '--kubeconfig', path);

  const text = await kedge('create', '--description', 'rack 7');
  t.match(text, /^[a-z0-9]{6}\.[a-z0-9]{16}$/);
  const review = await fixture.client({ token: text }).create<SelfSubjectReview>(selfSubjectReviews, {});
  t.equal(review.status?.userInfo?.username, `system:bootstrap:${text.slice(0, 6)}`);
  const joining = await kedge('create', '--ttl', '0', '--print-join-command');
  const command = `scripts/install.sh --server https://127.0.0.1:6443 --token TOKEN --ca-hash ${fixture.pki.caHash}`;
  t.equal(joining.replace(/[a-z0-9]{6}\.[a-z0-9]{16}/, 'TOKEN'), command);
  const table = await kedge('list');
  t.match(table, new RegExp(`${text.replace('.', '\\.')} +23h|24h .*rack 7`));
  t.match(table, '<forever>');
  t.match(await kedge('delete', text), 'deleted');
  t.equal((await refusal(fixture.client({ token: text }).create(selfSubjectReviews, {}))).code, 401);
  await t.rejects(kedge('delete', 'abcdef'), { message: /^token abcdef does not exist; / });
  t.equal((await fixture.client({ token: 'admin-token' }).list(secrets, { namespace: 'kube-system' })).items.length, 1);
  await t.rejects(kedge('delete', 'not a token'), { message: /token must be ID or ID.SECRET/ });
  await t.rejects(kedge('create', '--ttl', 'soon'), { message: /--ttl must be a duration such as 24h/ });
});
