import t from 'tap';
import { CLIENT_SIGNER, KUBELET_CLIENT_SIGNER, KUBELET_SERVING_SIGNER } from '../../../api/domain/signer-names.ts';
import { AddressHolders } from '../../../control-plane/controllers/certificates/address-holders.ts';
import { expiryOf } from '../../../control-plane/controllers/certificates/requests.ts';
import {
  nameOfServers,
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

t.test('a node is known by no name of an api-server, although it writes its own addresses', async (t) => {
  const itself = { username: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] };
  const approval = (name: string) =>
    planApproval(
      request(KUBELET_SERVING_SIGNER, SERVING_USAGES, itself),
      content({ dnsNames: [name], ipAddresses: ['192.0.2.1'] }),
      () => [
        { type: 'InternalIP', address: '192.0.2.1' },
        { type: 'Hostname', address: name },
      ],
    ).type;
  for (const name of ['n1', 'kubernetes-1', 'kubernetes.default-pool.example.com', 'my.kubernetes'])
    t.equal(approval(name), 'approve', name);
  for (const name of [
    ...['kubernetes', 'KUBERNETES', 'kubernetes.', 'kubernetes.default', 'kubernetes.default.svc'],
    ...['kubernetes.default.svc.cluster.local', 'kubernetes.default.svc.example.org', '*.default.svc', '*'],
    ...['localhost', 'LocalHost', 'a.localhost'],
  ])
    t.equal(approval(name), 'none', name);
});

t.test('a node gets no certificate for what another node has, whatever it says of itself', async (t) => {
  const holders = new AddressHolders();
  const ip = (address: string, type = 'InternalIP') => ({ type, address });
  holders.set('n1', [ip('fd00::1')]);
  const external = ip('198.51.100.1', 'ExternalIP');
  holders.set('n2', [ip('192.0.2.2'), ip('FD00:0::2'), ip('Two', 'Hostname'), external]);
  holders.set('n3', [external]);
  holders.synced();
  const other = (...names: string[]) => holders.another('n1', names)?.node;
  for (const name of ['192.0.2.2', 'fd00::2', 'two', 'TWO']) t.equal(other('n1', name), 'n2', name);
  t.equal(
    other('n1', 'fd00::1', '198.51.100.1'),
    undefined,
    'what is its own, and the address of a router in front of both',
  );
});

t.test('who says later that it has the address of a node takes nothing from that one', async (t) => {
  const holders = new AddressHolders();
  const at = (...addresses: string[]) => addresses.map((address) => ({ type: 'InternalIP', address }));
  const other = (node: string) => holders.another(node, ['192.0.2.1'])?.node;
  holders.set('first', at('192.0.2.1'));
  holders.synced();
  holders.set('later', at('192.0.2.9', '192.0.2.1'));
  t.strictSame([other('first'), other('later')], [undefined, 'first']);
  holders.set('first', at('192.0.2.1', '192.0.2.3'));
  t.equal(other('first'), undefined, 'it has another one, too');
  holders.set('first', at('192.0.2.3'));
  t.equal(other('later'), undefined, 'nobody else has it any longer');
  holders.set('first', at('192.0.2.1'));
  t.equal(other('first'), 'later', 'it has given it up meanwhile');
  holders.set('later', []);
  t.equal(other('first'), undefined, 'a node that is deleted has nothing');
  const restarted = new AddressHolders();
  for (const node of ['first', 'later']) restarted.set(node, at('192.0.2.1'));
  restarted.synced();
  const both = () => ['first', 'later'].map((node) => restarted.another(node, ['192.0.2.1'])?.node);
  t.strictSame(both(), ['later', 'first'], 'after a restart it is not known who was first: neither has it');
  restarted.set('third', at('192.0.2.1'));
  restarted.set('later', []);
  t.strictSame(both()[0], 'third');
  restarted.set('third', []);
  t.equal(both()[0], undefined);
});

t.test(
  'addresses of api-servers are approved for nodes of the control plane alone, that of their Service for nobody',
  async (t) => {
    const servers = { ofService: ['10.43.0.1', 'fd00:43::1'], ofHosts: ['192.0.2.1', 'FD00:0::9'] };
    for (const isServer of [true, false])
      for (const name of ['10.43.0.1', 'fd00:43:0::1']) t.equal(nameOfServers(['n1', name], isServer, servers), name);
    for (const name of ['192.0.2.1', 'fd00::9']) {
      t.equal(nameOfServers(['n1', name], false, servers), name);
      t.equal(nameOfServers(['n1', name], true, servers), undefined);
    }
    t.equal(nameOfServers(['n1', '192.0.2.2'], false, servers), undefined);
  },
);

t.test('requests are deleted an hour after a decision, or after a day without one', async (t) => {
  const pending = request(CLIENT_SIGNER, ['client auth']);
  t.equal(expiryOf(pending), Date.parse('2026-01-02T00:00:00Z'));
  const conditions = [{ type: 'Approved', status: 'True', lastUpdateTime: '2026-01-01T05:00:00Z' }];
  t.equal(expiryOf({ ...pending, status: { conditions } }), Date.parse('2026-01-01T06:00:00Z'));
});
