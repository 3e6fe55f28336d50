/**
 * Whose a host is: the namespace that has asked for it first, with an Ingress or by a Gateway. Another namespace cannot take it. Pure.
 * Within a Gateway, its owner says which namespaces share its hosts; among Ingresses, paths are shared as ever.
 */
import type { Ingress } from '../../../api/types/networking/v1.gen.ts';
import { servedPlaces, type Attachment, routeKey } from './attach.ts';

export interface Claim {
  readonly namespace: string;
  /** For messages: `Ingress shop/web`. */
  readonly by: string;
  readonly isRoute: boolean;
}

interface Candidate extends Claim {
  readonly host: string;
  readonly since: string;
}

const createdAt = ({ metadata }: { metadata?: Ingress['metadata'] }): string =>
  String(metadata?.creationTimestamp ?? '');

function* claimsOf(ingresses: Iterable<Ingress>, attachments: readonly Attachment[]): Generator<Candidate> {
  for (const ingress of ingresses) {
    const { namespace = '', name = '' } = ingress.metadata ?? {};
    const claim = { namespace, by: `Ingress ${namespace}/${name}`, since: createdAt(ingress), isRoute: false };
    for (const { host = '' } of ingress.spec?.rules ?? []) yield { ...claim, host };
  }
  for (const attachment of attachments) {
    const { route, gateway } = attachment;
    const [since = ''] = [createdAt(route.object), createdAt(gateway.object)].sort().reverse();
    const claim = { namespace: gateway.namespace, by: routeKey(route), since, isRoute: true };
    for (const { hosts } of servedPlaces(attachment)) for (const host of hosts) yield { ...claim, host };
  }
}

/** The claim that counts, by host. */
export function decideClaims(
  ingresses: Iterable<Ingress>,
  attachments: readonly Attachment[],
): ReadonlyMap<string, Claim> {
  const first = new Map<string, Candidate>();
  for (const claim of claimsOf(ingresses, attachments)) {
    const known = first.get(claim.host);
    if (!known || orderOf(claim) < orderOf(known)) first.set(claim.host, claim);
  }
  return first;
}

const orderOf = ({ since, by }: Candidate): string => `${since} ${by}`;

/** Whether another namespace than this one had the host first. */
export function isOthers(claims: ReadonlyMap<string, Claim>, host: string, namespace: string): boolean {
  const claim = claims.get(host);
  return claim !== undefined && claim.namespace !== namespace;
}
