import { createHmac, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { test } from 'tap';
import { pods } from '../../../api/kinds/core/pod.ts';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { secrets } from '../../../api/kinds/core/secret.ts';
import { serviceAccounts } from '../../../api/kinds/core/service-account.ts';
import { newBootstrapToken, secretOf, tokenOf, tokenText } from '../../../cli/bootstrap-token.ts';
import { BootstrapTokenAuthenticator } from '../../../control-plane/apiserver/access/authentication/bootstrap-tokens.ts';
import { LocalBoundObjects } from '../../../control-plane/apiserver/access/authentication/bound-objects.ts';
import { ClientCertificateAuthenticator } from '../../../control-plane/apiserver/access/authentication/client-certificate.ts';
import { peekJws } from '../../../control-plane/apiserver/access/authentication/jws.ts';
import { legacyTokenSigner } from '../../../control-plane/apiserver/access/authentication/legacy-token.ts';
import { LegacyTokenUses } from '../../../control-plane/apiserver/access/authentication/legacy-token-uses.ts';
import { LegacyTokenAuthenticator } from '../../../control-plane/apiserver/access/authentication/legacy-tokens.ts';
import { ServiceAccountIndex } from '../../../control-plane/apiserver/access/authentication/service-account-index.ts';
import { ServiceAccountTokenIssuer } from '../../../control-plane/apiserver/access/authentication/service-account-issuer.ts';
import { ServiceAccountTokenAuthenticator } from '../../../control-plane/apiserver/access/authentication/service-account-tokens.ts';
import { parseTokenFile } from '../../../control-plane/apiserver/access/authentication/static-tokens.ts';
import { PodGraph } from '../../../control-plane/apiserver/access/authorization/pod-graph.ts';
import { issueCertificate } from '../../../control-plane/pki/signing.ts';
import { ownWriteContext } from '../../../control-plane/apiserver/admission/pipeline.ts';
import { issueToken } from '../../../control-plane/apiserver/verbs/actions/token-request.ts';
import { eventually } from '../../support/wait.ts';
import { createAll, refusal, startSecurity, startServer, type Fixture } from './fixture.ts';
import type { Secret } from '../../../api/types/core/v1.gen.ts';
import type { TokenRequest, TokenRequestSpec } from '../../../api/types/authentication/v1.gen.ts';

const ISSUER = 'https://kubernetes.default.svc.cluster.local';
const HOUR_MS = 3_600_000;

/** Issues and verifies tokens with the fixture's objects, at a time set by the test. */
function tokenParts({ core, pki }: Fixture) {
  const clock = { now: Date.now() };
  const issuer = new ServiceAccountTokenIssuer(ISSUER, pki.serviceAccountKey);
  const objects = new LocalBoundObjects(core.api, new ServiceAccountIndex(core.api), new PodGraph(core.api));
  const now = () => clock.now;
  const verifier = new ServiceAccountTokenAuthenticator({
    ...{ issuer: ISSUER, publicKeys: issuer.publicKeys, objects, now },
  });
  const request = (namespace: string, name: string, spec: TokenRequestSpec): TokenRequest =>
    issueToken({ api: core.api, issuer, audiences: [ISSUER], now }, namespace, name, spec);
  const token = (name: string, spec: TokenRequestSpec) => request('apps', name, spec).status?.token ?? '';
  return { clock, issuer, verifier, request, token };
}

const pod = (name: string, serviceAccountName = 'web') => ({
  metadata: { namespace: 'apps', name },
  spec: { serviceAccountName, nodeName: 'node-a', containers: [{ name: 'c', image: 'c' }] },
});

test('a ServiceAccount token authenticates until it expires or its bound object is deleted', async (t) => {
  const fixture = await startSecurity(t);
  const { api } = fixture.core;
  const { clock, verifier, request, token } = tokenParts(fixture);
  await createAll(fixture.core, nodes, { metadata: { name: 'node-a' } });
  const [account] = await createAll(fixture.core, serviceAccounts, { metadata: { namespace: 'apps', name: 'web' } });
  const [bound] = await createAll(fixture.core, pods, pod('web-1'));
  const uid = bound?.metadata?.uid;

  const plain = request('apps', 'web', { expirationSeconds: 600 });
  t.equal(Date.parse(plain.status?.expirationTimestamp ?? '') - (clock.now - (clock.now % 1000)), 600_000);
  const user = verifier.authenticateToken(plain.status?.token ?? '', [ISSUER])?.user;
  t.equal(user?.name, 'system:serviceaccount:apps:web');
  t.equal(user?.uid, account?.metadata?.uid);
  t.same(user?.groups, ['system:serviceaccounts', 'system:serviceaccounts:apps', 'system:authenticated']);
  t.equal(verifier.authenticateToken(plain.status?.token ?? '', [ISSUER])?.user, user, 'verified once');
  const wide = token('web', { audiences: [ISSUER, 'x'.repeat(10_000)] });
  const twice = [1, 2].map(() => verifier.authenticateToken(wide, [ISSUER])?.user);
  t.same(twice[0]?.name, user?.name);
  t.not(twice[0], twice[1], 'oversized tokens are not cached');

  const podToken = token('web', { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'web-1', uid } });
  const extra = verifier.authenticateToken(podToken, [ISSUER])?.user.extra;
  t.same(extra?.['authentication.kubernetes.io/pod-uid'], [uid]);
  t.same(extra?.['authentication.kubernetes.io/node-name'], ['node-a']);

  const other = token('web', { audiences: ['vault'] });
  t.throws(() => verifier.authenticateToken(other, [ISSUER]), { message: /^token audiences \["vault"\] is invalid/ });
  t.same(verifier.authenticateToken(other, ['vault', ISSUER])?.audiences, ['vault']);

  clock.now += 601_000;
  t.throws(() => verifier.authenticateToken(plain.status?.token ?? '', [ISSUER]), { message: /has expired/ });
  t.ok(verifier.authenticateToken(podToken, [ISSUER]));

  await fixture.core.writer.delete(
    fixture.core.registry.of(pods),
    'apps',
    'web-1',
    { gracePeriodSeconds: 0 },
    ownWriteContext(),
  );
  t.equal(api.get(pods, 'apps', 'web-1'), undefined);
  t.throws(() => verifier.authenticateToken(podToken, [ISSUER]), { message: /has been invalidated/ });
  await createAll(fixture.core, pods, pod('web-1'));
  t.throws(
    () => verifier.authenticateToken(podToken, [ISSUER]),
    { message: /invalidated/ },
    'another pod with that name',
  );

  const fresh = token('web', {});
  t.ok(verifier.authenticateToken(fresh, [ISSUER]));
  await api.delete(serviceAccounts, 'apps', 'web');
  t.throws(() => verifier.authenticateToken(fresh, [ISSUER]), { message: /invalidated/ });
});

