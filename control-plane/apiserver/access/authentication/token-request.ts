/** `serviceaccounts/token`: a token for a service account, bound to a pod, a Secret or a Node if the request says so. */
import { nodes } from '../../../../api/kinds/core/node.ts';
import { pods } from '../../../../api/kinds/core/pod.ts';
import { secrets } from '../../../../api/kinds/core/secret.ts';
import { serviceAccounts } from '../../../../api/kinds/core/service-account.ts';
import { invalid, type FieldError } from '../../../../api/machinery/field-error.ts';
import type { Kind, KubeObject } from '../../../../api/machinery/kind.ts';
import { badRequest, conflict, invalidObject, notFound } from '../../../../api/machinery/status-error.ts';
import type { Action } from '../../http/action.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import type { KubernetesClaims, ObjectIdentity, ServiceAccountTokenIssuer } from './service-account-issuer.ts';
import type {
  BoundObjectReference,
  TokenRequest,
  TokenRequestSpec,
} from '../../../../api/types/authentication/v1.gen.ts';

const CREATED = 201;
const SECOND_MS = 1000;
const MIN_SECONDS = 600;
const MAX_SECONDS = 2 ** 32;
const DEFAULT_SECONDS = 3600;
/**
 * What the projected volume of every pod asks for. Such tokens live for a year, as upstream's do by default, for programs that
 * never read the file again; their binding to the pod ends them with it.
 */
export const POD_TOKEN_SECONDS = 3607;
const EXTENDED_SECONDS = 365 * 24 * 3600;

const KIND = { group: 'authentication.k8s.io', kind: 'TokenRequest' };

function checkSpec(seconds: number): FieldError[] {
  const field = 'spec.expirationSeconds';
  if (seconds < MIN_SECONDS) return [invalid(field, seconds, 'may not specify a duration less than 10 minutes')];
  if (seconds > MAX_SECONDS) return [invalid(field, seconds, 'may not specify a duration larger than 2^32 seconds')];
  return [];
}

function find<T extends KubeObject>(
  api: LocalApi,
  kind: Kind<T>,
  namespace: string,
  { name = '', uid = '' }: BoundObjectReference,
): T & { identity: ObjectIdentity } {
  const object = api.get(kind, namespace, name);
  if (!object) throw notFound(kind, name);
  const identity = { name, uid: object.metadata?.uid ?? '' };
  if (uid !== '' && uid !== identity.uid) {
    throw conflict(
      kind,
      name,
      `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  }
  return { ...object, identity };
}

/** What the token is bound to; a pod's token says also on which node the pod is. */
function bindingOf(
  api: LocalApi,
  namespace: string,
  account: string,
  reference: BoundObjectReference,
): Pick<KubernetesClaims, 'pod' | 'secret' | 'node'> {
  const { apiVersion, kind } = reference;
  if (apiVersion === 'v1' && kind === 'Pod') {
    const pod = find(api, pods, namespace, reference);
    if (pod.spec?.serviceAccountName !== account) {
      throw badRequest(
        `cannot bind token for serviceaccount ${JSON.stringify(account)} to pod running with different serviceaccount name.`,
      );
    }
    const nodeName = pod.spec.nodeName;
    const node = nodeName ? api.get(nodes, '', nodeName) : undefined;
    return {
      pod: pod.identity,
      ...(nodeName && node && { node: { name: nodeName, uid: node.metadata?.uid ?? '' } }),
    };
  }
  if (apiVersion === 'v1' && kind === 'Secret') return { secret: find(api, secrets, namespace, reference).identity };
  if (apiVersion === 'v1' && kind === 'Node') return { node: find(api, nodes, '', reference).identity };
  throw badRequest(`cannot bind token to object of type ${apiVersion ?? ''}, Kind=${kind ?? ''}`);
}

export interface TokenRequestOptions {
  readonly issuer: ServiceAccountTokenIssuer;
  /** For requests that name none. */
  readonly audiences: readonly string[];
  readonly now?: () => number;
}

/** How long the token lives and, when that is longer than asked, when it should have been replaced. */
function lifetimeOf(
  spec: TokenRequestSpec,
  seconds: number,
  audiences: readonly string[],
  ownAudiences: readonly string[],
) {
  const extended =
    seconds === POD_TOKEN_SECONDS &&
    spec.boundObjectRef?.kind === 'Pod' &&
    audiences.every((audience) => ownAudiences.includes(audience));
  return extended
    ? { lifetimeSeconds: EXTENDED_SECONDS, warnAfter: true }
    : { lifetimeSeconds: seconds, warnAfter: false };
}

/** The action of `serviceaccounts/token`. */
export function tokenRequestAction({ issuer, audiences, now = Date.now }: TokenRequestOptions): Action {
  return ({ info: { namespace, name }, api, body }) => {
    const request = body as TokenRequest;
    const spec = request.spec ?? {};
    const seconds = spec.expirationSeconds ?? DEFAULT_SECONDS;
    const errors = checkSpec(seconds);
    if (errors.length > 0) throw invalidObject(KIND, '', errors);
    const account = api.get(serviceAccounts, namespace, name);
    if (!account) throw notFound(serviceAccounts, name);
    const asked = spec.audiences?.length ? spec.audiences : [...audiences];
    const at = now();
    const { lifetimeSeconds, warnAfter } = lifetimeOf(spec, seconds, asked, audiences);
    const token = issuer.issue({
      subject: {
        namespace,
        serviceaccount: { name, uid: account.metadata?.uid ?? '' },
        ...(spec.boundObjectRef && bindingOf(api, namespace, name, spec.boundObjectRef)),
        ...(warnAfter && { warnafter: Math.floor(at / SECOND_MS) + seconds }),
      },
      audiences: asked,
      lifetimeSeconds,
      now: at,
    });
    const expirationTimestamp = new Date(at + seconds * SECOND_MS).toISOString().replace(/\.\d+Z$/, 'Z');
    const object: TokenRequest = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      metadata: { name, namespace, creationTimestamp: new Date(at).toISOString().replace(/\.\d+Z$/, 'Z') },
      spec: { ...spec, audiences: asked, expirationSeconds: seconds },
      status: { token, expirationTimestamp },
    };
    return { code: CREATED, object };
  };
}
