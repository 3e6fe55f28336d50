import { mkdtemp, rm } from 'node:fs/promises';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import os from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import { ClusterCas } from '../../../agent/join/cluster-cas.ts';
import { NodeCertificates } from '../../../agent/join/node-certificates.ts';
import { keepRenewed } from '../../../agent/join/rotation.ts';
import { publicKeyHash } from '../../../api/domain/public-key-hash.ts';
import { StatusError } from '../../../api/machinery/status-error.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { clusterKubeconfig } from '../../../control-plane/pki/kubeconfig.ts';
import { createAuthority, issueCertificate } from '../../../control-plane/pki/signing.ts';
import { Log } from '../../support/log.ts';
import { eventually } from '../../support/wait.ts';

const now = Date.now();
const [before, after, stranger] = await Promise.all(
  ['before', 'after', 'stranger'].map((name) => createAuthority(name, now)),
);

async function nodePair(certificates: NodeCertificates, by: typeof before) {
  const { certificate, key } = await issueCertificate(by!, {
    ...{ commonName: 'system:node:a', usages: ['client auth'], lifetimeMs: 3_600_000, now },
  });
  return certificates.store('client', certificate, createPrivateKey(key));
}

/** A node that has joined when `before` was the CA, and what its cluster publishes. */
async function joined(t: Test) {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-cas-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const certificates = new NodeCertificates(directory);
  await certificates.writeCa(before!.certificate);
  let published: () => string = () => before!.certificate;
  let reads = 0;
  const get = (() => {
    reads++;
    return Promise.resolve({ data: { kubeconfig: clusterKubeconfig('https://192.0.2.1:6443', published()) } });
  }) as unknown as ApiClient['get'];
  const log = new Log();
  const cas = new ClusterCas(before!.certificate, certificates, log);
  const stop = new AbortController();
  t.teardown(() => stop.abort());
  const publish = async (next: () => string): Promise<void> => {
    published = next;
    const seen = reads;
    cas.wake();
    // The one that is asked for may follow one that was under way.
    await eventually('it to be read', () => (cas.wake(), reads > seen + 1));
  };
  return { certificates, cas, log, stop, publish, run: () => cas.run({ get }, stop.signal) };
}

t.test(
  'a node learns a new CA, gets certificates of it at once, and forgets the one before when that is dropped',
  async (t) => {
    const { certificates, cas, stop, publish, run } = await joined(t);
    const running = run();
    const applied: string[] = [];
    const first = await nodePair(certificates, before);
    const renewing = keepRenewed(
      'client',
      first,
      () => nodePair(certificates, after),
      ({ certificate }) =>
        void applied.push(`${new X509Certificate(certificate).issuer} ${cas.bundle.split('BEGIN').length - 1}`),
      cas,
      new Log(),
      stop.signal,
    );
    await publish(() => before!.certificate);
    t.strictSame(applied, [], 'nothing changes with what is known');
    await publish(() => after!.certificate + before!.certificate);
    await eventually('the renewal', () => applied.length === 2);
    t.strictSame(applied, ['CN=before 2', 'CN=after 2'], 'the new CA is trusted before there is a certificate of it');
    t.equal(await certificates.ca(), after!.certificate + before!.certificate);
    await publish(() => after!.certificate);
    t.equal(await certificates.ca(), after!.certificate);
    t.equal(applied.at(-1), 'CN=after 1');
    t.equal(await certificates.isOfCluster(publicKeyHash(before!.certificate)), true, 'settings still have its hash');
    t.equal(await certificates.isOfCluster(publicKeyHash(stranger!.certificate)), false);
    stop.abort();
    await Promise.all([running, renewing]);
  },
);

t.test(
  'what is published is not believed when no CA in it is known, and what cannot be read changes nothing',
  async (t) => {
    const { certificates, log, publish, run } = await joined(t);
    void run();
    await publish(() => stranger!.certificate);
    await publish(() => 'nonsense');
    await publish(() => {
      throw new StatusError({ code: 403, reason: 'Forbidden', message: 'no' });
    });
    t.equal(await certificates.ca(), before!.certificate);
    t.equal(await certificates.isOfCluster(publicKeyHash(stranger!.certificate)), false);
    t.ok(log.lines.some(({ message }) => message === 'failed to read the CAs of the cluster'));
  },
);
