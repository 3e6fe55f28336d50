import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer } from 'node:tls';
import { test, type Test } from 'tap';
import { requestRotation } from '../../../control-plane/pki/ca-rotation.ts';
import { openPki, type ClusterPki } from '../../../control-plane/pki/cluster-pki.ts';

const names = ['127.0.0.1', 'localhost'];

function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'kedge-pki-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

const contents = (directory: string): Record<string, string> =>
  Object.fromEntries(readdirSync(directory).map((file) => [file, readFileSync(join(directory, file), 'utf8')]));

/** The subject's common name. */
const nameOf = (pem: string): string => /CN=(.*)/.exec(new X509Certificate(pem).subject)?.[1] ?? '';

/** Whether a client that trusts `trusted` accepts the server's certificate, and the server the client's. */
async function handshake(
  server: ClusterPki,
  trusted: string,
  client: { certificate: string; key: string },
): Promise<string> {
  const listener = createServer(
    {
      cert: server.serving.certificate,
      key: server.serving.key,
      ca: server.bundle,
      requestCert: true,
      rejectUnauthorized: false,
    },
    (socket) => socket.end(String(socket.authorized)),
  );
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  try {
    const { port } = listener.address() as { port: number };
    const socket = connect({
      ...{ host: '127.0.0.1', port, servername: 'localhost', ca: trusted },
      ...{ cert: client.certificate, key: client.key },
    });
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    return answer;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? '';
  } finally {
    listener.close();
  }
}

test('with a new CA, those who know the one before only and those who know the new one only are served alike', async (t) => {
  const directory = folder(t);
  const before = await openPki({ directory, serverNames: names });
  await requestRotation(directory, 'ca');
  const waiting = await openPki({ directory, serverNames: names });
  t.same(waiting, before, 'nothing changes while the server runs');
  const rotated = await openPki({ directory, serverNames: names, mayReplaceCa: true });
  t.not(rotated.caHash, before.caHash);
  t.equal(rotated.bundle, rotated.ca.certificate + before.ca.certificate);
  t.equal(await handshake(rotated, before.ca.certificate, before.admin), 'true');
  t.equal(await handshake(rotated, before.ca.certificate, rotated.admin), 'true');
  t.equal(await handshake(rotated, rotated.ca.certificate, rotated.admin), 'true');
  // As a node that knows the CA before only sees the api-server's client certificate.
  t.equal(await handshake({ ...before, bundle: before.ca.certificate }, before.bundle, rotated.kubeletClient), 'true');
  t.same(await openPki({ directory, serverNames: names, mayReplaceCa: true }), rotated, 'it is replaced once');
  t.equal(rotated.serviceAccountKey, before.serviceAccountKey);
  for (const file of readdirSync(directory))
    t.equal(statSync(join(directory, file)).mode & 0o777, file.endsWith('.key') ? 0o600 : 0o644, file);
  t.rejects(requestRotation(directory, 'ca'), /still trusted/);

  await requestRotation(directory, 'drop-ca');
  const dropped = await openPki({ directory, serverNames: names, mayReplaceCa: true });
  t.equal(dropped.bundle, rotated.ca.certificate);
  t.equal(await handshake(dropped, dropped.bundle, before.admin), 'false', 'who has a certificate of it is nobody');
  t.match(await handshake(dropped, before.bundle, dropped.admin), /^(UNABLE_TO_VERIFY|SELF_SIGNED)/);
  t.equal(await handshake(dropped, dropped.bundle, dropped.admin), 'true');
  t.rejects(requestRotation(directory, 'drop-ca'), /no CA besides/);
  t.rejects(requestRotation(folder(t), 'leaves'), /has no CA/);
});

