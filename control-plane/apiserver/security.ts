/** Who may do what on this server, put together: authentication, authorization, admission and the reviews about them. */
import type { ClusterPki } from '../pki/cluster-pki.ts';
import type { AdmissionMetrics } from './admission/metrics.ts';
import { admissionPlugins } from './admission/plugins.ts';
import type { PodSecurityOptions } from './admission/pod-security/pod-security.ts';
import type { PublicDocument } from './documents/paths.ts';
import type { AdmissionPlugin } from './admission/plugin.ts';
import { BootstrapTokenAuthenticator } from './access/authentication/bootstrap-tokens.ts';
import { LocalBoundObjects } from './access/authentication/bound-objects.ts';
import { ClientCertificateAuthenticator } from './access/authentication/client-certificate.ts';
import { LegacyTokenUses } from './access/authentication/legacy-token-uses.ts';
import { LegacyTokenAuthenticator } from './access/authentication/legacy-tokens.ts';
import { RequestAuthenticator } from './access/authentication/request-authenticator.ts';
import { ServiceAccountIndex } from './access/authentication/service-account-index.ts';
import { serviceAccountIssuerUrl, ServiceAccountTokenIssuer } from './access/authentication/service-account-issuer.ts';
import { ServiceAccountTokenAuthenticator } from './access/authentication/service-account-tokens.ts';
import { parseTokenFile, StaticTokenAuthenticator } from './access/authentication/static-tokens.ts';
import type { OutsideAuthentication } from './access/authentication/outside.ts';
import { TokenAuthenticators } from './access/authentication/token-authenticator.ts';
import { ClusterRoleAggregation } from './access/authorization/aggregation.ts';
import type { Authorizer } from './access/authorization/authorizer.ts';
import { Authorizers, type Link } from './access/authorization/authorizers.ts';
import type { ConfiguredAuthorizers } from './access/authorization/configured.ts';
import { componentRoles } from './bootstrap/roles/component-roles.ts';
import { reconcileDefaultPolicy } from './bootstrap/roles/reconcile.ts';
import type { AccessMetrics } from './access/metrics.ts';
import { NodeObjects } from './access/authorization/node-objects.ts';
import { NodeAuthorizer } from './access/authorization/node-authorizer.ts';
import { PodGraph } from './access/authorization/pod-graph.ts';
import { RbacAuthorizer } from './access/authorization/rbac-authorizer.ts';
import { RbacIndex } from './access/authorization/rbac-index.ts';
import { publishClusterInfo, type Servers } from './bootstrap/cluster-info.ts';
import type { LocalApi } from './catalogue/local-api.ts';
import type { WebhookOptions } from './admission/webhooks/dispatcher.ts';
import { accessReviewActions } from './verbs/actions/access-reviews.ts';
import { identityReviewActions } from './verbs/actions/identity-reviews.ts';
import { tokenRequestAction } from './verbs/actions/token-request.ts';
import type { Handlers, PodAction } from './verbs/handlers.ts';

export interface SecurityOptions {
  readonly api: LocalApi;
  readonly pki: Pick<ClusterPki, 'serviceAccountKey' | 'otherServiceAccountKeys' | 'bundle'>;
  /** The text of the token file; '' for none. */
  readonly tokenFile: string;
  /** Users that somebody else knows; absent: there are none, and anybody may be anonymous. */
  readonly outside?: OutsideAuthentication;
  /** Who says what users may do; absent: Node and RBAC. */
  readonly authorization?: ConfiguredAuthorizers;
  readonly allowPrivileged: boolean;
  readonly enforceOwnerReferences: boolean;
  readonly podSecurity: PodSecurityOptions;
  readonly webhooks: Omit<WebhookOptions, 'matchConditions' | 'metrics'>;
  readonly admissionMetrics: AdmissionMetrics;
  readonly accessMetrics?: Pick<AccessMetrics, 'certificateUsed'>;
  /** `cluster.local` */
  readonly clusterDomain: string;
  /** Called with what goes wrong in the background. */
  readonly onError: (error: unknown) => void;
}

