/** Objects whose names and values mean to break something behind the door. */
import { badRequest, forbidden, invalid, notFound, type HostileRequest } from '../table.ts';

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
