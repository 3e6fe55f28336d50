/** The table of annotations, and what those of an Ingress ask for together. */
import { ACCESS } from './access.ts';
import type { Annotation } from './annotation.ts';
import { AnnotationError } from './annotation-error.ts';
import { BACKENDS } from './backends.ts';
import { CORS } from './cors.ts';
import { EXTERNAL_AUTH } from './external-auth.ts';
import type { Policy } from './policy.ts';
import { ROUTING } from './routing.ts';

export const PREFIX = 'nginx.ingress.kubernetes.io/';

/** Annotations together may have 256 KiB. */
const MAX_READ = 256 * 1024;

export const ANNOTATIONS: readonly Annotation[] = [...ROUTING, ...ACCESS, ...EXTERNAL_AUTH, ...BACKENDS, ...CORS];
const BY_NAME: ReadonlyMap<string, Annotation> = new Map(ANNOTATIONS.map((each) => [each.name, each]));

/** What an annotation could not do. */
export interface Refusal {
  /** With its prefix. */
  readonly annotation: string;
  /** The rest of the sentence that begins with it. */
  readonly problem: string;
  /** Without it, the paths of the Ingress would be open to whom it keeps away, or lead elsewhere. */
  readonly closes: boolean;
}

export interface ReadPolicy {
  readonly policy: Policy;
  readonly refusals: readonly Refusal[];
}

/** What nobody has heard of may be meant to protect: names that say so close the path. */
const SOUNDS_LIKE_A_GUARD = /auth|allow|deny|whitelist|limit|modsecurity|waf/;
/** A snippet with one of these may keep requests away, or send them elsewhere. */
const DIRECTIVES_OF_GUARDS =
  /\b(allow|deny|satisfy|return|rewrite|internal|valid_referers|auth_\w+|limit_\w+|access_by_\w+|modsecurity\w*|proxy_pass|ssl_verify_client|if)\b/;

/** How an annotation with the prefix is taken: what it asks for, or why it is refused. */
export function readAnnotation(annotation: string, value: string, namespace: string): Policy | Refusal {
  const name = annotation.slice(PREFIX.length);
  const known = BY_NAME.get(name);
  if (!known) {
    const problem = name.endsWith('-snippet')
      ? "is refused: text of users is not put into the proxy's configuration"
      : 'is not known';
    const closes =
      SOUNDS_LIKE_A_GUARD.test(name) ||
      (name.endsWith('-snippet') && DIRECTIVES_OF_GUARDS.test(value.slice(0, MAX_READ)));
    return { annotation, problem, closes: closes || value.length > MAX_READ };
  }
  try {
    return known.read(value, { namespace });
  } catch (error) {
    if (!(error instanceof AnnotationError)) throw error;
    return { annotation, problem: error.message, closes: known.guards === true };
  }
}

export const isRefusal = (read: Policy | Refusal): read is Refusal => 'problem' in read;

/** Reads all annotations with the prefix; others are nobody's business here. */
export function readPolicy(annotations: Readonly<Record<string, string>> | undefined, namespace: string): ReadPolicy {
  let policy: Policy = {};
  const refusals: Refusal[] = [];
  for (const [annotation, value] of Object.entries(annotations ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!annotation.startsWith(PREFIX)) continue;
    const read = readAnnotation(annotation, value, namespace);
    if (isRefusal(read)) refusals.push(read);
    else policy = { ...policy, ...read };
  }
  const incomplete = incompletenessOf(policy);
  return { policy, refusals: incomplete ? [...refusals, incomplete] : refusals };
}

/** Annotations that need another one. */
function incompletenessOf(policy: Policy): Refusal | undefined {
  const closing = (name: string, problem: string): Refusal => ({ annotation: PREFIX + name, problem, closes: true });
  if (policy.authType !== undefined && policy.authSecret === undefined)
    return closing('auth-type', 'needs auth-secret');
  if (policy.authSecret !== undefined && policy.authType === undefined)
    return closing('auth-secret', 'needs auth-type');
  if (policy.authSignin !== undefined && policy.authTarget === undefined)
    return closing('auth-signin', 'needs auth-url');
  if (policy.clientVerify === 'on' && policy.clientCa === undefined)
    return closing('auth-tls-verify-client', 'needs auth-tls-secret');
  if (policy.tlsVerify && policy.tlsSecret === undefined) return closing('proxy-ssl-verify', 'needs proxy-ssl-secret');
  return undefined;
}
