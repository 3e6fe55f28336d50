/** Objects whose names, values and references mean to break something behind the door. */
import {
  badRequest,
  forbidden,
  invalid,
  methodNotAllowed,
  notFound,
  noSuchPath,
  status,
  type HostileRequest,
} from '../table.ts';

const TEAM = '/api/v1/namespaces/team';
const CONFIG_MAP =
  /^ConfigMap "[^]*" is invalid: metadata\.name: Invalid value: "[^]*": a lowercase RFC 1123 subdomain must consist of/;
const create = (path: string, body: object | (() => string), expect: HostileRequest['expect']) =>
  ({ request: `POST ${path}${path.includes('?') ? '&' : '?'}dryRun=All`, body, expect }) as const;
const named = (title: string, name: unknown, expect: HostileRequest['expect'] = invalid(CONFIG_MAP)) =>
  ({ name: title, ...create(`${TEAM}/configmaps`, { metadata: { name } }, expect) }) as const;

export const NAMES = [
  named('a name __proto__', '__proto__'),
  named('a name that climbs', '../other'),
  named('a name of two dots', '..'),
  named('a name with a slash', 'a/b'),
  named('a name with a percent sign', 'a%2fb'),
  named('a name in capitals', 'Constructor'),
  named('a name with a line end', 'a\n'),
  named('a name with a NUL byte', 'a\u0000'),
  named('a name of a blank', ' '),
  named('a name beyond ASCII', 'b\u00fccher'),
  named('a name constructor is a name', 'constructor', { code: 201 }),
  named('a name valueof is a name', 'valueof', { code: 201 }),
  named('a name of 253 letters is a name', 'a'.repeat(253), { code: 201 }),
  named(
    'a name of 254 letters',
    'a'.repeat(254),
    invalid(/: metadata\.name: Invalid value: "a{254}": must be no more than 253 (bytes|characters)$/),
  ),
  named(
    'no name',
    undefined,
    invalid('ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required'),
  ),
  {
    name: 'a generated name of a bad start',
    ...create(`${TEAM}/configmaps`, { metadata: { generateName: '__proto__' } }, { code: 422, reason: 'Invalid' }),
  },
  {
    name: 'a generated name of 1,000 letters',
    ...create(`${TEAM}/configmaps`, { metadata: { generateName: 'a'.repeat(1000) } }, { code: 422, reason: 'Invalid' }),
  },
  {
    name: 'another namespace in the body',
    ...create(
      `${TEAM}/configmaps`,
      { metadata: { name: 'a', namespace: 'other' } },
      badRequest('the namespace of the provided object does not match the namespace sent on the request'),
    ),
  },
  {
    name: 'a namespace that is not there',
    ...create(
      '/api/v1/namespaces/constructor/configmaps',
      { metadata: { name: 'a' } },
      notFound('namespaces "constructor" not found'),
    ),
  },
  {
    name: 'another name in the body',
    request: `PUT ${TEAM}/configmaps/settings`,
    body: { metadata: { name: 'more' } },
    expect: badRequest('the name of the object (more) does not match the name on the URL (settings)'),
  },
  {
    name: 'data under a key that climbs',
    ...create(
      `${TEAM}/configmaps`,
      { metadata: { name: 'a' }, data: { '..': 'x' } },
      invalid(`ConfigMap "a" is invalid: data[..]: Invalid value: "..": must not be '..'`),
    ),
  },
  {
    name: 'data under a key with a slash',
    ...create(
      `${TEAM}/configmaps`,
      { metadata: { name: 'a' }, data: { 'a/b': 'x' } },
      invalid(/^ConfigMap "a" is invalid: data\[a\/b\]: Invalid value: "a\/b": a valid config key must consist of/),
    ),
  },
  {
    name: 'a label of 10,000 letters',
    ...create(
      `${TEAM}/configmaps`,
      { metadata: { name: 'a', labels: { a: 'x'.repeat(10_000) } } },
      invalid(/must be no more than 63 (bytes|characters)$/),
    ),
  },
  {
    name: 'a label whose prefix climbs',
    ...create(
      `${TEAM}/configmaps`,
      { metadata: { name: 'a', labels: { '../a': 'x' } } },
      { code: 422, reason: 'Invalid' },
    ),
  },
  {
    name: 'annotations of more than 256 KiB',
    ...create(
      `${TEAM}/configmaps`,
      { metadata: { name: 'a', annotations: { a: 'x'.repeat(262_145) } } },
      invalid(/metadata\.annotations: Too long: may not be more than 262144 bytes$/),
    ),
  },
  {
    name: 'a thousand bad labels',
    ...create(
      `${TEAM}/configmaps`,
      () =>
        JSON.stringify({
          metadata: {
            name: 'a',
            labels: Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`!${index}`, '!'])),
          },
        }),
      { code: 422, reason: 'Invalid' },
    ),
  },
  {
    name: 'an owner without a uid',
    ...create(
      `${TEAM}/configmaps`,
      { metadata: { name: 'a', ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'web', uid: '' }] } },
      { code: 422, reason: 'Invalid' },
    ),
  },
  {
    name: 'a finalizer that is no name',
    ...create(
      `${TEAM}/configmaps`,
      { metadata: { name: 'a', finalizers: ['constructor'] } },
      invalid(
        'ConfigMap "a" is invalid: metadata.finalizers[0]: Invalid value: "constructor": name is neither a standard finalizer name nor is it fully qualified',
      ),
    ),
  },
  {
    name: 'an unknown dry run',
    request: `POST ${TEAM}/configmaps?dryRun=constructor`,
    body: { metadata: { name: 'a' } },
    expect: invalid(
      'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["constructor"]: supported values: "All"',
    ),
  },
  {
    name: 'an unknown field validation',
    request: `POST ${TEAM}/configmaps?fieldValidation=constructor`,
    body: { metadata: { name: 'a' } },
    expect: invalid(
      'CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "constructor": supported values: "Ignore", "Strict", "Warn"',
    ),
  },
  {
    name: 'a container called constructor',
    ...create(
      `${TEAM}/pods`,
      { metadata: { name: 'a' }, spec: { containers: [{ name: 'constructor', image: 'x' }] } },
      { code: 201 },
    ),
  },
  {
    name: 'a node selector of __proto__',
    ...create(
      `${TEAM}/pods`,
      { metadata: { name: 'a' }, spec: { nodeSelector: { toString: 'x' }, containers: [{ name: 'c', image: 'x' }] } },
      { code: 201 },
    ),
  },
  {
    name: 'a volume that climbs',
    ...create(
      `${TEAM}/pods`,
      {
        metadata: { name: 'a' },
        spec: {
          containers: [{ name: 'c', image: 'x', volumeMounts: [{ name: 'v', mountPath: '/x', subPath: '../../etc' }] }],
          volumes: [{ name: 'v', emptyDir: {} }],
        },
      },
      invalid(
        `Pod "a" is invalid: spec.containers[0].volumeMounts.subPath: Invalid value: "../../etc": must not contain '..'`,
      ),
    ),
  },
  {
    name: 'the mark of a mirror pod, from the start',
    as: 'alice',
    ...create(
      `${TEAM}/pods`,
      {
        metadata: { name: 'a', annotations: { 'kubernetes.io/config.mirror': 'x' } },
        spec: { containers: [{ name: 'c', image: 'x' }] },
      },
      invalid(
        'Pod "a" is invalid: metadata.annotations[kubernetes.io/config.mirror]: Invalid value: "x": must set spec.nodeName if mirror pod annotation is set',
      ),
    ),
  },
  {
    name: 'the mark of a mirror pod, added later',
    as: 'alice',
    request: `PATCH ${TEAM}/pods/web?dryRun=All`,
    type: 'application/merge-patch+json',
    body: { metadata: { annotations: { 'kubernetes.io/config.mirror': 'x' } } },
    expect: invalid(
      'Pod "web" is invalid: metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not add mirror pod annotation',
    ),
  },
  {
    name: 'a quantity constructor',
    ...create(
      `${TEAM}/pods`,
      {
        metadata: { name: 'a' },
        spec: { containers: [{ name: 'c', image: 'x', resources: { limits: { cpu: 'constructor' } } }] },
      },
      badRequest(/quantities must match the regular expression/),
    ),
  },
  {
    name: 'a quantity of 1e1000000000',
    ...create(
      `${TEAM}/pods`,
      {
        metadata: { name: 'a' },
        spec: { containers: [{ name: 'c', image: 'x', resources: { limits: { memory: '1e1000000000' } } }] },
      },
      { code: 201 },
    ),
  },
  {
    name: 'a resource called __proto__',
    ...create(
      `${TEAM}/pods`,
      () =>
        '{"metadata":{"name":"a"},"spec":{"containers":[{"name":"c","image":"x","resources":{"limits":{"__proto__":"1"}}}]}}',
      { code: 422, reason: 'Invalid' },
    ),
  },
  {
    name: 'ten thousand containers with one name',
    ...create(
      `${TEAM}/pods`,
      () =>
        JSON.stringify({
          metadata: { name: 'a' },
          spec: { containers: Array.from({ length: 10_000 }, () => ({ name: 'c', image: 'x' })) },
        }),
      { code: 422, reason: 'Invalid' },
    ),
  },
  {
    name: 'ten thousand variables of one name',
    ...create(
      `${TEAM}/pods`,
      () =>
        JSON.stringify({
          metadata: { name: 'a' },
          spec: {
            containers: [
              { name: 'c', image: 'x', env: Array.from({ length: 10_000 }, () => ({ name: 'A', value: '$(A)' })) },
            ],
          },
        }),
      { code: 201 },
    ),
  },
  {
    name: 'a pod for another node by a node',
    as: 'node',
    request: `POST ${TEAM}/pods`,
    body: {
      metadata: { name: 'a', annotations: { 'kubernetes.io/config.mirror': 'x' } },
      spec: { nodeName: 'node-b', containers: [{ name: 'c', image: 'x' }] },
    },
    expect: { code: 403, reason: 'Forbidden' },
  },
  {
    name: 'a pod that mirrors nothing, by a node',
    as: 'node',
    request: `POST ${TEAM}/pods`,
    body: { metadata: { name: 'a' }, spec: { nodeName: 'node-a', containers: [{ name: 'c', image: 'x' }] } },
    expect: forbidden(
      /pod does not have "kubernetes\.io\/config\.mirror" annotation, node "node-a" can only create mirror pods$/,
    ),
  },
  {
    name: 'a secret that no pod of the node names',
    as: 'node',
    request: `GET ${TEAM}/secrets/own`,
    expect: forbidden(
      'secrets "own" is forbidden: User "system:node:node-a" cannot get resource "secrets" in API group "" in the namespace "team": no relationship found between node \'node-a\' and this object',
    ),
  },
  {
    name: 'all secrets, by a node',
    as: 'node',
    request: `GET ${TEAM}/secrets`,
    expect: { code: 403, reason: 'Forbidden' },
  },
  {
    name: 'a secret by the watch of its name, by a node',
    as: 'node',
    request: 'GET /api/v1/watch/namespaces/team/secrets/own',
    expect: { code: 403, reason: 'Forbidden' },
  },
  {
    name: "another node's status, by a node",
    as: 'node',
    request: 'PATCH /api/v1/nodes/node-b/status',
    type: 'application/merge-patch+json',
    body: { status: {} },
    expect: { code: 403, reason: 'Forbidden' },
  },
  {
    name: 'a token of a service account of no pod, by a node',
    as: 'node',
    request: `POST ${TEAM}/serviceaccounts/default/token`,
    body: { spec: { audiences: [] } },
    expect: { code: 403, reason: 'Forbidden' },
  },
] as const satisfies readonly HostileRequest[];