test('invalid token requests are rejected as upstream', async (t) => {
  const fixture = await startServer(t);
  await createAll(fixture.core, namespaces, { metadata: { name: 'apps' } });
  await createAll(fixture.core, serviceAccounts, { metadata: { namespace: 'apps', name: 'web' } });
  await createAll(fixture.core, pods, pod('web-1', 'other'));
  const admin = fixture.client({ token: 'admin-token' });
  const refused = (name: string, spec: TokenRequest['spec']) => {
    const body: TokenRequest = { spec };
    return refusal(admin.createSubresource(serviceAccounts, 'apps', name, 'token', body));
  };
  const ref = (name: string, uid?: string) => ({ boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid } });

  t.same(await refused('web', { expirationSeconds: 10 }), {
    code: 422,
    message:
      'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 10: may not specify a duration less than 10 minutes',
  });
  t.equal((await refused('web', { expirationSeconds: 2 ** 33 })).code, 422);
  t.same(await refused('nobody', {}), { code: 404, message: 'serviceaccounts "nobody" not found' });
  t.same(await refused('web', ref('gone')), { code: 404, message: 'pods "gone" not found' });
  t.match(await refused('web', ref('web-1')), { code: 400, message: /different serviceaccount name/ });
  t.match(await refused('web', ref('web-1', 'other-uid')), { code: 409, message: /does not match the UID in record/ });
  t.match(await refused('web', { boundObjectRef: { apiVersion: 'v1', kind: 'ConfigMap', name: 'x' } }), { code: 400 });
});

