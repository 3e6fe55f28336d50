/** Requests by which somebody would come to more rights than were given: RBAC and certificates. */
import { badRequest, forbidden, invalid, notFound, type HostileRequest } from '../table.ts';

const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const RBAC_GROUP = 'rbac.authorization.k8s.io';
const MERGE = 'application/merge-patch+json';
const everything = [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }];
const roleRef = (name: string, kind = 'ClusterRole') => ({ apiGroup: RBAC_GROUP, kind, name });
const ed = [{ apiGroup: RBAC_GROUP, kind: 'User', name: 'ed' }];
const NOT_HELD = /is attempting to grant RBAC permissions not currently held:/;

export const ESCALATION = [
  {
    name: 'a role that may do everything',
    as: 'ed',
    request: `POST ${RBAC}/clusterroles`,
    body: { metadata: { name: 'all' }, rules: everything },
    expect: forbidden(NOT_HELD),
  },
  {
    name: 'a role that may do everything, as a trial',
    as: 'ed',
    request: `POST ${RBAC}/clusterroles?dryRun=All`,
    body: { metadata: { name: 'all' }, rules: everything },
    expect: forbidden(NOT_HELD),
  },
  {
    name: 'a role of a namespace that reads its secrets',
    as: 'ed',
    request: `POST ${RBAC}/namespaces/team/roles`,
    body: { metadata: { name: 'all' }, rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }] },
    expect: forbidden(NOT_HELD),
  },
  {
    name: 'a role that is gathered from others',
    as: 'ed',
    request: `POST ${RBAC}/clusterroles`,
    body: { metadata: { name: 'all' }, aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: 'b' } }] } },
    expect: forbidden(/must have cluster-admin privileges to use the aggregationRule/),
  },
  {
    name: 'a label that gathers cluster-admin into view',
    as: 'ed',
    request: `PATCH ${RBAC}/clusterroles/cluster-admin`,
    type: MERGE,
    body: { metadata: { labels: { [`${RBAC_GROUP}/aggregate-to-view`]: 'true' } } },
    expect: forbidden(NOT_HELD),
  },
  {
    name: "a label of a role beyond one's own",
    as: 'ed',
    request: `PATCH ${RBAC}/clusterroles/system:node`,
    type: MERGE,
    body: { metadata: { labels: { a: 'b' } } },
    expect: forbidden(NOT_HELD),
  },
  {
    name: "an owner of a role beyond one's own is for the garbage collector",
    as: 'ed',
    request: `PATCH ${RBAC}/clusterroles/cluster-admin?dryRun=All`,
    type: MERGE,
    body: { metadata: { finalizers: ['example.com/wait'] } },
    expect: { code: 200 },
  },
  {
    name: 'a binding to cluster-admin',
    as: 'ed',
    request: `POST ${RBAC}/clusterrolebindings`,
    body: { metadata: { name: 'ed' }, roleRef: roleRef('cluster-admin'), subjects: ed },
    expect: forbidden(NOT_HELD),
  },
  {
    name: 'a binding to cluster-admin in a namespace',
    as: 'ed',
    request: `POST ${RBAC}/namespaces/team/rolebindings`,
    body: { metadata: { name: 'ed' }, roleRef: roleRef('cluster-admin'), subjects: ed },
    expect: forbidden(NOT_HELD),
  },
  {
    name: 'a binding to a role that is not there',
    as: 'ed',
    request: `POST ${RBAC}/clusterrolebindings`,
    body: { metadata: { name: 'ed' }, roleRef: roleRef('constructor'), subjects: ed },
    expect: notFound('clusterroles.rbac.authorization.k8s.io "constructor" not found'),
  },
  {
    name: 'a binding to a kind constructor',
    as: 'ed',
    request: `POST ${RBAC}/clusterrolebindings`,
    body: { metadata: { name: 'ed' }, roleRef: roleRef('cluster-admin', 'constructor'), subjects: ed },
    expect: notFound(`roles.${RBAC_GROUP} "cluster-admin" not found`),
    differs: 'a kind of role that there is not is not found, where upstream answers 500',
  },
  {
    name: "one more subject of a binding beyond one's own",
    as: 'ed',
    request: `PATCH ${RBAC}/clusterrolebindings/cluster-admin`,
    type: MERGE,
    body: { subjects: ed },
    expect: forbidden(NOT_HELD),
  },
  {
    name: 'another role for a binding',
    as: 'ed',
    request: `PATCH ${RBAC}/clusterrolebindings/hostile-ed`,
    type: MERGE,
    body: { roleRef: roleRef('cluster-admin') },
    expect: forbidden(NOT_HELD),
  },
  {
    name: 'a PUT that creates a Service, without the right to create',
    as: 'uma',
    request: 'PUT /api/v1/namespaces/team/services/new',
    body: { metadata: { name: 'new' }, spec: { ports: [{ port: 80 }] } },
    expect: forbidden(
      'services "new" is forbidden: User "uma" cannot create resource "services" in API group "" in the namespace "team"',
    ),
  },
  {
    name: 'a PUT that creates Endpoints',
    as: 'uma',
    request: 'PUT /api/v1/namespaces/team/endpoints/new',
    body: { metadata: { name: 'new' } },
    expect: forbidden(
      'endpoints "new" is forbidden: User "uma" cannot create resource "endpoints" in API group "" in the namespace "team"',
    ),
  },
  {
    name: 'a PUT that creates an event',
    as: 'uma',
    request: 'PUT /api/v1/namespaces/team/events/new',
    body: { metadata: { name: 'new' }, involvedObject: { namespace: 'team' } },
    expect: forbidden(
      'events "new" is forbidden: User "uma" cannot create resource "events" in API group "" in the namespace "team"',
    ),
  },
  {
    name: 'a PUT that creates a Lease',
    as: 'uma',
    request: 'PUT /apis/coordination.k8s.io/v1/namespaces/team/leases/new',
    body: { metadata: { name: 'new' } },
    expect: forbidden(
      'leases.coordination.k8s.io "new" is forbidden: User "uma" cannot create resource "leases" in API group "coordination.k8s.io" in the namespace "team"',
    ),
  },
  {
    name: 'a PUT of a PriorityClass that is not there',
    as: 'uma',
    request: 'PUT /apis/scheduling.k8s.io/v1/priorityclasses/new',
    body: { metadata: { name: 'new' }, value: 1 },
    expect: notFound('priorityclasses.scheduling.k8s.io "new" not found'),
  },
  {
    name: 'a PUT that creates a ClusterRole',
    as: 'uma',
    request: `PUT ${RBAC}/clusterroles/new`,
    body: { metadata: { name: 'new' }, rules: [] },
    expect: forbidden(
      `clusterroles.${RBAC_GROUP} "new" is forbidden: User "uma" cannot create resource "clusterroles" in API group "${RBAC_GROUP}" at the cluster scope`,
    ),
  },
  {
    name: 'a PUT that creates a ClusterRoleBinding',
    as: 'uma',
    request: `PUT ${RBAC}/clusterrolebindings/new`,
    body: { metadata: { name: 'new' }, roleRef: roleRef('cluster-admin'), subjects: [] },
    expect: { code: 403, reason: 'Forbidden' },
  },
  {
    name: 'a PUT of a kind that PUT does not create',
    as: 'uma',
    request: 'PUT /api/v1/namespaces/team/configmaps/new',
    body: { metadata: { name: 'new' } },
    expect: notFound('configmaps "new" not found'),
  },
  {
    name: 'a secret of another namespace',
    as: 'alice',
    request: 'GET /api/v1/namespaces/other/secrets/theirs',
    expect: forbidden(
      'secrets "theirs" is forbidden: User "alice" cannot get resource "secrets" in API group "" in the namespace "other"',
    ),
  },
  {
    name: 'the roles of an API group *',
    as: 'alice',
    request: 'GET /apis/*/v1/secrets',
    expect: { code: 403, reason: 'Forbidden' },
  },
  {
    name: 'a resource * in the path',
    as: 'alice',
    request: 'GET /api/v1/namespaces/team/*',
    expect: { code: 403, reason: 'Forbidden' },
  },
] as const satisfies readonly HostileRequest[];

