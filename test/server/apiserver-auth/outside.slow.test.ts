/** Users that somebody else knows: a real issuer over HTTPS, a real webhook, a real proxy's certificate. */
import { createHmac, createPublicKey, generateKeyPairSync, sign, constants, type KeyObject } from 'node:crypto';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { test, type Test } from 'tap';
import { selfSubjectReviews } from '../../../api/kinds/authentication/self-subject-review.ts';
import { tokenReviews } from '../../../api/kinds/authentication/token-review.ts';
import type { SelfSubjectReview, TokenReview, UserInfo } from '../../../api/types/authentication/v1.gen.ts';
import { openOutsideAuthentication } from '../../../control-plane/apiserver/access/authentication/outside.ts';
import { serviceAccountIssuerUrl } from '../../../control-plane/apiserver/access/authentication/service-account-issuer.ts';
import {
  authenticationDefaults,
  type AuthenticationSettings,
} from '../../../control-plane/apiserver/access/authentication/settings.ts';
import { bodyOf, startServer as startHttps, TestCa, type TestServer } from '../../support/https-server.ts';
import { eventually } from '../../support/wait.ts';
import { refusal, startServer, type ServedFixture } from './fixture.ts';

const OWN_ISSUER = serviceAccountIssuerUrl('cluster.local');
const AUDIENCE = 'kubernetes';
const INACTIVE = { level: 'silent' };

interface Signer {
  readonly kid: string;
  readonly alg: string;
  readonly key: KeyObject;
}

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const ec = (namedCurve: string): KeyObject => generateKeyPairSync('ec', { namedCurve }).privateKey;
const signer = (alg: string, key: KeyObject, kid = alg): Signer => ({ alg, key, kid });
const SIGNERS: readonly Signer[] = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'].map((alg) => signer(alg, rsa)),
  signer('ES256', ec('P-256')),
  signer('ES384', ec('P-384')),
  signer('ES512', ec('P-521')),
];
const [RS256] = SIGNERS as [Signer];

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function signed({ alg, key, kid }: Signer, claims: object, header: object = {}): string {
  const text = `${encode({ alg, kid, ...header })}.${encode(claims)}`;
  const hash = `sha${alg.slice(2)}`;
  const options = alg.startsWith('ES')
    ? { key, dsaEncoding: 'ieee-p1363' as const }
    : alg.startsWith('PS')
      ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
      : { key };
  return `${text}.${sign(hash, Buffer.from(text), options).toString('base64url')}`;
}

const jwk = ({ key, kid }: Signer): object => ({ ...createPublicKey(key).export({ format: 'jwk' }), kid, use: 'sig' });

/** An issuer of OpenID Connect, which counts how often its keys are fetched. */
class Issuer {
  readonly server: TestServer;
  keys: readonly Signer[];
  keyFetches = 0;

  private constructor(server: TestServer, keys: readonly Signer[]) {
    this.server = server;
    this.keys = keys;
  }

  static async start(t: Test, keys: readonly Signer[] = SIGNERS): Promise<Issuer> {
    const started: { issuer?: Issuer } = {};
    const server = await startHttps((request, response) => {
      const { issuer } = started;
      const answer = (body: object): void => void response.end(JSON.stringify(body));
      if (!issuer) response.writeHead(503).end();
      else if (request.url === '/.well-known/openid-configuration')
        answer({ issuer: issuer.url, jwks_uri: `${issuer.url}/keys` });
      else if (request.url === '/keys') {
        issuer.keyFetches++;
        answer({ keys: [{ kty: 'oct', k: 'c2VjcmV0' }, ...issuer.keys.map(jwk)] });
      } else response.writeHead(404).end();
    });
    t.teardown(() => server[Symbol.asyncDispose]());
    return (started.issuer = new Issuer(server, keys));
  }

  get url(): string {
    return this.server.url;
  }

