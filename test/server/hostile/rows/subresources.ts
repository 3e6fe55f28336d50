/** Subresources, reviews and deletions that are asked for what they must not do. */
import { badRequest, invalid, methodNotAllowed, notFound, noSuchPath, status, type HostileRequest } from '../table.ts';

const TEAM = '/api/v1/namespaces/team';

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
    name: 'a resize of what is no size, which changes nothing',
    request: `PATCH ${TEAM}/pods/web/resize`,
    type: 'application/merge-patch+json',
    body: { spec: { nodeName: 'node-b' } },
    expect: { code: 200, text: /"nodeName":"node-a"/ },
  },
] as const satisfies readonly HostileRequest[];
