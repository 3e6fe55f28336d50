/** What the recorder and bundles leave out of texts. */
import t from 'tap';
import { argumentsText, oneLine, redact } from '../../../agent/recorder/redact.ts';

t.test('what looks like a secret is taken out, in the forms in which programs say it', (t) => {
  const secret = 's3cr3t-0f-somebody';
  for (const text of [
    `password=${secret}`,
    `DB_PASSWORD="${secret}"`,
    `{"token":"${secret}","x":1}`,
    `authToken: ${secret}`,
    `--client-secret=${secret} --verbose`,
    `https://user:${secret}@registry.example/v2/`,
    `Authorization: Bearer ${secret}`,
    `Authorization: Basic ${Buffer.from(secret).toString('base64')}`,
    `cannot read -----BEGIN RSA PRIVATE KEY-----\n${secret}\n-----END RSA PRIVATE KEY----- of it`,
    `-----BEGIN PRIVATE KEY-----\n${secret}`,
    `https://user:x@${secret}@registry.example/v2/`,
    `{"password":"a\\"${secret}","x":1}`,
    `password = ${secret}`,
    `Cookie: session=${secret}`,
    `https://a.example/b?sv=1&sig=${secret}&se=2`,
    `https://a.example/b?X-Amz-Signature=${secret}`,
    `with xoxb-${secret}`,
  ]) {
    const clean = redact(text);
    t.notOk(clean.includes(secret), clean);
    t.notOk(clean.includes(Buffer.from(secret).toString('base64')), clean);
    t.match(clean, /\*\*\*/, clean);
  }
  const jwt = `eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJl`;
  t.equal(redact(`refused ${jwt} of a pod`), 'refused *** of a pod');
  t.equal(redact('authorization: Bearer abc'), 'authorization: ***', 'however short');
  t.equal(redact('join with abcdef.0123456789abcdef'), 'join with ***');
  t.equal(redact('value c2VjcmV0IG9mIHNvbWVib2R5IEZvciBBTEwgb2YgeW91IHRvIHNlZQ=='), 'value ***');
  t.end();
});

t.test('what a reader needs stays', (t) => {
  for (const text of [
    'MountVolume.SetUp failed for volume "secret" : secret "db" not found',
    'container 7f83b1657ff1fc53b92dc18148a1d65dfc2d4b1fa3d677284addd200126d9069 is gone',
    '/var/lib/kedge/agent/pods/84e1b526-4023-4473-9654-630ffddf5fe0/volumes/kubernetes.io~projected/kube-api-access-kngh9',
    'chain KUBE-SVC-5NEL8HQP0TANR89BKUBE-SVC-5NEL8HQP0TANR89B',
    'https://registry.example/v2/ does not answer',
    'FailedMount: references non-existent secret key',
  ])
    t.equal(redact(text), text);
  t.end();
});

t.test('a hostile text is read in linear time', (t) => {
  const begun = performance.now();
  for (const part of [
    'a-',
    'token',
    'eyJ',
    '-eyJ',
    '?sig=',
    'xoxb-',
    'token="\\',
    'password',
    '-----BEGIN ',
    'aA1',
    'x://',
    'bearer ',
  ])
    redact(part.repeat(200_000 / part.length));
  t.ok(performance.now() - begun < 10_000, `${performance.now() - begun} ms for twelve of 200,000 characters`);
  t.end();
});

t.test('values of secret flags are left out of commands, whether or not they are arguments of their own', (t) => {
  const text = argumentsText(['prog', '--token', 'abc', '--password=xyz', '-v', 'file', '--secret', '--verbose'], 600);
  t.equal(text, 'prog --token *** --password=*** -v file --secret --verbose');
  t.ok(argumentsText(['prog', 'x'.repeat(100_000)], 600).length <= 603);
  t.end();
});

t.test('nothing in a line moves the cursor, changes its direction or begins another', (t) => {
  const text = oneLine('a\u001b[2Jb\nc\u009bd\u202ee\u2028f\u0007g\u0000', 100);
  t.equal(text, 'a [2Jb c d e f g ');
  t.equal(oneLine('x'.repeat(50), 10), `${'x'.repeat(10)}...`);
  t.end();
});
