/**
 * Certificates of clients. Namespaces share the proxy's ports, so that the CA which has verified a client may be another's than the one whose host
 * is asked for: HAProxy finds certificates by a name or the wildcard for its first label, and rules of hosts are found otherwise. What is served
 * says which CA it has to be; which one it was is looked up as HAProxy has found it. Pure.
 */
import { createHash } from 'node:crypto';
import type { Model } from '../model/model.ts';
import type { PortTls } from '../model/routing.ts';
import { CLIENTS_MAP } from './names.ts';
import type { SectionContext } from './section-context.ts';
import type { ProxySettings } from './settings.ts';

/** For names that no certificate is for. No host name has an underscore only. */
const OTHERS = '_';
const NOBODY = '-';
const idOf = (ca: string | undefined): string =>
  ca === undefined ? NOBODY : createHash('sha256').update(ca).digest('hex');

/** By `HOST:PORT`, what clients that connect to that name are verified by. Empty where clients are asked for nothing. */
export function clientsMap({ certificates, fallbackClientCa, routing }: Model, { httpsPort }: ProxySettings) {
  const others = routing.ports.flatMap(({ port, tls }): [number, PortTls][] => (tls ? [[port, tls]] : []));
  const entries = [
    [`${OTHERS}:${httpsPort}`, fallbackClientCa] as const,
    ...certificates.flatMap(({ hosts, clientCa }) => hosts.map((host) => [`${host}:${httpsPort}`, clientCa] as const)),
    ...others.flatMap(([port, tls]) => [
      [`${OTHERS}:${port}`, tls.fallbackClientCa] as const,
      ...tls.certificates.map(({ host, clientCa }) => [`${host}:${port}`, clientCa] as const),
    ]),
  ];
  if (entries.every(([, ca]) => ca === undefined)) return [];
  return entries.map(([key, ca]) => [key, idOf(ca)] as const).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** @param ca PEM: what a certificate has to be of */
export function* clientCertificateLines(
  ca: string,
  isRequired: boolean,
  { mapOf }: Pick<SectionContext, 'mapOf'>,
): Generator<string> {
  // Certificates are asked for by the name that the connection is made for: it has to be the host.
  yield 'http-request deny deny_status 403 unless { ssl_fc }';
  yield 'http-request deny deny_status 421 unless { ssl_fc_sni,lower,strcmp(txn.host) eq 0 }';
  const find = `map_str(${mapOf(CLIENTS_MAP)})`;
  const unless = 'unless { var(txn.ca) -m found }';
  yield 'http-request set-var(txn.tls_port) dst_port';
  yield `http-request set-var(txn.ca) ssl_fc_sni,lower,concat(:,txn.tls_port),${find}`;
  yield `http-request set-var(txn.ca) ssl_fc_sni,lower,regsub('^[^.]*','*'),concat(:,txn.tls_port),${find} ${unless}`;
  yield `http-request set-var(txn.ca) str(${OTHERS}),concat(:,txn.tls_port),${find} ${unless}`;
  yield `http-request deny deny_status 403 if { ssl_c_used } !{ var(txn.ca) -m str ${idOf(ca)} }`;
  if (isRequired) yield 'http-request deny deny_status 403 unless { ssl_c_used } { ssl_c_verify 0 }';
  else yield 'http-request deny deny_status 403 if { ssl_c_used } !{ ssl_c_verify 0 }';
}