test('tokens with another issuer, key or algorithm are rejected', async (t) => {
  const fixture = await startSecurity(t);
  const { issuer, verifier, clock } = tokenParts(fixture);
  const [account] = await createAll(fixture.core, serviceAccounts, { metadata: { namespace: 'apps', name: 'web' } });
  const subject = { namespace: 'apps', serviceaccount: { name: 'web', uid: account?.metadata?.uid ?? '' } };
  const options = { subject, audiences: [ISSUER], lifetimeSeconds: 3600, now: clock.now };
  const good = issuer.issue(options);
  t.ok(verifier.authenticateToken(good, [ISSUER]));
  t.same(Object.keys(peekJws(good) ?? {}).sort(), ['aud', 'exp', 'iat', 'iss', 'jti', 'kubernetes.io', 'nbf', 'sub']);

  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  });
  const forged = new ServiceAccountTokenIssuer(ISSUER, stranger.toString()).issue(options);
  t.throws(() => verifier.authenticateToken(forged, [ISSUER]), { message: 'invalid signature' });
  const [header = '', payload = '', signature = ''] = good.split('.');
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const kid = [...issuer.publicKeys.keys()][0];
  const more = encode({ ...peekJws(good), exp: 1e11 });
  const unsigned = `${encode({ alg: 'none', kid })}.${payload}.`;
  const publicPem = [...issuer.publicKeys.values()][0]?.export({ type: 'spki', format: 'pem' }) ?? '';
  const mac = createHmac('sha256', publicPem)
    .update(`${encode({ alg: 'HS256', kid })}.${payload}`)
    .digest('base64url');
  const confused = `${encode({ alg: 'HS256', kid })}.${payload}.${mac}`;
  for (const bad of [`${header}.${more}.${signature}`, unsigned, confused, `${header}.${payload}.AAAA`]) {
    t.throws(() => verifier.authenticateToken(bad, [ISSUER]), { message: 'invalid signature' });
  }
  const elsewhere = new ServiceAccountTokenIssuer('https://elsewhere', fixture.pki.serviceAccountKey).issue(options);
  t.equal(
    verifier.authenticateToken(elsewhere, [ISSUER]),
    undefined,
    "another issuer's token is left to other authenticators",
  );
  for (const junk of ['', '.', '..', 'a.b.c', `${header}.${payload}`]) {
    t.equal(verifier.authenticateToken(junk, [ISSUER]), undefined);
  }
  const early = issuer.issue({ ...options, now: clock.now + HOUR_MS });
  t.throws(() => verifier.authenticateToken(early, [ISSUER]), { message: /not valid yet/ });
});

test("a Secret's token authenticates while the Secret has it, it is not invalidated and the ServiceAccount exists", async (t) => {
  const { core, pki } = await startSecurity(t);
  const { publicKeys } = new ServiceAccountTokenIssuer(ISSUER, pki.serviceAccountKey);
  const accounts = new ServiceAccountIndex(core.api);
  const noted: string[] = [];
  const uses = { note: ({ metadata }: Secret) => void noted.push(metadata?.resourceVersion ?? '') };
  const authenticator = new LegacyTokenAuthenticator({
    ...{ publicKeys, audiences: [ISSUER], api: core.api, accounts, uses },
  });
  const [account] = await createAll(core, serviceAccounts, { metadata: { namespace: 'apps', name: 'web' } });
  const accountUid = account?.metadata?.uid ?? '';
  const subject = { namespace: 'apps', account: 'web', accountUid, secret: 'web-token' };
  const token = legacyTokenSigner(pki.serviceAccountKey)(subject);
  const reject = (message: string | RegExp, given = token, audiences = [ISSUER]) =>
    t.throws(() => authenticator.authenticateToken(given, audiences), { message });
  const metadata = { namespace: 'apps', name: 'web-token' };
  const annotations = { 'kubernetes.io/service-account.name': 'web' };
  const keep = (kept: string, labels = {}) =>
    core.api.update(secrets, { metadata: { ...metadata, annotations, labels }, type, data: { token: btoa(kept) } });
  const type = 'kubernetes.io/service-account-token';

  reject('service account token has been invalidated');
  await createAll(core, secrets, { metadata: { ...metadata, annotations }, type, data: { token: btoa(token) } });
  t.same(authenticator.authenticateToken(token, ['vault', ISSUER]), {
    user: {
      name: 'system:serviceaccount:apps:web',
      uid: accountUid,
      groups: ['system:serviceaccounts', 'system:serviceaccounts:apps', 'system:authenticated'],
    },
    audiences: [ISSUER],
  });
  reject(/is invalid for the target audiences \["vault"\]/, token, ['vault']);
  t.notMatch(peekJws(token), { exp: Number });

  await keep('another');
  reject("service account token does not match server's copy");
  await keep(token, { 'kubernetes.io/legacy-token-invalid-since': '2026-01-01' });
  t.equal(noted.length, 1, 'the uses that were no use are not noted');
  reject(/has been marked invalid$/);
  t.equal(noted.length, 2);
  await keep(token);
  t.ok(authenticator.authenticateToken(token, [ISSUER]));

  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const forged = legacyTokenSigner(stranger.export({ type: 'pkcs8', format: 'pem' }).toString())(subject);
  await keep(forged);
  reject('invalid signature', forged);
  const incomplete = legacyTokenSigner(pki.serviceAccountKey)({ ...subject, secret: '' });
  reject('token has no service account claims', incomplete);

  await keep(token);
  await core.api.delete(serviceAccounts, 'apps', 'web');
  reject('service account token has been invalidated');
  await createAll(core, serviceAccounts, { metadata: { namespace: 'apps', name: 'web' } });
  reject('service account token has been invalidated');
});

