import { humanDuration } from '../../../api/machinery/duration.ts';
import type { readCertificateFiles } from '../../../daemon/certificate-files.ts';
import { failure, ok, warning, type Finding } from './finding.ts';

/** Where a server of this host has them, unless its settings say otherwise. */
export const SERVER_PKI = '/var/lib/kedge/server/pki';
/** The server renews its own a month before they expire, and looks once a day. */
const LATE_MS = 28 * 24 * 3600 * 1000;
/** A CA is replaced by hand, in steps. */
const CA_SOON_MS = 180 * 24 * 3600 * 1000;
const RENEW = 'systemctl restart kedge-server renews it; journalctl -u kedge-server says why it was not';
const REPLACE = 'kedge certs rotate --ca, --front-proxy-ca or --etcd-ca on the server (docs/host-life.md)';
/** A CA of the past: what it has signed is renewed, and it is dropped by hand. */
const PAST: ReadonlySet<string> = new Set([
  ...['ca-previous', 'ca-cross', 'front-proxy-ca-previous', 'front-proxy-ca-cross'],
  ...['etcd-ca-previous', 'etcd-ca-cross'],
]);
const AUTHORITIES: ReadonlySet<string> = new Set(['ca', 'front-proxy-ca', 'etcd-ca']);

/** Pure. @param files of the folder; empty on a host without a server */
export function judgeServerCertificates(
  files: Awaited<ReturnType<typeof readCertificateFiles>>,
  nowMs: number,
): Finding[] {
  const findings: Finding[] = [];
  const isRotating = files.some(({ name }) => name === 'ca-previous');
  for (const entry of files) {
    if ('key' in entry) continue;
    if ('error' in entry) {
      findings.push(
        failure(`${entry.file} cannot be read: ${entry.error}`, 'a certificate', 'restore it from a backup'),
      );
      continue;
    }
    // Of a chain, the first is the certificate itself.
    if (PAST.has(entry.name) || findings.some(({ found }) => found.startsWith(`${entry.file} `))) continue;
    const leftMs = entry.validToMs - nowMs;
    const isAuthority = AUTHORITIES.has(entry.name);
    const mend = isAuthority ? REPLACE : RENEW;
    if (leftMs <= 0)
      findings.push(failure(`${entry.file} has expired ${humanDuration(-leftMs)} ago`, 'one that is valid', mend));
    else if (leftMs < (isAuthority ? CA_SOON_MS : LATE_MS))
      findings.push(warning(`${entry.file} expires in ${humanDuration(leftMs)}`, 'one that is valid for longer', mend));
    else findings.push(ok(`${entry.file} is valid for another ${humanDuration(leftMs)}`));
  }
  if (isRotating)
    findings.push(
      warning(
        'the CA before the present one is still trusted',
        'one CA, when all nodes have certificates of it',
        'kedge certs rotate --drop-ca on the server: it says which nodes have not renewed their certificates',
      ),
    );
  // One line for all that are well.
  const bad = findings.filter(({ level }) => level !== 'ok');
  if (bad.length > 0 || findings.length === 0) return bad;
  const nearest = Math.min(...files.flatMap((entry) => ('validToMs' in entry ? [entry.validToMs] : [])));
  return [ok(`the server's certificates are valid for another ${humanDuration(nearest - nowMs)}`)];
}
