/**
 * Which certificate listeners show for which host. All Gateways share their ports, so that a listener of one namespace could be more specific
 * than the one that serves another's host: whose a host is says what is shown for it. Pure.
 */
import type { ListenerCertificate, PortTls } from '../model/routing.ts';
import { servedPlaces, type Attachment } from './attach.ts';
import { isOthers, type Claim } from './claims.ts';
import { mostSpecific } from './hosts.ts';
import { isServed, type ServedGateway } from './listeners.ts';

interface Shown extends ListenerCertificate {
  readonly namespace: string;
}

interface Port {
  readonly certificates: Map<string, Shown>;
  fallback: Shown | undefined;
}

/** By port; of two listeners for one host that nobody has asked for, the older one's. */
export function certificatesByPort(
  gateways: readonly ServedGateway[],
  attachments: readonly Attachment[],
  claims: ReadonlyMap<string, Claim>,
): ReadonlyMap<number, PortTls> {
  const ports = ofListeners(gateways, claims);
  for (const attachment of attachments) addServedHosts(ports, attachment, claims);
  return new Map(
    [...ports].map(([port, { certificates, fallback }]) => [
      port,
      { certificates: [...certificates.values()].map(({ pem, host }) => ({ pem, host })), fallback: fallback?.pem },
    ]),
  );
}

function ofListeners(gateways: readonly ServedGateway[], claims: ReadonlyMap<string, Claim>): Map<number, Port> {
  const ports = new Map<number, Port>();
  for (const { listeners, fault: wrong, namespace } of gateways)
    for (const listener of listeners) {
      const { boundPort, certificate: pem, host } = listener;
      if (wrong || pem === undefined || !isServed(listener)) continue;
      const known = ports.get(boundPort) ?? { certificates: new Map<string, Shown>(), fallback: undefined };
      ports.set(boundPort, known);
      const shown = { pem, host, namespace };
      if (host === '') known.fallback ??= shown;
      else if (!known.certificates.has(host) && !isOthers(claims, host, namespace)) known.certificates.set(host, shown);
    }
  return ports;
}

/** Hosts of routes for which a listener of another namespace would be found get a certificate by name. */
function addServedHosts(
  ports: ReadonlyMap<number, Port>,
  attachment: Attachment,
  claims: ReadonlyMap<string, Claim>,
): void {
  const { namespace, listeners } = attachment.gateway;
  for (const { listener, hosts } of servedPlaces(attachment)) {
    const port = ports.get(listener.boundPort);
    if (!port || listener.certificate === undefined) continue;
    const own = listeners.filter((each) => each.boundPort === listener.boundPort).map(({ host }) => host);
    for (const host of hosts) {
      if (host === '' || isOthers(claims, host, namespace) || mostSpecific(host, own) !== listener.host) continue;
      if (shownFor(port, host)?.namespace !== namespace)
        port.certificates.set(host, { pem: listener.certificate, host, namespace });
    }
  }
}

/** As HAProxy finds it: by the name, by the wildcard for its first label, or the first one. */
const shownFor = ({ certificates, fallback }: Port, host: string): Shown | undefined =>
  certificates.get(host) ?? certificates.get(host.replace(/^[^.]+/, '*')) ?? fallback;
