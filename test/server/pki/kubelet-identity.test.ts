import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { nodes } from '../../../api/kinds/core/node.ts';
import { NodeBackends } from '../../../control-plane/apiserver/nodes/node-backend.ts';
import { PkiError } from '../../../control-plane/pki/pem-files.ts';
import { readKubeletIdentity, type KubeletSettings } from '../../../control-plane/pki/kubelet-identity.ts';
import { createAuthority, issueCertificate } from '../../../control-plane/pki/signing.ts';
import { createAll, startSecurity } from '../apiserver-auth/fixture.ts';

const DEFAULTS: KubeletSettings = {
  kubeletClientCertificate: '',
  kubeletClientKey: '',
  kubeletCertificateAuthority: '',
  kubeletVerifyServingCertificates: true,
};

test("the api-server connects to nodes with the cluster's client certificate or a configured one, and verifies them", async (t) => {
  const directory = t.testdir({});
  const now = Date.now();
  const ca = await createAuthority('ours', now);
  const pki = {
    bundle: ca.certificate,
    kubeletClient: await issueCertificate(ca, { commonName: 'api', usages: [], lifetimeMs: 60_000, now }),
  };
  const other = await createAuthority('theirs', now);
  const pair = await issueCertificate(other, { commonName: 'api', usages: [], lifetimeMs: 60_000, now });
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const [certificate, key, authority] = [
    file('a.crt', pair.certificate),
    file('a.key', pair.key),
    file('ca.crt', other.certificate),
  ];
  const read = (settings: Partial<KubeletSettings>) => readKubeletIdentity({ ...DEFAULTS, ...settings }, pki);

  t.same(await read({}), { cert: pki.kubeletClient.certificate, key: pki.kubeletClient.key, ca: ca.certificate });
  t.same(
    await read({
      kubeletClientCertificate: certificate,
      kubeletClientKey: key,
      kubeletCertificateAuthority: authority,
    }),
    { cert: pair.certificate, key: pair.key, ca: other.certificate },
  );
  t.equal((await read({ kubeletVerifyServingCertificates: false })).ca, undefined);

  const refused = async (settings: Partial<KubeletSettings>, message: RegExp) =>
    t.rejects(read(settings), { name: PkiError.name, message });
  await refused({ kubeletClientCertificate: certificate }, /must be set together/);
  await refused(
    { kubeletCertificateAuthority: authority, kubeletVerifyServingCertificates: false },
    /remove one of them/,
  );
  await refused({ kubeletCertificateAuthority: join(directory, 'gone') }, /gone does not exist/);
  await refused({ kubeletCertificateAuthority: key }, /a\.key has no valid certificate/);
  const foreign = file('b.key', pki.kubeletClient.key);
  await refused(
    { kubeletClientCertificate: certificate, kubeletClientKey: foreign },
    /b\.key does not match the certificate/,
  );
});

test('nodes are verified with the configured CA, and never when verification is disabled', async (t) => {
  const { core, pki } = await startSecurity(t);
  await createAll(core, nodes, {
    metadata: { name: 'n' },
    status: { addresses: [{ type: 'InternalIP', address: '192.0.2.1' }] },
  });
  const { certificate: cert, key } = pki.kubeletClient;
  let ca: string | undefined = pki.ca.certificate;
  using backends = new NodeBackends(core.api, () => ({ cert, key, ca }));
  const tls = (skip?: boolean) => backends.find('n', skip).tls;
  t.match(tls(), { cert, key, ca, rejectUnauthorized: true });
  t.match(tls(true), { rejectUnauthorized: false }, 'logs with insecureSkipTLSVerifyBackend');
  const before = backends.find('n').agent;
  ca = undefined;
  t.match(tls(), { rejectUnauthorized: false });
  t.not(backends.find('n').agent, before, 'connections with other TLS settings are not reused');
});
