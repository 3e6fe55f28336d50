/** Which node announces the addresses of a load balancer. Pure. */
import { createHash } from 'node:crypto';

export interface Announcers {
  /** Who announces them. */
  readonly holder: string | undefined;
  /** Who has to take them over as soon as nobody answers for them on the network. */
  readonly takeover: string | undefined;
}

export interface AnnouncersView {
  /** Of the Service. */
  readonly key: string;
  readonly now: Announcers;
  /** Every node that there is. */
  readonly exists: (node: string) => boolean;
  /** The nodes that may announce: ready, not excluded, and with endpoints where these are asked for. */
  readonly candidates: readonly string[];
  /** Was to announce, and has not been heard of for too long. */
  readonly isSilent: (node: string) => boolean;
  /** Lives, and cannot announce these addresses. */
  readonly hasDeclined: (node: string) => boolean;
  /** Says that it announces all of them. */
  readonly announces: (node: string) => boolean;
}

/**
 * A holder keeps the addresses for as long as it can. One that is silent is followed by another, but only when it does not answer on the
 * network either: an agent that restarts, or that is cut off from the server, is no reason to break its connections.
 */
export function planAnnouncers(view: AnnouncersView): Announcers {
  const { now, exists, candidates, isSilent, announces } = view;
  if (now.takeover !== undefined && !isSilent(now.takeover) && announces(now.takeover))
    return { holder: now.takeover, takeover: undefined };
  const { holder } = now;
  if (holder !== undefined && exists(holder)) {
    if (isSilent(holder)) return { holder, takeover: usable(view, now.takeover) ?? choose(view, holder) };
    if (candidates.includes(holder) && !view.hasDeclined(holder)) return { holder, takeover: undefined };
  }
  return { holder: choose(view, holder) ?? (candidates.length > 0 ? holder : undefined), takeover: undefined };
}

const usable = ({ candidates, isSilent, hasDeclined }: AnnouncersView, node: string | undefined): string | undefined =>
  node !== undefined && candidates.includes(node) && !isSilent(node) && !hasDeclined(node) ? node : undefined;

/** The one that rendezvous hashing ranks first: load balancers spread over the nodes, and few move when nodes come and go. */
function choose(view: AnnouncersView, except: string | undefined): string | undefined {
  const ranked = view.candidates
    .filter((node) => node !== except && usable(view, node) !== undefined)
    .map((node) => ({ node, rank: createHash('sha256').update(`${view.key}\n${node}`).digest('hex') }));
  ranked.sort((a, b) => (a.rank < b.rank ? -1 : 1));
  return ranked[0]?.node;
}
