import t from 'tap';
import {
  AbacAuthorizer,
  parsePolicyFile,
} from '../../../control-plane/apiserver/access/authorization/abac-authorizer.ts';
import type { Attributes } from '../../../control-plane/apiserver/access/authorization/authorizer.ts';
import type { User } from '../../../control-plane/apiserver/http/user.ts';

const policy = (spec: object): string =>
  JSON.stringify({ apiVersion: 'abac.authorization.kubernetes.io/v1beta1', kind: 'Policy', spec });

const FILE = `
# who may what
${policy({ group: 'system:authenticated', nonResourcePath: '/api*', readonly: true })}
${policy({ user: 'alice', namespace: 'shop', resource: '*', apiGroup: '*' })}
  ${policy({ user: 'bob', namespace: 'shop', resource: 'pods', readonly: true })}
${policy({ user: 'carol', group: 'ops', namespace: '*', resource: 'nodes' })}
${policy({ namespace: '*', resource: '*', apiGroup: '*' })}
${policy({ user: '*', namespace: 'public', resource: 'configmaps' })}
{"user": "old", "namespace": "legacy"}
{"user": "older", "readonly": true}
`;

const asked = (verb: string, what: string, namespace = ''): Attributes => {
  const isResource = !what.startsWith('/');
  const [resource = '', group = ''] = isResource ? what.split('.') : [];
  const nothing = { version: '', subresource: '', name: '' };
  return { ...nothing, isResource, path: isResource ? '' : what, verb, resource, group, namespace };
};
const user = (name: string, ...groups: string[]): User => ({ name, groups: [...groups, 'system:authenticated'] });

t.test('a request is allowed by a line whose subject, verb and place match', (t) => {
  const abac = new AbacAuthorizer(parsePolicyFile(FILE));
  const cases: [User, Attributes, boolean][] = [
    [user('alice'), asked('delete', 'deployments.apps', 'shop'), true],
    [user('alice'), asked('delete', 'deployments.apps', 'other'), false],
    [user('alice'), asked('get', 'deployments.apps'), false],
    [user('bob'), asked('watch', 'pods', 'shop'), true],
    [user('bob'), asked('create', 'pods', 'shop'), false],
    [user('bob'), asked('get', 'pods.metrics', 'shop'), false],
    [user('carol', 'ops'), asked('update', 'nodes'), true],
    [user('carol'), asked('update', 'nodes'), false],
    [user('dave', 'ops'), asked('update', 'nodes'), false],
    // A line without a subject is for nobody.
    [user('nobody'), asked('get', 'secrets', 'shop'), false],
    [user('nobody'), asked('update', 'configmaps', 'public'), true],
    [{ name: 'system:anonymous', groups: ['system:unauthenticated'] }, asked('get', 'configmaps', 'public'), false],
    [user('nobody'), asked('get', '/apis/apps'), true],
    [user('nobody'), asked('post', '/apis/apps'), false],
    [user('nobody'), asked('get', '/metrics'), false],
    // What has no version leaves nothing out.
    [user('old'), asked('update', 'deployments.apps', 'legacy'), true],
    [user('old'), asked('get', '/metrics'), false],
    [user('older'), asked('get', '/metrics'), true],
    [user('older'), asked('list', 'deployments.apps', 'anywhere'), true],
    [user('older'), asked('update', 'deployments.apps', 'anywhere'), false],
  ];
  for (const [who, what, allowed] of cases)
    t.equal(abac.authorize(who, what).allowed, allowed, `${who.name} ${JSON.stringify(what)}`);
  t.strictSame(abac.authorize(user('x'), asked('get', 'pods')), { allowed: false, reason: 'No policy matched.' });
  t.strictSame(abac.rulesFor(user('bob'), 'shop').rules, [
    { verbs: ['get', 'list', 'watch'], apiGroups: [''], resources: ['pods'] },
  ]);
  t.end();
});

t.test('a line that is no policy is named, and what is misspelt is none', (t) => {
  const cases: [string, RegExp][] = [
    [`${policy({ user: 'a' })}\n{"user": "b"`, /^line 2: /],
    [policy({ user: 'a', resource: '*', readOnly: true }), /^line 1: .*readOnly/],
    ['{"user": "a", "user": "b"}', /^line 1: .*user/],
    ['{"apiVersion": "abac.authorization.kubernetes.io/v1", "kind": "Policy"}', /^line 1: it must have apiVersion/],
    ['[]', /^line 1: it holds no Policy/],
    [policy({ user: 5 }), /^line 1: .*user/],
  ];
  for (const [text, message] of cases) t.throws(() => parsePolicyFile(text), { message }, text);
  t.end();
});