export interface Security {
  readonly authenticator: RequestAuthenticator;
  readonly authorizer: Authorizer;
  readonly admission: readonly AdmissionPlugin[];
  /** Reviews and `serviceaccounts/token`. */
  readonly actions: Omit<Handlers['actions'], PodAction>;
  /** The JSON documents by path: `/.well-known/openid-configuration` and `/openid/v1/jwks`. */
  readonly documents: ReadonlyMap<string, PublicDocument>;
  /**
   * Brings the objects that security rests on up to date: the default roles and bindings, and what joining nodes read.
   * `advertisedUrl` is where they reach this server: `https://192.0.2.1:6443`. The system's namespaces must be there.
   */
  bootstrap(servers: Servers): Promise<void>;
}

const nodeAndRbac = (...authorizers: readonly Link['authorizer'][]): Authorizers =>
  new Authorizers(authorizers.map((authorizer) => ({ authorizer, counts: { allowed: 0, denied: 0 } })));

export function createSecurity(options: SecurityOptions): Security {
  const { api, pki, clusterDomain } = options;
  const issuerUrl = serviceAccountIssuerUrl(clusterDomain);
  const audiences = [issuerUrl];
  const issuer = new ServiceAccountTokenIssuer(issuerUrl, pki.serviceAccountKey, pki.otherServiceAccountKeys);

  const accounts = new ServiceAccountIndex(api);
  const graph = new PodGraph(api);
  const index = new RbacIndex(api);
  const rbac = new RbacAuthorizer(index);
  const node = new NodeAuthorizer(graph, new NodeObjects(api, graph), componentRoles()['system:node'] ?? []);
  const authorizer = options.authorization?.with({ Node: node, RBAC: rbac }) ?? nodeAndRbac(node, rbac);
  const tokens = new TokenAuthenticators([
    new StaticTokenAuthenticator(parseTokenFile(options.tokenFile)),
    new BootstrapTokenAuthenticator(api),
    new ServiceAccountTokenAuthenticator({
      issuer: issuerUrl,
      publicKeys: issuer.publicKeys,
      objects: new LocalBoundObjects(api, accounts, graph),
    }),
    new LegacyTokenAuthenticator({
      ...{ publicKeys: issuer.publicKeys, audiences, api, accounts },
      uses: new LegacyTokenUses({ api, onError: options.onError }),
    }),
    ...(options.outside?.tokens ?? []),
  ]);

  const aggregation = new ClusterRoleAggregation(api, options.onError);
  return {
    authenticator: new RequestAuthenticator({
      clientCertificates: new ClientCertificateAuthenticator({ used: options.accessMetrics?.certificateUsed }),
      tokens,
      audiences,
      anonymous: options.outside?.anonymous ?? (() => true),
      requestHeaders: options.outside?.requestHeaders,
    }),
    authorizer,
    admission: admissionPlugins({
      api,
      authorizer,
      rbac,
      index,
      graph,
      accounts,
      allowPrivileged: options.allowPrivileged,
      enforceOwnerReferences: options.enforceOwnerReferences,
      podSecurity: options.podSecurity,
      webhooks: options.webhooks,
      metrics: options.admissionMetrics,
    }),
    actions: {
      ...accessReviewActions(authorizer),
      ...identityReviewActions(tokens, audiences),
      'serviceaccounts/token': tokenRequestAction({ api, issuer, audiences }),
    },
    documents: new Map([
      ['/.well-known/openid-configuration', { contentType: 'application/json', content: issuer.discoveryDocument() }],
      ['/openid/v1/jwks', { contentType: 'application/jwk-set+json', content: issuer.keySet() }],
    ]),
    async bootstrap(servers) {
      await reconcileDefaultPolicy(api);
      await aggregation.settled();
      await publishClusterInfo(api, servers, pki.bundle);
    },
  };
}