  claims(more: object = {}): object {
    return { iss: this.url, aud: AUDIENCE, sub: 'jane', exp: Math.floor(Date.now() / 1000) + 600, ...more };
  }

  token(more: object = {}, by = RS256): string {
    return signed(by, this.claims(more));
  }

  jwt(more: object = {}): object {
    return {
      issuer: { url: this.url, certificateAuthority: this.server.ca.cert, audiences: [AUDIENCE] },
      claimMappings: { username: { claim: 'sub', prefix: 'oidc:' } },
      ...more,
    };
  }
}

async function ownDirectory(t: Test): Promise<string> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-outside-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

interface Served extends ServedFixture {
  readonly whoAmI: (token: string) => Promise<UserInfo | undefined>;
  /** What a TokenReview says against the token; '' when nothing. */
  readonly review: (token: string, audiences?: string[]) => Promise<TokenReview['status']>;
}

async function serveWith(t: Test, settings: Partial<AuthenticationSettings>): Promise<Served> {
  const stopping = new AbortController();
  t.teardown(() => stopping.abort());
  const outside = await openOutsideAuthentication(
    { ...authenticationDefaults, ...settings },
    { ownIssuer: OWN_ISSUER, logger: pino(INACTIVE), signal: stopping.signal },
  );
  const fixture = await startServer(t, {}, outside);
  const admin = fixture.client({ token: 'admin-token' });
  return {
    ...fixture,
    whoAmI: async (token) =>
      (await fixture.client({ token }).create<SelfSubjectReview>(selfSubjectReviews, {})).status?.userInfo,
    review: async (token, audiences) =>
      (await admin.create<TokenReview>(tokenReviews, { spec: { token, ...(audiences && { audiences }) } })).status,
  };
}

async function configured(t: Test, jwt: object[], more: object = {}): Promise<Served & { readonly file: string }> {
  const file = path.join(await ownDirectory(t), 'authentication.yaml');
  await writeConfiguration(file, jwt, more);
  return { ...(await serveWith(t, { authenticationConfig: file })), file };
}