test('a Secret has the day of the last use of its token as a label', async (t) => {
  const { core } = await startSecurity(t);
  const failures: unknown[] = [];
  const clock = { now: Date.parse('2026-01-31T23:59:59Z') };
  let writes = 0;
  const update: typeof core.api.update = (kind, object) => {
    writes++;
    return core.api.update(kind, object);
  };
  const uses = new LegacyTokenUses({
    ...{ api: { update }, onError: (error) => failures.push(error), now: () => clock.now },
  });
  const metadata = { namespace: 'apps', name: 'web-token', labels: { app: 'web' } };
  const [created] = await createAll(core, secrets, { metadata, data: { a: btoa('b') } });
  const read = () => core.api.get(secrets, 'apps', 'web-token') ?? {};
  const hasLabel = (day: string) => () => read().metadata?.labels?.['kubernetes.io/legacy-token-last-used'] === day;

  uses.note(read());
  uses.note(read());
  await eventually('the day to be noted', hasLabel('2026-01-31'));
  t.equal(writes, 1);
  t.match(read(), { metadata: { labels: { app: 'web' } }, data: { a: btoa('b') } });
  clock.now += 1_000;
  uses.note(read());
  await eventually('the next day to be noted', hasLabel('2026-02-01'));
  clock.now -= 1_000;
  uses.note(read());
  t.equal(writes, 2, 'a day ahead is another clock');

  clock.now += 48 * HOUR_MS;
  uses.note(created ?? {});
  await eventually('a conflict to be retried', () => {
    uses.note(read());
    return hasLabel('2026-02-02')();
  });
  await core.api.delete(secrets, 'apps', 'web-token');
  clock.now += 48 * HOUR_MS;
  uses.note(created ?? {});
  t.same(failures, []);
});

test('a bootstrap token authenticates until it expires, with the right secret, type and groups', async (t) => {
  const { core } = await startSecurity(t);
  const clock = { now: Date.now() };
  const authenticator = new BootstrapTokenAuthenticator(core.api, () => clock.now);
  const make = async (change: (data: Record<string, string>) => void = () => {}, expiresAt?: number) => {
    const token = newBootstrapToken('test', expiresAt);
    const secret = secretOf(token);
    change(secret.data ?? {});
    await core.api.create(secrets, secret);
    return { token, text: tokenText(token) };
  };
  const { token, text } = await make(undefined, clock.now + HOUR_MS);
  t.same(authenticator.authenticateToken(text, ['any'])?.user, {
    name: `system:bootstrap:${token.id}`,
    groups: ['system:bootstrappers', 'system:bootstrappers:kubeadm:default-node-token', 'system:authenticated'],
  });
  t.same(tokenOf(secretOf(token)), { ...token, expiresAt: Math.floor((clock.now + HOUR_MS) / 1000) * 1000 });
  t.equal(authenticator.authenticateToken(`${token.id}.${'a'.repeat(16)}`, []), undefined, 'a wrong secret');
  t.equal(authenticator.authenticateToken(`zzzzzz.${'a'.repeat(16)}`, []), undefined, 'no such token');
  t.equal(authenticator.authenticateToken(text.toUpperCase(), []), undefined);

  const base64 = (value: string) => Buffer.from(value).toString('base64');
  const foreign = await make((data) => (data['auth-extra-groups'] = base64('system:masters')));
  t.throws(() => authenticator.authenticateToken(foreign.text, []), {
    message: /extra group outside system:bootstrappers/,
  });
  const unused = await make((data) => delete data['usage-bootstrap-authentication']);
  t.throws(() => authenticator.authenticateToken(unused.text, []), { message: /not for authentication/ });
  const unreadable = await make((data) => (data['expiration'] = base64('tomorrow')));
  t.throws(() => authenticator.authenticateToken(unreadable.text, []), { message: /has expired/ });
  const endless = await make();
  clock.now += HOUR_MS + 1000;
  t.throws(() => authenticator.authenticateToken(text, []), { message: `bootstrap token ${token.id} has expired` });
  t.ok(authenticator.authenticateToken(endless.text, []));
  await core.api.delete(secrets, 'kube-system', `bootstrap-token-${endless.token.id}`);
  t.equal(authenticator.authenticateToken(endless.text, []), undefined);
});