const CSRS = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
const JOE =
  'MIHJMHACAQAwDjEMMAoGA1UEAwwDam9lMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEgKNRBWpC6R1n9Bl7t9JSksous5agjhImIlDr56j1rKo4jnestmIdsWm1uliG41cieDxBQk7tbEBQpynvphJCjKAAMAoGCCqGSM49BAMCA0kAMEYCIQCl+n7IKwuBMIT5HOQbzJRvQMyslZIprZ/q4CEEkWcAKwIhAIYveIopVK9o97w84Q7NjskALHj+1QJsqqLEWcU7jLRU';
const MASTER =
  'MIHhMIGJAgEAMCcxFzAVBgNVBAoMDnN5c3RlbTptYXN0ZXJzMQwwCgYDVQQDDANqb2UwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASpB+jsLCilCRj2jJQhrzr37h91t0vpm487ePXm8bqQBicvjt7rZCWDuRLsEpmsr6BKtcPucRUA/dcxoz2Nyl8WoAAwCgYIKoZIzj0EAwIDRwAwRAIgKU/ruJE8jk7bdrdkbGF9x986CrwFM7INsc8N3ovJf0gCIGppLh4sFuU8iMxRDoSMa4/+2D5n1iM11z2AFlbFaIQt';
const pem = (der: string, label = 'CERTIFICATE REQUEST', header = ''): string =>
  `-----BEGIN ${label}-----\n${header}${der}\n-----END ${label}-----\n`;
