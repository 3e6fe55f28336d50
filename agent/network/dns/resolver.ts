/** Answers queries: from the cluster's zone, from names that the cluster's settings give addresses, and else from other servers. */
import { decode, type Answer, type DecodedPacket } from 'dns-packet';
import type { Forwarder, DnsUpstream, Transport } from './forwarder.ts';
import {
  canBeEncoded,
  encodeBadVersion,
  encodeFailure,
  encodeReply,
  encodeQuestion,
  isMalformed,
  Rcode,
  readQuery,
  recordsWithin,
  truncated,
  Type,
  udpLimit,
  withId,
  type Owned,
  type Query,
  type Reply,
} from './message.ts';
import type { Alias, ClusterZone, Finding } from './zone.ts';

/** What an administrator has set for the whole cluster. */
export interface DnsSettings {
  /** Asked for names of a domain and below it; `corp.example`. */
  readonly stubDomains: ReadonlyMap<string, readonly DnsUpstream[]>;
  /** Instead of those of the host; undefined when nothing is set. */
  readonly upstreams: readonly DnsUpstream[] | undefined;
  /** The addresses of names, in lower case. */
  readonly hosts: ReadonlyMap<string, readonly string[]>;
}

export const NO_SETTINGS: DnsSettings = { stubDomains: new Map(), upstreams: undefined, hosts: new Map() };

export interface ResolverOptions {
  readonly zone: ClusterZone;
  readonly forwarder: Forwarder;
  /** The servers that this host asks. */
  readonly hostUpstreams: () => Promise<readonly DnsUpstream[]>;
  readonly signal: AbortSignal;
  /** Called when another server has answered, or none would (`error`). */
  readonly forwarded?: (error: unknown) => void;
}

/** Behind the id: queries that differ in nothing else are the same. */
const FLAGS_OFFSET = 2;
/** Finished answers, until the zone changes: a client asks the same for each of its connections. */
const MAX_FINISHED = 4_096;
/** Names have 255 bytes; what is longer has options for nobody else. */
const MAX_FINISHED_QUERY_BYTES = 512;
/** Services that are names of Services that are names. */
const MAX_ALIASES = 8;
/** Transfers of zones, and what is obsolete. */
const [FIRST_META_TYPE, LAST_META_TYPE] = [251, 254];
const MAX_TCP_BYTES = 0xffff;
const HOSTS_TTL = 30;

/** An answer, or that there is none to be sent. */
export type Resolved = Buffer | undefined;

export class Resolver {
  readonly #options: ResolverOptions;
  readonly #finished = new Map<string, Buffer>();
  #finishedVersion = 0;
  #settings = NO_SETTINGS;
  #isSynced = false;

  constructor(options: ResolverOptions) {
    this.#options = options;
  }

  /** The zone is whole: what it does not have, is not there. */
  setSynced(): void {
    this.#isSynced = true;
  }

  setSettings(settings: DnsSettings): void {
    this.#settings = settings;
    this.#finished.clear();
  }

  /**
   * At once for what the cluster itself knows.
   * @param mayWait whether other servers may be asked; what only they know is not answered otherwise
   */
  resolve(bytes: Buffer, transport: Transport, mayWait = true): Resolved | Promise<Resolved> {
    const isCurrent = this.#finishedVersion === this.#options.zone.version;
    if (transport === 'udp' && isCurrent && bytes.length > FLAGS_OFFSET && bytes.length <= MAX_FINISHED_QUERY_BYTES) {
      const finished = this.#finished.get(bytes.toString('latin1', FLAGS_OFFSET));
      if (finished) return withId(finished, bytes.readUInt16BE(0));
    }
    const query = readQuery(bytes);
    if (!query) return undefined;
    if (isMalformed(query)) return encodeFailure(query, query.rcode);
    if (query.edns && query.edns.version > 0) return encodeBadVersion(query);
    const isMeta = query.type >= FIRST_META_TYPE && query.type <= LAST_META_TYPE;
    if (!query.isInternet || isMeta) return encodeFailure(query, Rcode.refused);
    return this.#resolveQuery(query, transport, mayWait);
  }

  #resolveQuery(query: Query, transport: Transport, mayWait: boolean): Resolved | Promise<Resolved> {
    const limit = transport === 'udp' ? udpLimit(query) : MAX_TCP_BYTES;
    const found = this.#find(query, query.labels, limit);
    if (found && !this.#isSynced) return encodeFailure(query, Rcode.serverFailure);
    if (found && 'reply' in found) return this.#finish(query, found.reply, transport, limit);
    if (found) {
      if (!mayWait) return undefined;
      return this.#follow(query, found, limit).then((reply) => encodeReply(query, reply, limit));
    }
    const known = this.#settings.hosts.get(query.labels.join('.').toLowerCase());
    if (known) return encodeReply(query, hostsReply(known, query.type), limit);
    if (!mayWait) return undefined;
    return this.#forward(query, transport, limit);
  }

