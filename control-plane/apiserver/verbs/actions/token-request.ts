/** `serviceaccounts/token`: a token for a service account, bound to a pod, a Secret or a Node if the request says so. */
import { DEFAULT_TOKEN_SECONDS } from '../../../../api/domain/service-accounts.ts';
import { nodes } from '../../../../api/kinds/core/node.ts';
import { pods } from '../../../../api/kinds/core/pod.ts';
import { secrets } from '../../../../api/kinds/core/secret.ts';
import { serviceAccounts } from '../../../../api/kinds/core/service-account.ts';
import type { Kind, KubeObject } from '../../../../api/machinery/kind.ts';
import { badRequest, conflict, notFound } from '../../../../api/machinery/status-error.ts';
import {
  POD_TOKEN_SECONDS,
  type KubernetesClaims,
  type ObjectIdentity,
  type ServiceAccountTokenIssuer,
} from '../../access/authentication/service-account-issuer.ts';
import { timeOf } from '../../../../api/machinery/time.ts';
import type { Action, ReadApi } from '../handlers.ts';
import type {
  BoundObjectReference,
  TokenRequest,
  TokenRequestSpec,
} from '../../../../api/types/authentication/v1.gen.ts';

const CREATED = 201;
const SECOND_MS = 1000;
/** How long a token for a pod lives that is asked for with POD_TOKEN_SECONDS. */
const EXTENDED_SECONDS = 365 * 24 * 3600;

function find<T extends KubeObject>(
  api: ReadApi,
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
  api: ReadApi,
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
  readonly api: ReadApi;
  readonly issuer: ServiceAccountTokenIssuer;
  /** For requests that name none. */
  readonly audiences: readonly string[];
  readonly now?: () => number;
}

/** The token's lifetime and whether it is longer than requested, so that its use is to be warned of after that. */
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

/** The response to a request that has been validated. Throws StatusError when there is no such account, or the token cannot be bound to the object. */
export function issueToken(
  options: TokenRequestOptions,
  namespace: string,
  name: string,
  spec: TokenRequestSpec,
): TokenRequest {
  const { api, issuer, audiences, now = Date.now } = options;
  const seconds = spec.expirationSeconds ?? DEFAULT_TOKEN_SECONDS;
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
  return {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: { name, namespace, creationTimestamp: timeOf(at) },
    spec: { ...spec, audiences: asked, expirationSeconds: seconds },
    status: { token, expirationTimestamp: timeOf(at + seconds * SECOND_MS) },
  };
}

/** The action of `serviceaccounts/token`. */
export const tokenRequestAction =
  (options: TokenRequestOptions): Action =>
  ({ request: { info }, object }) => ({
    code: CREATED,
    object: issueToken(options, info.namespace, info.name, (object as TokenRequest).spec ?? {}),
  });