test('the token file is parsed as upstream, and errors do not contain tokens', (t) => {
  const users = parseTokenFile('# comment\nt1,alice,uid-1,"dev, ""ops"""\n\nt2,bob\n t3 ,carol,,admins\r\n');
  t.same(users.get('t1'), { name: 'alice', uid: 'uid-1', groups: ['dev', '"ops"', 'system:authenticated'] });
  t.same(users.get('t2'), { name: 'bob', groups: ['system:authenticated'] });
  t.same(users.get('t3'), { name: 'carol', groups: ['admins', 'system:authenticated'] });
  t.throws(() => parseTokenFile('a,alice\nhush'), {
    message: 'line 2 of the token file must be: token,user,uid,"group1,group2"',
  });
  t.throws(() => parseTokenFile('hush,alice\nhush,bob'), {
    message: 'line 2 of the token file repeats the token of an earlier line',
  });
  t.end();
});

test('a client certificate authenticates while it is valid, a server certificate never', async (t) => {
  const { pki } = await startSecurity(t);
  const clock = { now: Date.now() };
  const authenticator = new ClientCertificateAuthenticator({ now: () => clock.now });
  const issue = async (usage: string) => {
    const { certificate } = await issueCertificate(pki.ca, {
      ...{ commonName: 'alice', organizations: ['dev', 'a=b,O=system:masters\nO=system:masters'] },
      ...{ usages: [usage], lifetimeMs: HOUR_MS, now: clock.now },
    });
    const { raw, subject } = new X509Certificate(certificate);
    return { headers: {}, path: '/', clientCertificate: { raw, subject } };
  };
  const credentials = await issue('client auth');
  const groups = ['dev', 'a=b,O=system:masters\nO=system:masters', 'system:authenticated'];
  t.same(authenticator.authenticate(credentials), { name: 'alice', groups }, 'one value stays one');
  const server = await issue('server auth');
  t.same(await refusal(() => authenticator.authenticate(server)), { code: 401, message: 'Unauthorized' });
  clock.now += HOUR_MS + 1000;
  t.same(await refusal(() => authenticator.authenticate(credentials)), { code: 401, message: 'Unauthorized' });
});

test('tokens of the key before are valid until it is dropped, and both keys are published', async (t) => {
  const fixture = await startSecurity(t);
  await createAll(fixture.core, serviceAccounts, { metadata: { namespace: 'apps', name: 'web' } });
  const { token, issuer: before } = tokenParts(fixture);
  const old = token('web', { expirationSeconds: 600 });
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  const oldPublic = createPublicKey(fixture.pki.serviceAccountKey).export({ type: 'spki', format: 'pem' });
  const objects = new LocalBoundObjects(
    fixture.core.api,
    new ServiceAccountIndex(fixture.core.api),
    new PodGraph(fixture.core.api),
  );
  const verifiedBy = ({ publicKeys }: ServiceAccountTokenIssuer) =>
    new ServiceAccountTokenAuthenticator({ issuer: ISSUER, publicKeys, objects });
  const rotated = new ServiceAccountTokenIssuer(ISSUER, String(key), [String(oldPublic)]);
  const fresh = rotated.issue({
    subject: peekJws(old)?.['kubernetes.io'] as never,
    ...{ audiences: [ISSUER], lifetimeSeconds: 600, now: Date.now() },
  });
  for (const text of [old, fresh])
    t.equal(verifiedBy(rotated).authenticateToken(text, [ISSUER])?.user.name, 'system:serviceaccount:apps:web');
  t.throws(() => verifiedBy(before).authenticateToken(fresh, [ISSUER]), { message: 'invalid signature' });
  const dropped = new ServiceAccountTokenIssuer(ISSUER, String(key));
  t.throws(() => verifiedBy(dropped).authenticateToken(old, [ISSUER]), { message: 'invalid signature' });
  t.strictSame(
    (rotated.keySet() as { keys: { kid: string }[] }).keys.map(({ kid }) => kid),
    [...dropped.publicKeys.keys(), ...before.publicKeys.keys()],
  );
});