const csr = (request: string, more: object = {}, name = 'asked') => ({
  metadata: { name },
  spec: {
    request: Buffer.from(request).toString('base64'),
    signerName: 'kubernetes.io/kube-apiserver-client',
    usages: ['client auth'],
    ...more,
  },
});
const asks = (name: string, body: object, expect: HostileRequest['expect'], differs?: string) =>
  ({ name, as: 'ed', request: `POST ${CSRS}?dryRun=All`, body, expect, ...(differs && { differs }) }) as const;
const ONE_BLOCK = 'one block and nothing around it, where upstream reads the first and leaves the rest to the signer';

export const CERTIFICATE_REQUESTS = [
  asks(
    'no PEM',
    csr('joe'),
    invalid(/spec\.request: Invalid value: [^]*: PEM block type must be CERTIFICATE REQUEST$/),
  ),
  asks('no base64', { ...csr(''), spec: { ...csr('').spec, request: '%%%' } }, badRequest(/illegal base64 data/)),
  asks('the right block and a second one', csr(pem(JOE) + pem(MASTER)), { code: 422, reason: 'Invalid' }, ONE_BLOCK),
  asks('words before the block', csr(`O=system:masters\n${pem(JOE)}`), { code: 422, reason: 'Invalid' }, ONE_BLOCK),
  asks(
    'a header in the block',
    csr(pem(MASTER, 'CERTIFICATE REQUEST', 'A: b\n\n')),
    { code: 422, reason: 'Invalid' },
    ONE_BLOCK,
  ),
  asks(
    'another label',
    csr(pem(MASTER, 'NEW CERTIFICATE REQUEST')),
    invalid(/PEM block type must be CERTIFICATE REQUEST$/),
  ),
  asks('another label first', csr(pem(MASTER, 'NEW CERTIFICATE REQUEST') + pem(JOE)), { code: 422, reason: 'Invalid' }),
  asks('a certificate', csr(pem(JOE, 'CERTIFICATE')), invalid(/PEM block type must be CERTIFICATE REQUEST$/)),
  asks('a request that is cut short', csr(pem(JOE.slice(0, 80))), { code: 422, reason: 'Invalid' }),
  asks('a request whose signature is of another', csr(pem(JOE.slice(0, -8) + 'AAAAAAA=')), {
    code: 422,
    reason: 'Invalid',
  }),
  asks(
    'the group of the masters',
    csr(pem(MASTER)),
    forbidden(
      'certificatesigningrequests.certificates.k8s.io "asked" is forbidden: use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed',
    ),
  ),
  asks('a signer that is no name', csr(pem(JOE), { signerName: 'constructor' }), { code: 422, reason: 'Invalid' }),
  asks('a usage called constructor', csr(pem(JOE), { usages: ['constructor'] }), { code: 422, reason: 'Invalid' }),
  asks('a name as a stock kubelet makes it', csr(pem(JOE), {}, 'node-csr-Japb3zjo9OcOdVV_x'), { code: 201 }),
  asks('the user of somebody else', csr(pem(JOE), { username: 'admin', groups: ['system:masters'] }), {
    code: 201,
    text: /"username":"ed"/,
  }),
] as const satisfies readonly HostileRequest[];