/** As editors and ConfigMaps do it: another file takes the place of the one before. */
async function writeConfiguration(file: string, jwt: object[], more: object = {}): Promise<void> {
  const content = { apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthenticationConfiguration', jwt, ...more };
  await writeFile(`${file}.new`, JSON.stringify(content));
  await rename(`${file}.new`, file);
}

test('tokens by each algorithm are taken, and their user is what the claims say', async (t) => {
  const issuer = await Issuer.start(t);
  const server = await configured(t, [issuer.jwt()]);
  await eventually('the issuer to be found', () => server.whoAmI(issuer.token()));
  for (const by of SIGNERS) {
    const user = await server.whoAmI(issuer.token({ sub: by.alg, jti: 'x' }, by));
    t.match(user, {
      username: `oidc:${by.alg}`,
      groups: ['system:authenticated'],
      extra: { 'authentication.kubernetes.io/credential-id': ['JTI=x'] },
    });
  }
  t.equal(issuer.keyFetches, 1);
});

test('tokens that are wrong are refused, and only a review says why', async (t) => {
  const issuer = await Issuer.start(t);
  const server = await configured(t, [issuer.jwt()]);
  await eventually('the issuer to be found', () => server.whoAmI(issuer.token()));
  const now = Math.floor(Date.now() / 1000);
  const stranger = signer('RS256', generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey);
  const good = issuer.token();
  const [header = '', payload = '', signature = ''] = good.split('.');
  const pem = createPublicKey(rsa).export({ type: 'spki', format: 'pem' });
  const hmacText = `${encode({ alg: 'HS256', kid: 'RS256' })}.${payload}`;
  const wrong: readonly (readonly [string, string, RegExp])[] = [
    ['no signature', `${encode({ alg: 'none' })}.${payload}.`, /unsupported algorithm/],
    [
      'the public key as a secret',
      `${hmacText}.${createHmac('sha256', pem).update(hmacText).digest('base64url')}`,
      /unsupported algorithm/,
    ],
    ['the key of somebody else', signed(stranger, issuer.claims()), /failed to verify signature/],
    [
      'an algorithm of another key',
      `${encode({ alg: 'ES256', kid: 'RS256' })}.${payload}.${signature}`,
      /failed to verify signature/,
    ],
    ['other claims', `${header}.${encode(issuer.claims({ sub: 'root' }))}.${signature}`, /failed to verify signature/],
    ['a critical extension', signed(RS256, issuer.claims(), { crit: ['exp'] }), /unsupported crit/],
    ['a header that is none', `${encode('x')}.${payload}.${signature}`, /malformed token/],
    ['expired', issuer.token({ exp: now - 1 }), /token is expired/],
    ['without an end', issuer.token({ exp: undefined }), /token is expired/],
    ['with a text as its end', issuer.token({ exp: '99999999999' }), /token is expired/],
    ['not yet', issuer.token({ nbf: now + 3600 }), /before the nbf/],
    ['not yet, as a text', issuer.token({ nbf: String(now + 3600) }), /malformed nbf/],
    ['for somebody else', issuer.token({ aud: ['other'] }), /expected audience/],
    ['for nobody', issuer.token({ aud: undefined }), /expected audience/],
    ['without a name', issuer.token({ sub: undefined }), /parse username claims/],
    ['with a name that is no text', issuer.token({ sub: ['root'] }), /parse username claims/],
    ['of another issuer', issuer.token({ iss: 'https://example.com' }), /invalid bearer token/],
    ['of the cluster itself', issuer.token({ iss: OWN_ISSUER }), /invalid/],
  ];
  for (const [what, token, why] of wrong) {
    t.same(await refusal(server.whoAmI(token)), { code: 401, message: 'Unauthorized' }, what);
    t.match((await server.review(token))?.error, why, what);
  }
  t.match(await server.review(good), { authenticated: true, user: { username: 'oidc:jane' }, audiences: [OWN_ISSUER] });
  t.notOk((await server.review(good, ['vault']))?.authenticated, 'it is for this server, not for others');
});

test('keys of an issuer turn, and strangers cannot have it asked all the time', async (t) => {
  const first = signer('ES256', ec('P-256'), 'first');
  const second = signer('ES256', ec('P-256'), 'second');
  const issuer = await Issuer.start(t, [first]);
  const server = await configured(t, [issuer.jwt()]);
  await eventually('the issuer to be found', () => server.whoAmI(issuer.token({}, first)));
  issuer.keys = [second];
  // Not more often than once a second.
  await eventually('the new key', () => server.whoAmI(issuer.token({ sub: 'new' }, second)));
  t.same(await refusal(server.whoAmI(issuer.token({ sub: 'other' }, first))), { code: 401, message: 'Unauthorized' });
  const before = issuer.keyFetches;
  const flood = Array.from({ length: 50 }, (_, index) => signed({ ...first, kid: `none-${index}` }, issuer.claims()));
  await Promise.all(flood.map((token) => refusal(server.whoAmI(token))));
  t.ok(issuer.keyFetches - before <= 5, `${issuer.keyFetches - before} fetches for 50 tokens`);
});

test('expressions make the user, and rules refuse claims and users', async (t) => {
  const issuer = await Issuer.start(t);
  const server = await configured(t, [
    issuer.jwt({
      claimMappings: {
        username: { expression: 'claims.email.split("@")[0] + ":corp"' },
        groups: { expression: 'claims.roles.split(",").map(r, "role:" + r)' },
        uid: { claim: 'sub' },
        extra: [
          { key: 'example.com/tenant', valueExpression: 'claims.tenant' },
          { key: 'example.com/none', valueExpression: '"none" in claims ? [string(claims.none)] : []' },
        ],
      },
      claimValidationRules: [
        { claim: 'hd', requiredValue: 'example.com' },
        { expression: 'claims.email_verified == true', message: 'email must be verified' },
        { expression: 'claims.exp - claims.iat <= 86400' },
      ],
      userValidationRules: [
        { expression: "!user.username.startsWith('system:')", message: 'username cannot be of the system' },
        { expression: "user.groups.all(g, g != 'role:banned')", message: 'banned' },
      ],
    }),
  ]);
  const now = Math.floor(Date.now() / 1000);
  const base = {
    email: 'jane@example.com',
    email_verified: true,
    roles: 'a,b',
    tenant: 't1',
    hd: 'example.com',
    iat: now,
  };
  await eventually('the issuer to be found', () => server.whoAmI(issuer.token(base)));
  t.same(await server.whoAmI(issuer.token(base)), {
    username: 'jane:corp',
    uid: 'jane',
    groups: ['role:a', 'role:b', 'system:authenticated'],
    extra: { 'example.com/tenant': ['t1'] },
  });
  const refused: readonly (readonly [object, RegExp])[] = [
    [{ email_verified: false }, /email must be verified/],
    [{ hd: 'example.org' }, /required claim hd value does not match/],
    [{ hd: undefined }, /required claim hd not present/],
    [{ iat: now - 90_000 }, /validation expression 'claims.exp - claims.iat <= 86400' failed/],
    [{ email: 'system:@x' }, /username cannot be of the system/],
    [{ roles: 'banned' }, /banned/],
    [{ roles: 7 }, /error evaluating groups claim expression/],
    [{ email: undefined }, /error evaluating username claim expression/],
    [{ tenant: { a: 1 } }, /extra example.com\/tenant must be a string or a list of strings/],
  ];
  for (const [more, why] of refused) t.match((await server.review(issuer.token({ ...base, ...more })))?.error, why);
});

test('a configuration is read again when it changes; one that is wrong changes nothing', async (t) => {
  const [one, two] = [await Issuer.start(t), await Issuer.start(t)];
  const server = await configured(t, [one.jwt()], { anonymous: { enabled: true, conditions: [{ path: '/livez' }] } });
  await eventually('the issuer to be found', () => server.whoAmI(one.token()));
  const anonymously = (target: string): Promise<number> =>
    new Promise((resolve, reject) => {
      https
        .get(`${server.url}${target}`, { ca: server.pki.ca.certificate, agent: false }, (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        })
        .on('error', reject);
    });
  t.equal(await anonymously('/livez'), 200);
  t.equal(await anonymously('/livez/ping'), 401, 'a path is that path');

  await writeFile(server.file, 'jwt: [');
  await writeConfiguration(server.file, [
    one.jwt(),
    two.jwt({ claimMappings: { username: { expression: 'claims.' } } }),
  ]);
  await writeConfiguration(server.file, [
    one.jwt(),
    two.jwt({ claimMappings: { username: { claim: 'sub', prefix: 'two:' } } }),
  ]);
  await eventually('the second issuer', () => server.whoAmI(two.token()));
  t.match(await server.whoAmI(two.token()), { username: 'two:jane' });
  t.match(await server.whoAmI(one.token({ sub: 'joe' })), { username: 'oidc:joe' });
  t.equal(one.keyFetches, 1, 'what stays is not fetched again');
  t.equal(await anonymously('/livez/ping'), 403, 'without a word about it, anybody is known as anonymous');

  await writeConfiguration(server.file, [two.jwt()], { anonymous: { enabled: false } });
  await eventually('nobody to be anonymous', async () => (await anonymously('/livez')) === 401);
  t.equal((await refusal(server.whoAmI(one.token({ sub: 'late' })))).code, 401, 'an issuer that has gone');
});

test('a server does not start with a configuration that is wrong', async (t) => {
  const file = path.join(await ownDirectory(t), 'authentication.yaml');
  const issuer = { url: 'https://example.com', audiences: ['a'] };
  const username = { claim: 'sub', prefix: '' };
  const wrong: readonly (readonly [object[], RegExp])[] = [
    [
      [{ issuer: { ...issuer, url: 'http://example.com' }, claimMappings: { username } }],
      /jwt\[0\]\.issuer\.url: .*scheme must be https/,
    ],
    [[{ issuer: { ...issuer, audiences: [] }, claimMappings: { username } }], /at least one audience is required/],
    [
      [{ issuer: { ...issuer, audiences: ['a', 'b'] }, claimMappings: { username } }],
      /audienceMatchPolicy must be MatchAny/,
    ],
    [[{ issuer, claimMappings: { username: { claim: 'sub' } } }], /prefix is required when claim is set/],
    [[{ issuer, claimMappings: { username: {} } }], /claim or expression is required/],
    [
      [{ issuer, claimMappings: { username: { expression: 'claims.a + 1 +' } } }],
      /username\.expression: compilation failed/,
    ],
    [[{ issuer, claimMappings: { username: { expression: '1' } } }], /must evaluate to string/],
    [[{ issuer, claimMappings: { username: { expression: 'claims.email' } } }], /claims\.email_verified must be used/],
    [
      [{ issuer, claimMappings: { username }, userValidationRules: [{ expression: 'user.nme == ""' }] }],
      /userValidationRules\[0\]\.expression: compilation failed/,
    ],
    [
      [{ issuer, claimMappings: { username, extra: [{ key: 'a.k8s.io/b', valueExpression: '"x"' }] } }],
      /reserved for Kubernetes/,
    ],
    [
      [
        { issuer, claimMappings: { username } },
        { issuer, claimMappings: { username } },
      ],
      /jwt\[1\]\.issuer\.url: Duplicate value/,
    ],
    [
      [{ issuer: { ...issuer, url: OWN_ISSUER }, claimMappings: { username } }],
      /must not be the issuer of service accounts/,
    ],
    [[{ issuer, claimMappings: { username }, colour: 'blue' }], /unknown field "jwt\[0\]\.colour"/],
  ];
  for (const [jwt, message] of wrong) {
    await writeConfiguration(file, jwt);
    const opened = openOutsideAuthentication(
      { ...authenticationDefaults, authenticationConfig: file },
      { ownIssuer: OWN_ISSUER, logger: pino(INACTIVE), signal: AbortSignal.abort() },
    );
    await t.rejects(opened, { name: 'SettingValueError', message });
  }
});

test('the flags of one issuer do as upstream: prefixes, groups, required claims', async (t) => {
  const issuer = await Issuer.start(t);
  const directory = await ownDirectory(t);
  const oidcCaFile = path.join(directory, 'ca.pem');
  await writeFile(oidcCaFile, issuer.server.ca.cert);
  const server = await serveWith(t, {
    oidcIssuerUrl: issuer.url,
    oidcClientId: AUDIENCE,
    oidcCaFile,
    oidcGroupsClaim: 'groups',
    oidcGroupsPrefix: 'g:',
    oidcRequiredClaim: ['hd=example.com'],
  });
  const claims = { hd: 'example.com', groups: 'one' };
  await eventually('the issuer to be found', () => server.whoAmI(issuer.token(claims)));
  t.match(await server.whoAmI(issuer.token(claims)), {
    username: `${issuer.url}#jane`,
    groups: ['g:one', 'system:authenticated'],
  });
  t.equal((await refusal(server.whoAmI(issuer.token()))).code, 401);
  const other = SIGNERS.find(({ alg }) => alg === 'ES256') ?? RS256;
  t.equal((await refusal(server.whoAmI(issuer.token(claims, other)))).code, 401, 'only RS256 by default');
});

test('a webhook knows tokens, is asked once for each, and its failures are nobody', async (t) => {
  const asked: string[] = [];
  await using webhook = await startHttps((request, response) => {
    void bodyOf(request).then((body) => {
      const { spec } = JSON.parse(body) as TokenReview;
      const token = spec.token ?? '';
      asked.push(token);
      if (token === 'down') return response.writeHead(500).end();
      const known = { authenticated: true, user: { username: 'web', groups: ['g'], extra: { Level: ['1'] } } };
      const status =
        token === 'known' ? known : token === 'nameless' ? { authenticated: true } : { authenticated: false };
      return response.end(JSON.stringify({ kind: 'TokenReview', apiVersion: 'authentication.k8s.io/v1', status }));
    });
  });
  const file = path.join(await ownDirectory(t), 'webhook.kubeconfig');
  await writeFile(
    file,
    JSON.stringify({
      'current-context': 'c',
      contexts: [{ name: 'c', context: { cluster: 'w' } }],
      clusters: [
        {
          name: 'w',
          cluster: {
            server: webhook.url,
            'certificate-authority-data': Buffer.from(webhook.ca.cert).toString('base64'),
          },
        },
      ],
    }),
  );
  const server = await serveWith(t, { authenticationTokenWebhookConfigFile: file });
  const users = await Promise.all(Array.from({ length: 5 }, () => server.whoAmI('known')));
  for (const user of users)
    t.match(user, { username: 'web', groups: ['g', 'system:authenticated'], extra: { level: ['1'] } });
  t.same(asked, ['known'], 'once for five requests');
  for (const token of ['unknown', 'down', 'nameless']) t.equal((await refusal(server.whoAmI(token))).code, 401, token);
  t.same(await server.review('down'), {
    user: {},
    error: '[invalid bearer token, webhook token authentication failed: the webhook answered with status 500: ""]',
  });
  t.match(
    await server.whoAmI('alice-token'),
    { username: 'alice' },
    'what the server knows itself it does not ask for',
  );
  t.notOk(asked.includes('alice-token'));
});

test('a proxy in front names users, with a certificate of its CA and a name that is allowed', async (t) => {
  const ca = await TestCa.create();
  const requestheaderClientCaFile = path.join(await ownDirectory(t), 'proxy-ca.pem');
  await writeFile(requestheaderClientCaFile, ca.cert);
  const server = await serveWith(t, { requestheaderClientCaFile, requestheaderAllowedNames: ['front'] });
  const [front, other] = [await ca.issue('CN=front'), await ca.issue('CN=other')];
  const asking = (identity: object, headers: Record<string, string | string[]>) =>
    new Promise<{ code: number; user?: UserInfo }>((resolve, reject) => {
      const request = https.request(
        `${server.url}/apis/authentication.k8s.io/v1/selfsubjectreviews`,
        {
          method: 'POST',
          agent: false,
          ca: server.pki.ca.certificate,
          headers: { 'content-type': 'application/json', ...headers },
          ...identity,
        },
        (response) => {
          void bodyOf(response).then((text) => {
            const { status } = JSON.parse(text) as SelfSubjectReview;
            resolve({
              code: response.statusCode ?? 0,
              ...(response.statusCode === 201 && status?.userInfo && { user: status.userInfo }),
            });
          });
        },
      );
      request.on('error', reject);
      request.end('{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1"}');
    });
  const named = { 'x-remote-user': 'jane', 'x-remote-group': ['a,b', 'c'], 'x-remote-extra-example.com%2fteam': 'red' };
  t.same(await asking(front, named), {
    code: 201,
    user: { username: 'jane', groups: ['a,b', 'c', 'system:authenticated'], extra: { 'example.com/team': ['red'] } },
  });
  t.equal((await asking(other, named)).code, 401, 'a name that is not allowed');
  t.equal((await asking(front, {})).code, 401, 'a proxy is no user itself');
  const admin = { cert: server.pki.admin.certificate, key: server.pki.admin.key };
  t.match(await asking(admin, named), { user: { username: 'kubernetes-admin' } }, 'headers of a client are nothing');
  t.equal((await asking({}, named)).code, 403, 'nor those of anybody');
  t.match(await asking(front, { authorization: 'Bearer alice-token' }), { user: { username: 'alice' } });
});
