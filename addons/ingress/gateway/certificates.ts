/**
 * Which certificate listeners show for which host. All Gateways share their ports, so that a listener of one namespace could be more specific
 * than the one that serves another's host: whose a host is says what is shown for it. Pure.
 */
import { X509Certificate } from 'node:crypto';
import type { ListenerCertificate, PortTls } from '../model/routing.ts';
import { servedPlaces, type Attachment } from './attach.ts';
import { isOthers, type Claim } from './claims.ts';
import { covers, isHost, mostSpecific } from './hosts.ts';
import { isServed, servedHostsAt, type ServedGateway } from './listeners.ts';

interface Shown extends ListenerCertificate {
  readonly namespace: string;
}

interface Port {
  readonly certificates: Map<string, Shown>;
  fallback: Shown | undefined;
}

/**
 * By port; of two listeners for one host that nobody has asked for, the older one's.
 * @param scheme of the listeners: what is in a connection is looked at, or passed on
 */
export function certificatesByPort(
  gateways: readonly ServedGateway[],
  attachments: readonly Attachment[],
  claims: ReadonlyMap<string, Claim>,
  scheme: 'https' | 'tls',
): ReadonlyMap<number, PortTls> {
  const ports = ofListeners(gateways, claims, scheme);
  for (const attachment of attachments) addServedHosts(ports, attachment, claims, scheme);
  return new Map(
    [...ports].map(([port, { certificates, fallback }]) => [
      port,
      {
        certificates: [...certificates.values()].map(({ pem, host, clientCa }) => ({ pem, host, clientCa })),
        fallback: fallback?.pem,
        fallbackClientCa: fallback?.clientCa,
      },
    ]),
  );
}

function ofListeners(
  gateways: readonly ServedGateway[],
  claims: ReadonlyMap<string, Claim>,
  scheme: 'https' | 'tls',
): Map<number, Port> {
  const ports = new Map<number, Port>();
  for (const { listeners, fault: wrong, namespace } of gateways)
    for (const listener of listeners) {
      const { boundPort, certificates, host, clientCa } = listener;
      const [pem] = certificates;
      if (wrong || pem === undefined || listener.scheme !== scheme || !isServed(listener)) continue;
      const known = ports.get(boundPort) ?? { certificates: new Map<string, Shown>(), fallback: undefined };
      ports.set(boundPort, known);
      const shown = { pem, host, namespace, clientCa };
      if (host === '') known.fallback ??= shown;
      else if (!known.certificates.has(host) && !isOthers(claims, host, namespace)) known.certificates.set(host, shown);
    }
  addByName(ports, gateways, claims, scheme);
  return ports;
}

/** Of several certificates of a listener, each is shown for the names that it has and no other listener is for. */
function addByName(
  ports: ReadonlyMap<number, Port>,
  gateways: readonly ServedGateway[],
  claims: ReadonlyMap<string, Claim>,
  scheme: 'https' | 'tls',
): void {
  for (const { listeners, fault: wrong, namespace } of gateways)
    for (const listener of listeners) {
      const { boundPort, certificates, host, clientCa } = listener;
      const shown = ports.get(boundPort)?.certificates;
      if (wrong || !shown || certificates.length < 2 || listener.scheme !== scheme || !isServed(listener)) continue;
      const byName = new Map<string, string>();
      for (const pem of certificates) for (const name of namesOf(pem)) if (!byName.has(name)) byName.set(name, pem);
      for (const [name, pem] of byName) {
        const isFree = !shown.has(name) || (name === host && shown.get(name)?.pem === certificates[0]);
        if (covers(host, name) && isFree && !isOthers(claims, name, namespace))
          shown.set(name, { pem, host: name, namespace, clientCa });
      }
    }
}

/** The DNS names of a certificate: RFC 6125 looks at these alone. */
const namesOf = (pem: string): readonly string[] =>
  (new X509Certificate(pem).subjectAltName ?? '')
    .split(', ')
    .flatMap((name) => (name.startsWith('DNS:') ? [name.slice('DNS:'.length).toLowerCase()] : []))
    .filter((name) => name !== '' && isHost(name));

/** Hosts of routes for which a listener of another namespace would be found get a certificate by name. */
function addServedHosts(
  ports: ReadonlyMap<number, Port>,
  attachment: Attachment,
  claims: ReadonlyMap<string, Claim>,
  scheme: 'https' | 'tls',
): void {
  const { namespace } = attachment.gateway;
  for (const { listener, hosts } of servedPlaces(attachment)) {
    const port = ports.get(listener.boundPort);
    const [pem] = listener.certificates;
    if (!port || pem === undefined || listener.scheme !== scheme) continue;
    const own = servedHostsAt(attachment.gateway, listener.boundPort);
    for (const host of hosts) {
      if (host === '' || isOthers(claims, host, namespace) || mostSpecific(host, own) !== listener.host) continue;
      const shown = shownFor(port, host);
      if (shown?.namespace !== namespace || shown.clientCa !== listener.clientCa)
        port.certificates.set(host, { pem, host, namespace, clientCa: listener.clientCa });
    }
  }
}

/** As HAProxy finds it: by the name, by the wildcard for its first label, or the first one. */
const shownFor = ({ certificates, fallback }: Port, host: string): Shown | undefined =>
  certificates.get(host) ?? certificates.get(host.replace(/^[^.]+/, '*')) ?? fallback;
