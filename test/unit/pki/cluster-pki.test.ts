import 'reflect-metadata';
import { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from '@peculiar/x509';
import { execFileSync } from 'node:child_process';
import { X509Certificate, createHash, webcrypto } from 'node:crypto';
import {
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { once } from 'node:events';
import { test, type Test } from 'tap';
import { openPki, readAuthority, type ClusterPki } from '../../../control-plane/pki/cluster-pki.ts';
import { readServiceAccountKey } from '../../../control-plane/pki/service-account-keys.ts';
import { kubeconfig, writeKubeconfig } from '../../../control-plane/pki/kubeconfig.ts';
import { PkiError } from '../../../control-plane/pki/pem-files.ts';
import { serverNames } from '../../../control-plane/pki/server-names.ts';
import {
  parseCertificateRequest,
  type CertificateRequest,
} from '../../../api/kinds/certificates/certificate-request.ts';
import { signCertificateRequest } from '../../../control-plane/pki/signing.ts';

const DAY_MS = 24 * 3600 * 1000;
const names = ['127.0.0.1', '10.43.0.1', 'fd00::1', 'kubernetes.default.svc', 'localhost'];

function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'kedge-pki-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

const contents = (directory: string): Record<string, string> =>
  Object.fromEntries(readdirSync(directory).map((file) => [file, readFileSync(join(directory, file), 'utf8')]));

async function requestFor(subject: string, san?: string): Promise<CertificateRequest> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: subject,
    keys,
    signingAlgorithm: algorithm,
    extensions: san ? [new SubjectAlternativeNameExtension([{ type: 'dns', value: san }])] : [],
  });
  return parseCertificateRequest(Buffer.from(request.toString('pem')).toString('base64'));
}

test('the PKI is created once, with private keys readable by their owner only, and reused after a restart', async (t) => {
  const directory = folder(t);
  const first = await openPki({ directory, serverNames: names });
  const files = contents(directory);
  for (const file of Object.keys(files)) {
    t.equal(statSync(join(directory, file)).mode & 0o777, file.endsWith('.key') ? 0o600 : 0o644, file);
  }
  const second = await openPki({ directory, serverNames: [...names].reverse() });
  t.same(contents(directory), files);
  t.same(second, first);
  const admin = new X509Certificate(first.admin.certificate);
  t.equal(admin.subject, 'O=system:masters\nCN=kubernetes-admin');
  t.same(await readAuthority(directory), first.ca);
  t.equal(await readServiceAccountKey(directory), first.serviceAccountKey);
});

test('openssl verifies the chain, the key usages and the CA hash', async (t) => {
  const directory = folder(t);
  const pki = await openPki({ directory, serverNames: names });
  const verify = (purpose: string, file: string): string =>
    execFileSync('openssl', [
      ...['verify', '-x509_strict', '-CAfile', join(directory, 'ca.crt'), '-purpose', purpose, join(directory, file)],
    ]).toString();
  t.match(verify('sslserver', 'apiserver.crt'), /: OK/);
  t.match(verify('sslclient', 'admin.crt'), /: OK/);
  t.throws(() => verify('sslclient', 'apiserver.crt'));
  const publicKey = execFileSync('openssl', ['x509', '-in', join(directory, 'ca.crt'), '-pubkey', '-noout']);
  const der = execFileSync('openssl', ['pkey', '-pubin', '-outform', 'der'], { input: publicKey });
  t.equal(pki.caHash, `sha256:${createHash('sha256').update(der).digest('hex')}`);
});

