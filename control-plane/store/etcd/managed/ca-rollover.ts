/** Which members of etcd would be locked out if its CA before were trusted no longer. */
import path from 'node:path';
import { PkiError, readKeyPair } from '../../../pki/pem-files.ts';
import { credentialsOf } from '../credentials.ts';
import type { Member } from '../messages.ts';
import { ETCD_CA } from './certificates.ts';
import { EtcdCluster } from './etcd-cluster.ts';

const LIFETIME_MS = 10 * 60_000;

/**
 * Asks each member as a client that knows the CA alone that signs now, with a certificate that nothing but that CA leads to. Returns the names of
 * those that fail. Throws PkiError.
 */
export async function membersBehind(
  pkiDirectory: string,
  members: readonly Member[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const file = path.join(pkiDirectory, ETCD_CA);
  const ca = await readKeyPair(`${file}.crt`, `${file}.key`);
  if (!ca) throw new PkiError(`${file}.crt is missing: there is no CA of etcd on this host`);
  const { issueCertificate } = await import('../../../pki/signing.ts');
  const { certificate, key } = await issueCertificate(ca, {
    ...{ commonName: 'etcd-ca-rollover', usages: ['digital signature', 'key encipherment', 'client auth'] },
    ...{ lifetimeMs: LIFETIME_MS, now: Date.now() },
  });
  const accessTo = credentialsOf({
    ...{
      ca: Buffer.from(ca.certificate),
      cert: Buffer.from(certificate),
      key: Buffer.from(key),
      origin: `${file}.crt`,
    },
  });
  using cluster = EtcdCluster.over(
    members.flatMap(({ clientURLs }) => clientURLs.slice(0, 1)),
    accessTo,
    signal,
  );
  const found = await cluster.statuses(members);
  return found.flatMap(({ member, status }) => (status ? [] : [member.name || member.peerURLs.join()]));
}
