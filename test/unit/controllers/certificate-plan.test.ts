import t from 'tap';
import { CLIENT_SIGNER, KUBELET_CLIENT_SIGNER, KUBELET_SERVING_SIGNER } from '../../../api/domain/signer-names.ts';
import { expiryOf } from '../../../control-plane/controllers/certificates/requests.ts';
import {
  planApproval,
  signerObjection,
  type RequestedNames,
} from '../../../control-plane/controllers/certificates/signers.ts';
import type { CertificateSigningRequest } from '../../../api/types/certificates/v1.gen.ts';

type Usages = CertificateSigningRequest['spec']['usages'];
const CLIENT_USAGES: Usages = ['digital signature', 'client auth'];
const SERVING_USAGES: Usages = ['digital signature', 'server auth'];
const content = (more: Partial<RequestedNames> = {}): RequestedNames => ({
  commonName: 'system:node:n1',
  organizations: ['system:nodes'],
  dnsNames: [],
  ipAddresses: [],
  otherNames: 0,
  ...more,
});
const request = (signerName: string, usages: Usages, more: object = {}): CertificateSigningRequest => ({
  metadata: { name: 'r', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { request: '', signerName, usages, ...more },
});
const addressesOf = (node: string) =>
  node === 'n1'
    ? [
        { type: 'InternalIP', address: '192.0.2.1' },
        { type: 'Hostname', address: 'n1' },
      ]
    : undefined;

t.test('a signer signs only what its policy allows', async (t) => {
  const objection = (signerName: string, usages: Usages, more: Partial<RequestedNames> = {}) =>
    signerObjection({ signerName, usages }, content(more));
  t.equal(objection(KUBELET_CLIENT_SIGNER, CLIENT_USAGES), undefined);
  t.equal(objection(KUBELET_CLIENT_SIGNER, [...CLIENT_USAGES, 'key encipherment']), undefined);
  t.match(objection(KUBELET_CLIENT_SIGNER, SERVING_USAGES), /usages/);
  t.match(objection(KUBELET_CLIENT_SIGNER, [...CLIENT_USAGES, 'cert sign']), /usages/);
  t.match(objection(KUBELET_CLIENT_SIGNER, CLIENT_USAGES, { organizations: ['system:masters'] }), /organization/);
  t.match(
    objection(KUBELET_CLIENT_SIGNER, CLIENT_USAGES, { organizations: ['system:nodes', 'system:masters'] }),
    /organization/,
  );
  t.match(objection(KUBELET_CLIENT_SIGNER, CLIENT_USAGES, { commonName: 'admin' }), /common name/);
  t.match(objection(KUBELET_CLIENT_SIGNER, CLIENT_USAGES, { commonName: 'system:node:' }), /common name/);
  t.match(objection(KUBELET_CLIENT_SIGNER, CLIENT_USAGES, { dnsNames: ['n1'] }), /alternative names/);
  t.equal(objection(KUBELET_SERVING_SIGNER, SERVING_USAGES, { dnsNames: ['n1'] }), undefined);
  t.match(objection(KUBELET_SERVING_SIGNER, SERVING_USAGES), /required/);
  t.match(objection(KUBELET_SERVING_SIGNER, SERVING_USAGES, { ipAddresses: ['192.0.2.1'], otherNames: 1 }), /URIs/);
  t.equal(objection(CLIENT_SIGNER, ['client auth'], { commonName: 'jane', organizations: [] }), undefined);
  t.match(objection(CLIENT_SIGNER, ['client auth', 'server auth']), /usages/);
  t.match(objection('example.com/other', ['client auth']), /not one of/);
});

t.test(
  'client certificates of a node are approved as RBAC allows, its serving certificate for its own addresses',
  async (t) => {
    const bootstrap = { username: 'system:bootstrap:abcdef', groups: ['system:bootstrappers'] };
    const itself = { username: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] };
    const approval = (signer: string, usages: Usages, who: object, more: Partial<RequestedNames> = {}) =>
      planApproval(request(signer, usages, who), content(more), addressesOf);
    t.match(approval(KUBELET_CLIENT_SIGNER, CLIENT_USAGES, bootstrap), {
      type: 'if allowed',
      subresource: 'nodeclient',
    });
    t.match(approval(KUBELET_CLIENT_SIGNER, CLIENT_USAGES, itself), {
      type: 'if allowed',
      subresource: 'selfnodeclient',
    });
    t.match(approval(KUBELET_CLIENT_SIGNER, SERVING_USAGES, bootstrap), { type: 'none' });
    const own = { ipAddresses: ['192.0.2.1'], dnsNames: ['n1'] };
    t.match(approval(KUBELET_SERVING_SIGNER, SERVING_USAGES, itself, own), { type: 'approve' });
    t.match(approval(KUBELET_SERVING_SIGNER, SERVING_USAGES, itself, { dnsNames: ['kubernetes.default'] }), {
      type: 'none',
    });
    t.match(approval(KUBELET_SERVING_SIGNER, SERVING_USAGES, bootstrap, own), { type: 'none' });
    t.match(approval(KUBELET_SERVING_SIGNER, SERVING_USAGES, { ...itself, groups: [] }, own), { type: 'none' });
    t.match(approval(CLIENT_SIGNER, ['client auth'], itself), { type: 'none' }, 'a human decides about other clients');
  },
);

t.test('requests are deleted an hour after a decision, or after a day without one', async (t) => {
  const pending = request(CLIENT_SIGNER, ['client auth']);
  t.equal(expiryOf(pending), Date.parse('2026-01-02T00:00:00Z'));
  const conditions = [{ type: 'Approved', status: 'True', lastUpdateTime: '2026-01-01T05:00:00Z' }];
  t.equal(expiryOf({ ...pending, status: { conditions } }), Date.parse('2026-01-01T06:00:00Z'));
});
