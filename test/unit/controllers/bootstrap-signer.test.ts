import { createHmac } from 'node:crypto';
import { test } from 'tap';
import { signatureChanges, signatureOf } from '../../../control-plane/controllers/accounts/bootstrap-signer-plan.ts';
import { bootstrapTokenView } from '../../../control-plane/controllers/accounts/bootstrap-tokens.ts';

const TOKEN = { id: 'abcdef', secret: '0123456789abcdef' };
const OTHER = { id: 'ghijkl', secret: 'ghijklmnopqrstuv' };

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const secretOf = (data: Record<string, string>, metadata: object = {}) => ({
  metadata: { name: 'bootstrap-token-abcdef', uid: 'u', ...metadata },
  data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)])),
});
const SIGNING = { 'token-id': TOKEN.id, 'token-secret': TOKEN.secret, 'usage-bootstrap-signing': 'true' };

test('the signature is a JWS whose content is left out', (t) => {
  const [header = '', content, mac] = signatureOf('apiVersion: v1\n', TOKEN).split('.');
  t.strictSame(JSON.parse(Buffer.from(header, 'base64url').toString()), { alg: 'HS256', kid: TOKEN.id });
  t.equal(content, '');
  const signed = `${header}.${Buffer.from('apiVersion: v1\n').toString('base64url')}`;
  t.equal(mac, createHmac('sha256', TOKEN.secret).update(signed).digest('base64url'));
  t.end();
});

test('one signature for each token, none of others', (t) => {
  const kubeconfig = 'here';
  const signature = signatureOf(kubeconfig, TOKEN);
  const both = { 'jws-kubeconfig-abcdef': signature, 'jws-kubeconfig-ghijkl': signatureOf(kubeconfig, OTHER) };
  t.strictSame(signatureChanges({ kubeconfig }, [TOKEN, OTHER]), both);
  t.equal(signatureChanges({ kubeconfig, ...both }, [OTHER, TOKEN]), undefined, 'nothing to do');
  t.strictSame(signatureChanges({ kubeconfig, ...both }, [TOKEN]), { 'jws-kubeconfig-ghijkl': null });
  t.strictSame(
    signatureChanges({ kubeconfig: 'moved', other: 'stays', 'jws-kubeconfig-abcdef': signature }, [TOKEN]),
    { 'jws-kubeconfig-abcdef': signatureOf('moved', TOKEN) },
    'signed anew',
  );
  t.strictSame(signatureChanges(both, [TOKEN]), { 'jws-kubeconfig-abcdef': null, 'jws-kubeconfig-ghijkl': null });
  t.equal(signatureChanges({}, [TOKEN]), undefined, 'nothing to sign');
  t.end();
});

test('which tokens sign', (t) => {
  t.strictSame(bootstrapTokenView(secretOf(SIGNING)), { uid: 'u', expiresAt: Infinity, signer: TOKEN });
  for (const [what, data, metadata] of [
    ['one that is not for it', { ...SIGNING, 'usage-bootstrap-signing': 'false' }],
    ['one whose Secret has another name', SIGNING, { name: 'bootstrap-token-zzzzzz' }],
    ['one that is being deleted', SIGNING, { deletionTimestamp: '2026-01-01T00:00:00Z' }],
    ['one whose id is none', { ...SIGNING, 'token-id': 'constructor' }],
    ['one without a secret', { ...SIGNING, 'token-secret': '' }],
  ] as const)
    t.equal(bootstrapTokenView(secretOf(data, metadata)).signer, undefined, what);
  t.equal(bootstrapTokenView(secretOf({ ...SIGNING, expiration: 'soon' })).expiresAt, 0, 'unreadable: expired');
  t.equal(bootstrapTokenView(secretOf({ expiration: '2026-01-01T00:00:00Z' })).expiresAt, Date.UTC(2026, 0, 1));
  t.end();
});