test('a TLS server with the serving certificate accepts the admin certificate only', async (t) => {
  const pki = await openPki({ directory: folder(t), serverNames: names });
  const stranger = await openPki({ directory: folder(t), serverNames: names });
  const options = { cert: pki.serving.certificate, key: pki.serving.key, ca: pki.ca.certificate, requestCert: true };
  const server = createServer({ ...options, rejectUnauthorized: false }, (socket) => {
    socket.end(`${socket.authorized} ${socket.getPeerX509Certificate()?.subject.replace('\n', ' ') ?? ''}`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const ask = async ({ admin }: ClusterPki): Promise<string> => {
    const socket: TLSSocket = connect({
      ...{ host: '127.0.0.1', port, servername: 'localhost', ca: pki.ca.certificate },
      ...{ cert: admin.certificate, key: admin.key },
    });
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    return answer;
  };
  t.equal(await ask(pki), 'true O=system:masters CN=kubernetes-admin');
  t.match(await ask(stranger), /^false/);
});

test('the serving certificate is reissued by the same CA when its names change or it expires soon', async (t) => {
  const directory = folder(t);
  const first = await openPki({ directory, serverNames: names });
  const moved = await openPki({ directory, serverNames: [...names, '192.0.2.7'] });
  t.equal(moved.ca.certificate, first.ca.certificate);
  t.equal(moved.admin.certificate, first.admin.certificate);
  t.match(new X509Certificate(moved.serving.certificate).subjectAltName, /192\.0\.2\.7/);
  const later = await openPki({ directory, serverNames: [...names, '192.0.2.7'], now: Date.now() + 340 * DAY_MS });
  t.not(later.serving.certificate, moved.serving.certificate);
  t.not(later.admin.certificate, moved.admin.certificate);
  t.equal(later.ca.certificate, first.ca.certificate);
  t.equal(later.serviceAccountKey, first.serviceAccountKey);
});

test("a corrupt PKI is rejected with the file's name and a remedy", async (t) => {
  const damage = async (harm: (directory: string) => void, message: RegExp, now?: number): Promise<void> => {
    const directory = folder(t);
    await openPki({ directory, serverNames: names });
    harm(directory);
    await t.rejects(openPki({ directory, serverNames: names, now }), { name: 'PkiError', message });
  };
  await damage((d) => truncateSync(join(d, 'ca.key'), 60), /ca\.key has no valid PEM private key.*backup/);
  await damage((d) => truncateSync(join(d, 'admin.key'), 0), /admin\.key has no valid/);
  await damage((d) => truncateSync(join(d, 'sa.key'), 10), /sa\.key has no valid/);
  await damage((d) => truncateSync(join(d, 'ca.crt'), 100), /ca\.crt has no valid PEM certificate/);
  await damage((d) => unlinkSync(join(d, 'ca.key')), /ca\.key is missing but .*ca\.crt exists/);
  await damage((d) => writeFileSync(join(d, 'ca.key'), readFileSync(join(d, 'sa.key'))), /does not match .*ca\.crt/);
  await damage(() => {}, /ca\.crt expired on/, Date.now() + 3651 * DAY_MS);
  t.rejects(readAuthority(folder(t)), PkiError);
  t.rejects(readServiceAccountKey(folder(t)), PkiError);
});

test('the keys of an existing cluster are never regenerated', async (t) => {
  const directory = folder(t);
  const options = { directory, serverNames: names, store: '/var/lib/kedge/server/store' };
  const refused = async (...messages: RegExp[]): Promise<void> => {
    const before = contents(directory);
    for (const message of messages) await t.rejects(openPki(options), { name: 'PkiError', message });
    t.same(contents(directory), before, 'nothing is written');
  };
  await refused(/ca\.crt and .*ca\.key are missing, but \/var\/lib\/kedge\/server\/store holds a cluster.* backup/);
  const first = await openPki({ directory, serverNames: names });
  unlinkSync(join(directory, 'sa.key'));
  await refused(
    /sa\.key is missing, but .* holds a cluster .*restore it from a backup, or .* openssl ecparam .*sa\.key$/,
  );
  execFileSync('openssl', [
    ...['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', join(directory, 'sa.key')],
  ]);
  const second = await openPki(options);
  t.not(second.serviceAccountKey, first.serviceAccountKey, 'a key provided by the operator is used');
  unlinkSync(join(directory, 'ca.crt'));
  t.equal((await openPki(options)).caHash, first.caHash, 'the CA certificate can be created from its key');
  unlinkSync(join(directory, 'scheduler.key'));
  unlinkSync(join(directory, 'scheduler.crt'));
  await t.resolves(openPki(options), 'certificates signed by the CA are reissued');
});

test('a start killed between key and certificate continues with the key', async (t) => {
  const directory = folder(t);
  const first = await openPki({ directory, serverNames: names });
  unlinkSync(join(directory, 'ca.crt'));
  unlinkSync(join(directory, 'scheduler.crt'));
  const second = await openPki({ directory, serverNames: names });
  t.equal(second.caHash, first.caHash);
  t.equal(second.admin.certificate, first.admin.certificate);
});

test('a signing request becomes a client certificate with its subject, for the requested duration up to a year', async (t) => {
  const { ca } = await openPki({ directory: folder(t), serverNames: names });
  const request = await requestFor('O=system:nodes,CN=system:node:a', 'a.example');
  const usages = ['digital signature', 'client auth'];
  const short = new X509Certificate(await signCertificateRequest(request, { ca, usages, durationSeconds: 3600 }));
  t.equal(short.subject, 'O=system:nodes\nCN=system:node:a');
  t.equal(short.subjectAltName, 'DNS:a.example');
  t.same(short.keyUsage, ['1.3.6.1.5.5.7.3.2']);
  t.ok(short.verify(new X509Certificate(ca.certificate).publicKey));
  t.ok(Math.abs(short.validToDate.getTime() - Date.now() - 3_600_000) < 5000);
  const long = new X509Certificate(await signCertificateRequest(request, { ca, usages, durationSeconds: 1e9 }));
  t.ok(long.validToDate.getTime() - Date.now() <= 365 * DAY_MS);
  await t.rejects(signCertificateRequest(request, { ca, usages: ['cert sign'] }), /usage "cert sign"/);
});

test("the server certificate has the host name, the Service's names and every address but those of pods and Services", async (t) => {
  const address = (a: string) => [
    { address: a, netmask: '', mac: '', internal: false, cidr: null, family: 'IPv4' as const },
  ];
  const got = serverNames({
    hostname: 'Host-A',
    interfaces: {
      ...{ eth0: address('192.0.2.1'), cni0: address('10.42.0.1'), eth1: address('fe80::1') },
      lo: [...address('127.0.0.1'), ...address('10.43.0.10')],
    },
    clusterDomain: 'cluster.local',
    serviceCidr: '10.43.0.0/16',
    podCidr: '10.42.0.0/16',
    extra: ['api.example'],
  });
  t.same(got, [
    '10.43.0.1',
    '127.0.0.1',
    '192.0.2.1',
    'api.example',
    'host-a',
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    'kubernetes.default.svc.cluster.local',
    'localhost',
  ]);
});

test('kubectl reads the kubeconfig, which only its owner can read', async (t) => {
  const directory = folder(t);
  const pki = await openPki({ directory: join(directory, 'pki'), serverNames: names });
  const path = join(directory, 'etc', 'admin.kubeconfig');
  const options = {
    server: 'https://127.0.0.1:6443',
    caCertificate: pki.ca.certificate,
    user: 'kubernetes-admin',
    credentials: pki.admin,
  };
  await writeKubeconfig(path, options);
  t.equal(statSync(path).mode & 0o777, 0o600);
  const seen = JSON.parse(
    execFileSync('kubectl', ['--kubeconfig', path, 'config', 'view', '--raw', '--minify', '-o', 'json']).toString(),
  ) as { users: [{ user: Record<string, string> }]; clusters: [{ cluster: { server: string } }] };
  t.equal(seen.clusters[0].cluster.server, options.server);
  t.equal(Buffer.from(seen.users[0].user['client-certificate-data'] ?? '', 'base64').toString(), pki.admin.certificate);
  t.match(kubeconfig({ ...options, credentials: { token: 'a.b' } }), /token: "a\.b"/);
});
