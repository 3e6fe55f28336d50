/** Which certificates are shown at which ports, as lists of files: https://docs.haproxy.org/2.6/configuration.html#5.1-crt-list. Pure. */
import { createHash } from 'node:crypto';
import path from 'node:path';
import type { Model } from '../model/model.ts';
import type { PortTls } from '../model/routing.ts';
import { CONNECTIONS, DEFAULT_CERTIFICATE } from './names.ts';
import type { ProxySettings } from './settings.ts';
import { mapWord } from './text.ts';

/** The first certificate of a list is shown to whom no other one is for, and to nobody by its own names. */
const NO_HOST = 'no-host.invalid';

export interface CertificateLists {
  /** PEM by the name of its file. */
  readonly certificates: ReadonlyMap<string, string>;
  /** A line per certificate: the file, how clients are asked for theirs, and the hosts. The first one is the default. */
  readonly list: readonly string[];
  /** Those of ports that only Gateways have, by the names of their files. */
  readonly others: ReadonlyMap<string, readonly string[]>;
}

/** @param fileOf writes a PEM text into a file of that kind, and returns its name */
export function certificateLists(
  model: Model,
  settings: ProxySettings,
  directory: string,
  fileOf: (kind: string, pem: string) => string,
): CertificateLists {
  const { fallbackCertificate, routing } = model;
  const certificates = new Map([[DEFAULT_CERTIFICATE, fallbackCertificate ?? settings.defaultCertificate]]);
  const verify = (clientCa: string | undefined, how: 'optional' | 'required'): string =>
    clientCa === undefined ? '' : ` [ca-file ${path.join(directory, fileOf('ca', clientCa))} verify ${how}]`;
  // Shown for hosts of others, too: the sections of backends say who needs a certificate.
  const list = [`${path.join(directory, DEFAULT_CERTIFICATE)}${verify(model.fallbackClientCa, 'optional')} ${NO_HOST}`];
  for (const { pem, hosts, clientCa, needsClientCertificate } of model.certificates) {
    const named = hosts.map(mapWord).toSorted();
    const file = `host-${createHash('sha256').update(named.join()).digest('hex')}.pem`;
    certificates.set(file, pem || settings.defaultCertificate);
    const ca = verify(clientCa, needsClientCertificate ? 'required' : 'optional');
    list.push(`${path.join(directory, file)}${ca} ${named.join(' ')}`);
  }
  const others = new Map<string, string[]>();
  const addPort = (kind: string, port: number, tls: PortTls): void => {
    const fallback = `${kind}default-${port}.pem`;
    certificates.set(fallback, tls.fallback ?? settings.defaultCertificate);
    const lines = [`${path.join(directory, fallback)}${verify(tls.fallbackClientCa, 'optional')} ${NO_HOST}`];
    for (const { host, pem, clientCa } of tls.certificates) {
      const file = `${kind}port-${port}-${createHash('sha256').update(host).digest('hex')}.pem`;
      certificates.set(file, pem);
      lines.push(`${path.join(directory, file)}${verify(clientCa, 'required')} ${mapWord(host)}`);
    }
    others.set(`${kind}certificates-${port}.list`, lines);
  };
  for (const { port, tls } of routing.ports) if (tls) addPort('', port, tls);
  for (const [port, tls] of routing.connectionTls) addPort(CONNECTIONS, port, tls);
  return { list, certificates, others };
}