test('a server that is killed at any moment of a rotation starts with a working PKI, and the CA is replaced once', async (t) => {
  const directory = folder(t);
  const before = await openPki({ directory, serverNames: names });
  const old = contents(directory);
  await requestRotation(directory, 'ca');
  await openPki({ directory, serverNames: names, mayReplaceCa: true });
  const made = contents(directory);
  const replaced = ['ca-previous.crt', 'ca-cross.crt', 'ca.key', 'ca.crt'];

  /** The folder after a crash: so many of the new files have taken their places, the others lie prepared. */
  const crashed = (write: (at: string) => void): string => {
    const at = folder(t);
    for (const [file, text] of Object.entries(old)) writeFileSync(join(at, file), text);
    write(at);
    return at;
  };
  const into = (at: string, files: readonly string[]): void => {
    mkdirSync(at, { recursive: true });
    for (const file of files) writeFileSync(join(at, file), made[file] ?? '');
  };
  const request = (at: string): void => writeFileSync(join(at, 'rotation'), 'ca\n');
  const states = new Map<string, (at: string) => void>([
    ['asked', request],
    ['half prepared', (at) => (request(at), into(join(at, 'rotation.d.tmp'), replaced.slice(0, 2)))],
    ...replaced.map((_, count): [string, (at: string) => void] => [
      `${count} files in place`,
      (at) => (request(at), into(at, replaced.slice(0, count)), into(join(at, 'rotation.d'), replaced.slice(count))),
    ]),
    ['all in place', (at) => (request(at), into(at, replaced), into(join(at, 'rotation.d'), []))],
    ['a certificate is away', (at) => (request(at), into(at, replaced), unlinkSync(join(at, 'apiserver.crt')))],
    [
      'a key is new',
      (at) => (
        into(at, replaced),
        unlinkSync(join(at, 'admin.crt')),
        writeFileSync(join(at, 'admin.key'), made['admin.key'] ?? '')
      ),
    ],
  ]);
  for (const [state, write] of states) {
    const at = crashed(write);
    const pki = await openPki({ directory: at, serverNames: names, mayReplaceCa: true });
    t.not(pki.caHash, before.caHash, state);
    t.equal(pki.bundle, pki.ca.certificate + before.ca.certificate, state);
    t.equal(await handshake(pki, before.ca.certificate, pki.admin), 'true', state);
    t.strictSame(Object.keys(contents(at)).sort(), Object.keys(made).sort(), `${state}: no file is left over`);
  }
});

test('certificates are renewed at once when that is asked for, with the CA as it is', async (t) => {
  const directory = folder(t);
  const before = await openPki({ directory, serverNames: names });
  await requestRotation(directory, 'leaves');
  const after = await openPki({ directory, serverNames: names });
  t.equal(after.bundle, before.bundle);
  t.equal(nameOf(after.frontProxyCa.certificate), 'front-proxy-ca');
  t.same(after.frontProxyCa, before.frontProxyCa);
  for (const leaf of [
    'serving',
    'kubeletClient',
    'frontProxyClient',
    'admin',
    'controllerManager',
    'scheduler',
  ] as const)
    t.not(after[leaf].certificate, before[leaf].certificate, leaf);
  t.same(await openPki({ directory, serverNames: names }), after, 'once');
  writeFileSync(join(directory, 'rotation'), '../../etc/passwd');
  t.rejects(openPki({ directory, serverNames: names }), /must have one of leaves, ca, .*; remove it/);
});

test("the front proxy's CA is replaced as the cluster's is, and neither touches the other", async (t) => {
  const directory = folder(t);
  const before = await openPki({ directory, serverNames: names });
  const proxy = (pki: ClusterPki): ClusterPki => ({ ...pki, bundle: pki.frontProxyBundle });
  await requestRotation(directory, 'front-proxy-ca');
  const rotated = await openPki({ directory, serverNames: names, mayReplaceCa: true });
  t.equal(rotated.caHash, before.caHash);
  t.equal(rotated.frontProxyBundle, rotated.frontProxyCa.certificate + before.frontProxyCa.certificate);
  t.match(nameOf(rotated.frontProxyCa.certificate), /^front-proxy-ca-\d+$/);
  // As aggregated API servers that have read the new bundle, and that have not.
  t.equal(await handshake(proxy(rotated), before.bundle, rotated.frontProxyClient), 'true');
  t.equal(await handshake(proxy(before), before.bundle, rotated.frontProxyClient), 'true');
  t.same(await openPki({ directory, serverNames: names, mayReplaceCa: true }), rotated, 'it is replaced once');
  await t.rejects(requestRotation(directory, 'front-proxy-ca'), /still trusted.*--drop-front-proxy-ca/);
  await t.rejects(requestRotation(directory, 'drop-ca'), /no CA besides/);

  await requestRotation(directory, 'drop-front-proxy-ca');
  const dropped = await openPki({ directory, serverNames: names, mayReplaceCa: true });
  t.equal(dropped.frontProxyBundle.trim(), rotated.frontProxyCa.certificate.trim());
  t.equal(await handshake(proxy(dropped), before.bundle, before.frontProxyClient), 'false');
  t.equal(await handshake(proxy(dropped), before.bundle, dropped.frontProxyClient), 'true');
});
