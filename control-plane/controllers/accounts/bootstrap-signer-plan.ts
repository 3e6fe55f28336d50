/** The signatures of `cluster-info`: pure. */
import { createHmac } from 'node:crypto';
import type { BootstrapSigner } from './bootstrap-tokens.ts';

/** Key of what is signed. */
const KUBECONFIG = 'kubeconfig';
/** Followed by the id of the token that signs. */
const SIGNATURE = 'jws-kubeconfig-';

const encode = (text: string): string => Buffer.from(text).toString('base64url');

/**
 * JWS by HMAC-SHA256 with detached content (RFC 7515, appendix F), in compact form: as kubeadm checks it.
 */
export function signatureOf(content: string, { id, secret }: BootstrapSigner): string {
  const header = encode(JSON.stringify({ alg: 'HS256', kid: id }));
  const mac = createHmac('sha256', secret)
    .update(`${header}.${encode(content)}`)
    .digest('base64url');
  return `${header}..${mac}`;
}

/**
 * The keys of `cluster-info` that have to change, null for those that go: a signature by each token, and none by others. Undefined when
 * all is as it should be.
 */
export function signatureChanges(
  data: Readonly<Record<string, string>>,
  signers: Iterable<BootstrapSigner>,
): Readonly<Record<string, string | null>> | undefined {
  const present = new Map(Object.entries(data));
  const content = present.get(KUBECONFIG);
  const wanted = new Map<string, string>();
  if (content !== undefined)
    for (const signer of signers) wanted.set(`${SIGNATURE}${signer.id}`, signatureOf(content, signer));
  const stale = [...present.keys()].filter((key) => key.startsWith(SIGNATURE) && !wanted.has(key));
  const changed = [...wanted].filter(([key, signature]) => present.get(key) !== signature);
  if (stale.length + changed.length === 0) return undefined;
  return Object.fromEntries([...changed, ...stale.map((key) => [key, null] as const)]);
}