  #finish(query: Query, reply: Reply, transport: Transport, limit: number): Buffer {
    const bytes = encodeReply(query, reply, limit);
    // Of several addresses another comes first each time.
    if (transport === 'tcp' || reply.answers.length > 1 || query.bytes.length > MAX_FINISHED_QUERY_BYTES) return bytes;
    const { version } = this.#options.zone;
    if (this.#finishedVersion !== version || this.#finished.size >= MAX_FINISHED) this.#finished.clear();
    this.#finishedVersion = version;
    this.#finished.set(query.bytes.toString('latin1', FLAGS_OFFSET), bytes);
    return bytes;
  }

  async #forward(query: Query, transport: Transport, limit: number): Promise<Buffer> {
    try {
      const response = await this.#ask(query, transport);
      return response.length > limit ? truncated(query, response, limit) : response;
    } catch {
      // Reported where it happened.
      return encodeFailure(query, Rcode.serverFailure);
    }
  }

  async #ask(query: Query, transport: Transport): Promise<Buffer> {
    const { forwarder, signal, forwarded } = this.#options;
    try {
      const response = await forwarder.ask(query, await this.#upstreamsOf(query.labels), transport, signal);
      forwarded?.(undefined);
      return response;
    } catch (error) {
      forwarded?.(error);
      throw error;
    }
  }

  /** What the zone says; what only others can know of the cluster's addresses, they are asked when they were named for it. */
  #find(query: Query, labels: readonly string[], limit: number): Finding {
    const found = this.#options.zone.find(labels, query.type, recordsWithin(limit));
    return found && 'isUnnamed' in found && this.#stubOf(labels) ? undefined : found;
  }

  async #upstreamsOf(labels: readonly string[]): Promise<readonly DnsUpstream[]> {
    return this.#stubOf(labels) ?? this.#settings.upstreams ?? this.#options.hostUpstreams();
  }

  /** Of the longest stub domain that a name is in. */
  #stubOf(labels: readonly string[]): readonly DnsUpstream[] | undefined {
    const { stubDomains } = this.#settings;
    if (stubDomains.size === 0) return undefined;
    for (let index = 0; index < labels.length; index++) {
      const found = stubDomains.get(labels.slice(index).join('.').toLowerCase());
      if (found) return found;
    }
    return undefined;
  }

  /** What a name stands for, and what that has. */
  async #follow(query: Query, { alias, answer }: Alias, limit: number): Promise<Reply> {
    const answers: Owned[] = [answer];
    let target = withoutDot(alias);
    while (answers.length <= MAX_ALIASES) {
      const labels = target.split('.');
      const found = this.#find(query, labels, limit);
      const named = (record: Owned): Owned =>
        record.ofQuestion ? { ...record, ofQuestion: false, name: target } : record;
      if (found && 'reply' in found) {
        const { rcode, authorities } = found.reply;
        return { rcode, answers: [...answers, ...found.reply.answers.map(named)], ...(authorities && { authorities }) };
      }
      if (!found) return this.#followOutside(query, target, answers);
      answers.push(named(found.answer));
      target = withoutDot(found.alias);
    }
    return { rcode: Rcode.serverFailure, answers };
  }

  async #followOutside(query: Query, target: string, answers: readonly Owned[]): Promise<Reply> {
    const question = readQuery(encodeQuestion(target.split('.'), query.type));
    if (!question || isMalformed(question)) return { rcode: Rcode.serverFailure, answers };
    try {
      let response = decode(await this.#ask(question, 'udp'));
      if (response.flag_tc) response = decode(await this.#ask(question, 'tcp'));
      const records = (response.answers ?? []).filter((record) => FOLLOWED.has(record.type) && canBeEncoded(record));
      return { rcode: rcodeOf(response), answers: [...answers, ...records] };
    } catch {
      return { rcode: Rcode.serverFailure, answers };
    }
  }
}

/** The records of another server that come along behind the name of a Service. */
const FOLLOWED: ReadonlySet<Answer['type']> = new Set(['A', 'AAAA', 'CNAME', 'MX', 'SRV', 'TXT']);

function rcodeOf({ flags = 0 }: DecodedPacket): Rcode {
  const code = flags & 0xf;
  return Object.values(Rcode).find((one) => one === code) ?? Rcode.serverFailure;
}

const withoutDot = (name: string): string => name.replace(/\.$/, '');

function hostsReply(addresses: readonly string[], type: number): Reply {
  const answers = addresses.flatMap((address): Owned[] => {
    const isV6 = address.includes(':');
    if (type !== Type.ANY && type !== (isV6 ? Type.AAAA : Type.A)) return [];
    return [{ type: isV6 ? 'AAAA' : 'A', name: '.', data: address, ttl: HOSTS_TTL, ofQuestion: true }];
  });
  return { rcode: Rcode.ok, answers };
}
