import { test } from 'tap';
import type { Node } from '../../../api/types/core/v1.gen.ts';
import { commandsForOthers, nodesBehind } from '../../../control-plane/pki/rotation-plan.ts';

const node = (name: string, ca?: string): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, ...(ca !== undefined && { annotations: { 'kedge.io/client-ca': ca } }) },
});

test('a CA is kept until every node has a certificate of the next one', async (t) => {
  t.equal(nodesBehind([], 'sha256:new'), undefined);
  t.equal(nodesBehind([node('a', 'sha256:new'), node('b', 'sha256:new')], 'sha256:new'), undefined);
  t.equal(
    nodesBehind([node('a', 'sha256:new'), node('b', 'sha256:old')], 'sha256:new'),
    'node b still has a certificate of the CA before',
  );
  t.equal(
    nodesBehind([node('c'), node('b', 'sha256:old'), node('a', 'sha256:old'), node('d', '')], 'sha256:new'),
    'nodes a, b still have a certificate of the CA before, and nodes c, d do not say of which CA theirs is',
  );
  t.match(
    nodesBehind(
      Array.from({ length: 9 }, (_, index) => node(`n${index}`, 'sha256:old')),
      'sha256:new',
    ),
    /^nodes n0, n1, n2, n3, n4 and 4 more still have/,
  );
});

test('what is to be done on other servers is said as commands, in their order', async (t) => {
  t.strictSame(commandsForOthers('leaves', '/var/lib/kedge/server/pki', ['192.0.2.2']), []);
  t.strictSame(commandsForOthers('next-service-account-key', '/pki', ['192.0.2.2', '2001:db8::2']), [
    'scp -p /pki/sa-next.key root@192.0.2.2:/pki/',
    'ssh root@192.0.2.2 systemctl restart kedge-server',
    'scp -p /pki/sa-next.key root@[2001:db8::2]:/pki/',
    'ssh root@2001:db8::2 systemctl restart kedge-server',
  ]);
  t.strictSame(commandsForOthers('drop-ca', '/pki', ['192.0.2.2', '$(reboot)']), [
    'ssh root@192.0.2.2 kedge certs rotate --drop-ca',
  ]);
  t.match(commandsForOthers('ca', "/a b'c", ['192.0.2.2'])[0], String.raw`'/a b'\''c/ca.key'`);
  t.strictSame(commandsForOthers('etcd-ca', '/pki', ['192.0.2.2']), [
    'scp -p /pki/etcd-ca.crt /pki/etcd-ca.key /pki/etcd-ca-previous.crt /pki/etcd-ca-cross.crt root@192.0.2.2:/pki/',
    'ssh root@192.0.2.2 systemctl restart kedge-etcd kedge-server',
  ]);
  t.strictSame(commandsForOthers('drop-etcd-ca', '/pki', ['192.0.2.2']), [
    'ssh root@192.0.2.2 kedge certs rotate --drop-etcd-ca',
  ]);
});