export const SUBRESOURCES = [
  {
    name: 'a binding to nothing',
    request: `POST ${TEAM}/pods/unscheduled/binding?dryRun=All`,
    body: { metadata: { name: 'unscheduled' }, target: {} },
    expect: badRequest(),
    differs: "a client's mistake is a 400, where upstream answers 500",
  },
  {
    name: 'a binding to a kind that is no node',
    request: `POST ${TEAM}/pods/unscheduled/binding?dryRun=All`,
    body: { metadata: { name: 'unscheduled' }, target: { kind: 'constructor', name: 'node-a' } },
    expect: badRequest(),
    differs: "a client's mistake is a 400, where upstream answers 500",
  },
  {
    name: 'a binding of another pod',
    request: `POST ${TEAM}/pods/unscheduled/binding?dryRun=All`,
    body: { metadata: { name: 'web' }, target: { kind: 'Node', name: 'node-a' } },
    expect: badRequest(/name/),
  },
  {
    name: 'a binding of a pod that is bound',
    request: `POST ${TEAM}/pods/web/binding?dryRun=All`,
    body: { metadata: { name: 'web' }, target: { kind: 'Node', name: 'node-b' } },
    expect: status(
      409,
      'Conflict',
      'Operation cannot be fulfilled on pods/binding "web": pod web is already assigned to node "node-a"',
    ),
  },
  {
    name: 'a binding by somebody who may create pods alone',
    as: 'uma',
    request: `POST ${TEAM}/pods/unscheduled/binding`,
    body: {},
    expect: { code: 403, reason: 'Forbidden' },
  },
  {
    name: 'an eviction of another pod',
    request: `POST ${TEAM}/pods/web/eviction?dryRun=All`,
    body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'unscheduled' } },
    expect: { code: 400, reason: 'BadRequest' },
  },
  {
    name: 'an eviction of a pod that is not there',
    request: `POST ${TEAM}/pods/constructor/eviction?dryRun=All`,
    body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'constructor' } },
    expect: notFound('pods "constructor" not found'),
  },
  {
    name: 'an eviction with options that contradict each other',
    request: `POST ${TEAM}/pods/web/eviction`,
    body: {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name: 'web' },
      deleteOptions: { orphanDependents: true, propagationPolicy: 'Foreground' },
    },
    expect: { code: 422, reason: 'Invalid' },
  },
  {
    name: 'an eviction of a kind that is none',
    request: `POST ${TEAM}/pods/web/eviction?dryRun=All`,
    body: { apiVersion: 'v1', kind: 'Pod' },
    expect: { code: 400 },
  },
  {
    name: 'a scale of minus one',
    request: 'PUT /apis/apps/v1/namespaces/team/deployments/web/scale?dryRun=All',
    body: { metadata: { name: 'web' }, spec: { replicas: -1 } },
    expect: invalid(/spec\.replicas: Invalid value: -1: must be greater than or equal to 0$/),
  },
  {
    name: 'a scale past 32 bits',
    request: 'PUT /apis/apps/v1/namespaces/team/deployments/web/scale?dryRun=All',
    body: { metadata: { name: 'web' }, spec: { replicas: 4_294_967_296 } },
    expect: { code: 400, reason: 'BadRequest' },
  },
  {
    name: 'a scale of another name',
    request: 'PUT /apis/apps/v1/namespaces/team/deployments/web/scale?dryRun=All',
    body: { metadata: { name: 'constructor' }, spec: { replicas: 1 } },
    expect: { code: 400, reason: 'BadRequest' },
  },
  {
    name: 'a scale of what does not scale',
    request: `PUT ${TEAM}/configmaps/settings/scale`,
    body: {},
    expect: noSuchPath,
  },
  {
    name: 'a token that never ends',
    request: `POST ${TEAM}/serviceaccounts/default/token`,
    body: { spec: { expirationSeconds: 1e12 } },
    expect: invalid(
      /spec\.expirationSeconds: Invalid value: 1000000000000: may not specify a duration larger than 2\^32 seconds$/,
    ),
  },
  {
    name: 'a token of a second',
    request: `POST ${TEAM}/serviceaccounts/default/token`,
    body: { spec: { expirationSeconds: 1 } },
    expect: invalid(/spec\.expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes$/),
  },
  {
    name: 'a token bound to a kind constructor',
    request: `POST ${TEAM}/serviceaccounts/default/token`,
    body: { spec: { boundObjectRef: { kind: 'constructor', apiVersion: 'v1', name: 'x' } } },
    expect: badRequest('cannot bind token to object of type v1, Kind=constructor'),
  },
  {
    name: 'a token bound to a pod of another account',
    request: `POST ${TEAM}/serviceaccounts/default/token`,
    body: { spec: { boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'nobody' } } },
    expect: notFound('pods "nobody" not found'),
  },
  {
    name: 'a token of an account that is not there',
    request: `POST ${TEAM}/serviceaccounts/constructor/token`,
    body: { spec: {} },
    expect: notFound('serviceaccounts "constructor" not found'),
  },
  {
    name: 'a log of minus one line',
    request: `GET ${TEAM}/pods/web/log?tailLines=-1`,
    expect: invalid(/tailLines: Invalid value: -1: must be greater than or equal to 0$/),
  },
  {
    name: 'a log since a date that is none',
    request: `GET ${TEAM}/pods/web/log?sinceTime=constructor`,
    expect: { code: 400, reason: 'BadRequest' },
  },
  {
    name: 'a log of a container that is not there',
    request: `GET ${TEAM}/pods/web/log?container=constructor`,
    expect: badRequest('container constructor is not valid for pod web'),
  },
  {
    name: 'a log of a stream that is none',
    request: `GET ${TEAM}/pods/web/log?stream=__proto__`,
    expect: { code: 422, reason: 'Invalid' },
  },
  { name: 'a log by POST', request: `POST ${TEAM}/pods/web/log`, body: {}, expect: methodNotAllowed },
  {
    name: 'a deletion with a grace period of minus one',
    request: `DELETE ${TEAM}/pods/web?dryRun=All&gracePeriodSeconds=-1`,
    expect: { code: 200 },
  },
  {
    name: 'a deletion with a grace period that is none',
    request: `DELETE ${TEAM}/pods/web?dryRun=All&gracePeriodSeconds=now`,
    expect: badRequest('strconv.ParseInt: parsing "now": invalid syntax'),
  },
  {
    name: 'a deletion with a policy constructor',
    request: `DELETE ${TEAM}/pods/web?dryRun=All&propagationPolicy=constructor`,
    expect: invalid(
      /^DeleteOptions\.meta\.k8s\.io "" is invalid: propagationPolicy: Unsupported value: "constructor": supported values: "Foreground", "Background", "Orphan", "nil"$/,
    ),
  },
  {
    name: 'a deletion of another uid',
    request: `DELETE ${TEAM}/configmaps/settings?dryRun=All`,
    body: { preconditions: { uid: 'x' } },
    expect: { code: 409, reason: 'Conflict' },
  },
  {
    name: 'a deletion with a body that is none',
    request: `DELETE ${TEAM}/configmaps/settings?dryRun=All`,
    body: '[',
    expect: badRequest(),
  },
  {
    name: 'a review of nothing',
    request: 'POST /apis/authorization.k8s.io/v1/subjectaccessreviews',
    body: { spec: {} },
    expect: { code: 422, reason: 'Invalid' },
  },
  {
    name: 'a review with a user __proto__',
    request: 'POST /apis/authorization.k8s.io/v1/subjectaccessreviews',
    body: { spec: { user: '__proto__', resourceAttributes: { verb: 'constructor', resource: 'toString' } } },
    expect: { code: 201, text: /"allowed":false/ },
  },
  {
    name: 'a token review of nothing',
    request: 'POST /apis/authentication.k8s.io/v1/tokenreviews',
    body: { spec: { token: '' } },
    expect: badRequest('token is required for TokenReview in authentication'),
  },
  {
    name: 'a resize of what is no size',
    request: `PATCH ${TEAM}/pods/web/resize`,
    type: 'application/merge-patch+json',
    body: { spec: { nodeName: 'node-b' } },
    expect: noSuchPath,
    differs: 'pods cannot be resized yet',
  },
] as const satisfies readonly HostileRequest[];

