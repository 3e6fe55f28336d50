/** Who may write which part of the status of a ResourceClaim. */
import t from 'tap';
import { resourceClaims } from '../../../api/kinds/resource/resource-claim.ts';
import { StatusError } from '../../../api/machinery/status-error.ts';
import type { ResourceClaimStatus } from '../../../api/types/resource/v1.gen.ts';
import type { Attributes } from '../../../control-plane/apiserver/access/authorization/authorizer.ts';
import { deviceStatusPermission } from '../../../control-plane/apiserver/admission/device-status-permission.ts';
import type { AdmissionRequest } from '../../../control-plane/apiserver/admission/plugin.ts';
import { TestServer } from './server.ts';

const allocation = (...nodes: string[]): ResourceClaimStatus['allocation'] => ({
  devices: { results: [{ request: 'r', driver: 'd.io', pool: 'p', device: 'a' }] },
  ...(nodes.length > 0 && {
    nodeSelector: {
      nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In' as const, values: nodes }] }],
    },
  }),
});
const deviceOf = (driver: string, device = 'a') => ({ driver, pool: 'p', device });
const claimOf = (status: ResourceClaimStatus) => ({ metadata: { namespace: 'apps', name: 'c' }, status });

/** The rights that were asked for, as `verb subresource namespace/name`, and the message of the refusal. */
async function asked(old: ResourceClaimStatus, now: ResourceClaimStatus, rights: readonly string[], node?: string) {
  const seen: string[] = [];
  const authorize = (_: unknown, { verb, resource, subresource, namespace, name }: Attributes) => {
    seen.push(`${verb} ${resource}/${subresource} ${namespace}/${name}`);
    return { allowed: rights.includes(`${verb} ${subresource}`), reason: 'no rule' };
  };
  const extra = node && { 'authentication.kubernetes.io/node-name': [node] };
  const request: AdmissionRequest = {
    ...{ operation: 'UPDATE', kind: resourceClaims, subresource: 'status', namespace: 'apps', name: 'c' },
    ...{ object: claimOf(now), old: claimOf(old), dryRun: false, warn: () => undefined },
    user: { name: 'system:serviceaccount:kube-system:driver', groups: [], ...(extra && { extra }) },
  };
  try {
    await deviceStatusPermission({ authorize }).validate?.(request);
    return { seen };
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    return { seen, message: error.message };
  }
}

t.test('an allocation and its consumers need the right to bind claims', async (t) => {
  const reserved = { allocation: allocation('n1'), reservedFor: [{ resource: 'pods', name: 'p', uid: 'u' }] };
  t.strictSame(await asked({}, reserved, ['update binding']), { seen: ['update resourceclaims/binding /'] });
  t.strictSame(await asked(reserved, reserved, []), { seen: [] });
  const who = 'User "system:serviceaccount:kube-system:driver" cannot update';
  const why = `${who} resource "resourceclaims/binding" in API group "resource.k8s.io" at the cluster scope: no rule`;
  t.equal(
    (await asked(reserved, {}, [])).message,
    `ResourceClaim.resource.k8s.io "c" is invalid: status.allocation: Forbidden: changing status.allocation or status.reservedFor requires resource="resourceclaims/binding", verb="update" permission: resourceclaims.resource.k8s.io is forbidden: ${why}`,
  );
});

t.test('what is said of devices needs the right to their driver, for claims of the own node or of any', async (t) => {
  const base = { allocation: allocation('n1') };
  const said = { ...base, devices: [deviceOf('d.io')] };
  const [associated, arbitrary] = ['associated-node:update', 'arbitrary-node:update'] as const;
  const of = (verb: string, driver = 'd.io') => `${verb} resourceclaims/driver apps/${driver}`;
  t.strictSame((await asked(base, said, [`${associated} driver`], 'n1')).message, undefined);
  t.strictSame((await asked(base, said, [`${arbitrary} driver`], 'n1')).message, undefined);
  t.strictSame(await asked(base, said, [`${arbitrary} driver`], 'n2'), { seen: [of(arbitrary)] });
  t.match(
    (await asked(base, said, [`${associated} driver`], 'n2')).message,
    /verb="\[arbitrary-node:update\]" permission/,
  );
  t.match((await asked(base, said, [])).message, /status\.devices: Forbidden: .*"resourceclaims\/driver"/);
  for (const nodes of [[], ['n1', 'n2']]) {
    const wide = { allocation: allocation(...nodes) };
    t.strictSame(
      (await asked(wide, { ...wide, ...said, ...wide }, [], 'n1')).seen,
      [of(arbitrary)],
      'a claim of several nodes',
    );
  }
  const two = { ...base, devices: [deviceOf('b.io'), deviceOf('a.io')] };
  t.strictSame((await asked(two, base, [`${arbitrary} driver`])).seen, [of(arbitrary, 'a.io'), of(arbitrary, 'b.io')]);
  t.strictSame((await asked(two, two, [])).seen, []);
  const other = { ...base, devices: [{ ...deviceOf('b.io'), data: { is: 'up' } }, deviceOf('a.io')] };
  t.strictSame((await asked(two, other, [])).seen, [of(arbitrary, 'b.io')]);
  t.strictSame((await asked(two, {}, ['update binding'])).message, undefined, 'it goes with the allocation');
});

t.test('the verb of a patch is that of the right', async (t) => {
  const verbs: string[] = [];
  const authorize = (_: unknown, { verb }: Attributes) => {
    verbs.push(verb);
    return { allowed: false, reason: '' };
  };
  await using server = await TestServer.start({ admission: [deviceStatusPermission({ authorize })] });
  await server.call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'apps' } } });
  const claims = '/apis/resource.k8s.io/v1/namespaces/apps/resourceclaims';
  const requests = [{ name: 'r', exactly: { deviceClassName: 'gpu' } }];
  const made = await server.call('POST', claims, {
    body: { metadata: { name: 'c' }, spec: { devices: { requests } } },
  });
  t.equal(made.status, 201, made.text);
  const refused = await server.call('PATCH', `${claims}/c/status`, {
    body: { status: { allocation: allocation('n1') } },
    type: 'application/merge-patch+json',
  });
  t.equal(refused.status, 422, refused.text);
  t.strictSame(verbs, ['patch']);
});