const WATCH_HIDDEN =
  'secrets "hidden" is forbidden: User "alice" cannot watch resource "secrets" in API group "" in the namespace "team"';
const ONE_SECOND = 'timeoutSeconds=1';

export const WATCHES = [
  {
    name: 'the old path of a watch of one object shows that object',
    as: 'alice',
    request: `GET /api/v1/watch/namespaces/team/secrets/own?${ONE_SECOND}`,
    expect: { code: 200, text: /^(?![^]*"hidden")[^]*"name":"own"/ },
  },
  {
    name: 'the old path of a watch of a hidden object',
    as: 'alice',
    request: `GET /api/v1/watch/namespaces/team/secrets/hidden?${ONE_SECOND}`,
    expect: forbidden(WATCH_HIDDEN),
  },
  {
    name: 'the old path of a watch of one object, with a selector of another',
    as: 'alice',
    request: `GET /api/v1/watch/namespaces/team/secrets/own?${ONE_SECOND}&fieldSelector=metadata.name%3Dhidden`,
    expect: badRequest("fieldSelector metadata.name doesn't match requested name"),
  },
  {
    name: 'the old path of a watch of all',
    as: 'alice',
    request: `GET /api/v1/watch/namespaces/team/secrets?${ONE_SECOND}`,
    expect: forbidden(
      'secrets is forbidden: User "alice" cannot watch resource "secrets" in API group "" in the namespace "team"',
    ),
  },
  {
    name: 'the old path of a watch of all, as if for one name',
    as: 'alice',
    request: `GET /api/v1/watch/namespaces/team/secrets?${ONE_SECOND}&fieldSelector=metadata.name%3Down`,
    expect: { code: 200, text: /^(?![^]*"hidden")[^]*"name":"own"/ },
    differs: 'a name in the selector counts on the old paths, too: it is what is authorized and what is shown',
  },
  {
    name: 'a watch of one name is a watch of that one',
    as: 'alice',
    request: `GET ${TEAM}/secrets?watch=1&${ONE_SECOND}&fieldSelector=metadata.name%3Down`,
    expect: { code: 200, text: /^(?![^]*"hidden")[^]*"name":"own"/ },
  },
  {
    name: 'a watch in the path of an object is a get of it',
    as: 'alice',
    request: `GET ${TEAM}/secrets/own?watch=1`,
    expect: { code: 200, text: /^\{"kind":"Secret"/ },
  },
  {
    name: 'a watch of an object that may not be got',
    as: 'alice',
    request: `GET ${TEAM}/secrets/hidden?watch=1`,
    expect: { code: 403, reason: 'Forbidden' },
  },
  {
    name: 'a watch by two words at once',
    as: 'alice',
    request: `GET ${TEAM}/secrets?watch=false&watch=true`,
    expect: { code: 403, reason: 'Forbidden' },
  },
  { name: 'a watch by POST of the old path', request: 'POST /api/v1/watch/pods', body: {}, expect: methodNotAllowed },
  {
    name: 'a deletion by the old path of watches',
    request: 'DELETE /api/v1/watch/namespaces/team/configmaps/settings',
    expect: methodNotAllowed,
  },
  { name: 'the old path of a watch without a resource', request: 'GET /api/v1/watch', expect: { code: 404 } },
  { name: 'the old path of a proxy', request: 'GET /api/v1/proxy/namespaces/team/services/web', expect: noSuchPath },
  {
    name: 'a watch of a resource constructor',
    request: `GET /api/v1/watch/constructor?${ONE_SECOND}`,
    expect: noSuchPath,
  },
  {
    name: 'a watch from a version that is no number',
    request: `GET ${TEAM}/configmaps?watch=1&resourceVersion=constructor`,
    expect: badRequest(/resourceVersion/),
  },
  {
    name: 'a watch from before everything',
    request: `GET ${TEAM}/configmaps?watch=1&${ONE_SECOND}&resourceVersion=1`,
    expect: { code: 200 },
  },
  {
    name: 'a watch in a form that is none',
    request: `GET ${TEAM}/configmaps?watch=1&${ONE_SECOND}`,
    headers: { accept: 'text/html' },
    expect: { code: 406, reason: 'NotAcceptable' },
  },
  {
    name: 'a watch with initial events and without their version',
    request: `GET ${TEAM}/configmaps?watch=1&sendInitialEvents=true&allowWatchBookmarks=true`,
    expect: { code: 422, reason: 'Invalid' },
  },
] as const satisfies readonly HostileRequest[];
