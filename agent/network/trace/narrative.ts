/** The ways of a connection's packets as steps in plain words, and what they amount to. Pure. */
import type { IpAddress } from '../../../api/domain/address.ts';
import { endOf, type Connection } from '../netfilter/packet-trace.ts';
import type { TracedHeader, TracedRule, TraceEvent } from '../netfilter/trace-text.ts';
import { socketText, type ServiceEntry, type ServicePort } from '../services/model/service-entry.ts';
import { QUIET, type Cause, type Explain } from './explanation.ts';
import type { Journey } from './journeys.ts';
import type { ProbeOutcome } from './probe.ts';

export interface Step {
  readonly packet: 'sent' | 'answer';
  readonly text: string;
  /** `ip kube-proxy services`; undefined for what is no rule's. */
  readonly where: string | undefined;
}

export interface Verdict {
  /** Whether the connection was answered; undefined where silence is an answer, too (UDP). */
  readonly ok: boolean | undefined;
  readonly cause:
    Cause | 'untranslated' | 'not-listening' | 'refused' | 'no-way' | 'no-answer' | 'answer-lost' | undefined;
  readonly text: string;
}

export interface Narrative {
  readonly steps: readonly Step[];
  /** Where the first packet was led to, as `address:port`; undefined where no rule has translated it. */
  readonly translatedTo: string | undefined;
  readonly verdict: Verdict;
}

export interface NarrativeInput {
  readonly connection: Connection;
  readonly journeys: readonly Journey[];
  /** Undefined when nothing could be sent: `code` is the kernel's error then. */
  readonly outcome: ProbeOutcome;
  /** The Service whose address and port the connection is to. */
  readonly service: ServiceEntry | undefined;
  /** Of all who have rules that may be met. */
  readonly explain: readonly Explain[];
  /** Rules of the host's iptables may have treated the packet without a word: see `isLegacyIptables`. */
  readonly hasSilentRules: boolean;
  /** `pod default/web-1`; undefined for an address of nobody known. */
  readonly who: (address: IpAddress) => string | undefined;
}

interface Way {
  readonly steps: Step[];
  /** As it was last seen. */
  header: TracedHeader;
  isDropped: boolean;
  cause: Cause | undefined;
  /** The sentence that says why. */
  reason: string;
  /** What the last rule that translates said of where to: '' when it did not say. */
  leadsTo: string | undefined;
  /** Where it has got: undefined when no chain at the end of a way has seen it. */
  end: 'delivered' | 'left' | undefined;
}

const ICMP_REDIRECT = /redirect/;

export function narrate(input: NarrativeInput): Narrative {
  const { journeys, connection } = input;
  const sent = journeys.find(({ direction }) => direction === 'sent');
  // Advice about the route is no answer.
  const answer = journeys.find(
    ({ direction, header }) => direction === 'answer' && !ICMP_REDIRECT.test(header.icmp ?? ''),
  );
  const way = sent && walk(sent, input);
  const back = answer && walk(answer, input);
  const now = way?.header;
  const isTranslated =
    now !== undefined && (now.destination?.text !== connection.destination.text || now.port !== connection.port);
  const translatedTo =
    isTranslated && now.destination ? socketText(now.destination, now.port ?? 0) : way && ledTo(way, input);
  const verdict = judge({ input, way, back, answer: answer?.header, translatedTo });
  return { steps: [...(way?.steps ?? []), ...(back?.steps ?? [])], translatedTo, verdict };
}

/** Where a rule has led a packet that no chain has seen since. */
function ledTo({ leadsTo }: Way, input: NarrativeInput): string | undefined {
  if (leadsTo !== '') return leadsTo;
  const { cluster = [], local = [] } = servicePort(input) ?? {};
  const sockets = [...new Set([...cluster, ...local].map(({ ip, port }) => socketText(ip, port)))];
  return sockets.length === 1 ? sockets[0] : 'an endpoint';
}

/** The port of the Service that the connection is to, by one of its addresses or as a node port. */
const servicePort = ({ service, connection }: NarrativeInput): ServicePort | undefined =>
  service?.ports.find(({ protocol, port, nodePort }) => {
    const isAddress = [service.clusterIP, ...service.externalIPs, ...service.loadBalancerIPs].some(
      ({ text }) => text === connection.destination.text,
    );
    return protocol === connection.protocol && (isAddress ? port : nodePort) === connection.port;
  });

function walk(journey: Journey, { explain, service, who }: NarrativeInput): Way {
  const { direction: packet, header } = journey;
  const way: Way = {
    steps: [],
    header,
    isDropped: false,
    cause: undefined,
    reason: '',
    leadsTo: undefined,
    end: undefined,
  };
  const say = (text: string, where?: string): void => void way.steps.push({ packet, text, where });
  say(beginning(journey, who));
  for (const event of journey.events) {
    if (event.kind === 'packet') {
      for (const text of changes(way.header, event.header, who)) say(text);
      way.header = event.header;
      way.end = endOf(event);
      if (way.end === 'delivered') say('delivered to this node');
      if (way.end === 'left') say(`leaves by link ${event.header.oif}`);
      continue;
    }
    if (endOf(event)) continue;
    const said = event.kind === 'rule' ? ofRule(event, { header: way.header, service }, explain) : undefined;
    const drops = event.verdict === 'drop';
    if (said) {
      say(said.text, placeOf(event));
      way.leadsTo = said.leadsTo ?? way.leadsTo;
      if (said.cause) [way.cause, way.reason] = [said.cause, said.text];
    } else if (drops) {
      const text = dropOfOthers(event);
      say(text, placeOf(event));
      [way.cause, way.reason] = ['other-rule', text];
    }
    if (drops) way.isDropped = true;
  }
  return way;
}

const placeOf = ({ table, chain }: TraceEvent): string => `${table} ${chain}`;

function ofRule(rule: TracedRule, context: Parameters<Explain>[1], explain: readonly Explain[]) {
  for (const each of explain) {
    const said = each(rule, context);
    if (said === QUIET) return undefined;
    if (said) return said;
  }
  return undefined;
}

const dropOfOthers = (event: TraceEvent): string =>
  event.kind === 'rule'
    ? `dropped by a rule of somebody else: ${[event.text, event.comment && `"${event.comment}"`].filter(Boolean).join(' ')}`
    : 'dropped by the policy of the chain, as no rule of it accepts the packet';

type Who = NarrativeInput['who'];

const named = (address: IpAddress | undefined, port: number | undefined, who: Who): string => {
  if (!address) return 'an unknown address';
  const name = who(address);
  const text = port === undefined ? address.text : socketText(address, port);
  return name === undefined ? text : `${text} (${name})`;
};

function beginning({ direction, header }: Journey, who: Who): string {
  const { source, sourcePort, destination, port, iif, flags, icmp } = header;
  const by = iif === undefined ? 'leaves this node itself' : `comes in by link ${iif}`;
  if (direction === 'sent') return `from ${named(source, sourcePort, who)} to ${named(destination, port, who)}, ${by}`;
  const what =
    icmp !== undefined
      ? `ICMP error (${icmp})`
      : flags.has('rst')
        ? 'TCP reset'
        : flags.has('syn')
          ? 'SYN-ACK'
          : 'answer';
  return `${what} from ${named(source, sourcePort, who)}, ${by}`;
}

/** What has happened to a packet between one chain and the next. */
function changes(before: TracedHeader, after: TracedHeader, who: Who): string[] {
  const texts: string[] = [];
  const isSame = before.destination?.text === after.destination?.text && before.port === after.port;
  if (!isSame) texts.push(`its destination is now ${named(after.destination, after.port, who)}`);
  if (before.source?.text !== after.source?.text)
    texts.push(`its source is now ${named(after.source, after.sourcePort, who)}`);
  return texts;
}

interface Judged {
  readonly input: NarrativeInput;
  readonly way: Way | undefined;
  readonly back: Way | undefined;
  readonly answer: TracedHeader | undefined;
  readonly translatedTo: string | undefined;
}

/** The first thing that is wrong, or that nothing is. */
function judge(judged: Judged): Verdict {
  const { input, way, back, answer, translatedTo } = judged;
  const { outcome, connection } = input;
  const target = socketText(connection.destination, connection.port);
  const ms = `${outcome.milliseconds} ms`;
  if (outcome.kind === 'connected' || outcome.kind === 'answered') {
    const by = translatedTo === undefined ? '' : ` by ${whoIs(translatedTo, way, input)}`;
    const verb = outcome.kind === 'connected' ? 'accepted' : 'answered';
    return { ok: true, cause: undefined, text: `${target} is served: the connection was ${verb}${by} after ${ms}` };
  }
  if (way?.cause === 'no-such-service' && input.service) return notServed(judged, target);
  if (way?.isDropped) return stopped(way, `the packet to ${target} was stopped`);
  if (!way) return neverLeft(outcome, target);
  if (back?.isDropped) {
    const { text } = stopped(
      back,
      `the answer of ${whoIs(translatedTo ?? target, way, input)} was stopped on its way back`,
    );
    return { ok: false, cause: back.cause ?? 'answer-lost', text };
  }
  if (isUntranslated(judged)) return untranslated(judged, target);
  if (answer) return answered(judged, answer, translatedTo ?? target);
  return unanswered(judged, translatedTo ?? target);
}

/** The kernel knows nothing of it, and why it does not is the Service's to say. */
function notServed(judged: Judged, target: string): Verdict {
  const { service } = judged.input;
  const port = servicePort(judged.input);
  if (!service || !port || port.cluster.length > 0) return untranslated(judged, target);
  const count = port.endpoints.length;
  const why = count === 0 ? 'has no endpoints' : `has no ready endpoints: none of its ${count} may be used`;
  const text = `the packet to ${target} was rejected: Service ${service.namespace}/${service.name} ${why}`;
  return { ok: false, cause: 'no-endpoints', text };
}

const stopped = ({ cause, reason }: Way, what: string): Verdict => ({
  ok: false,
  cause: cause ?? 'other-rule',
  text: reason === '' ? what : `${what}: ${reason}`,
});

function whoIs(socket: string, way: Way | undefined, { who }: NarrativeInput): string {
  const address = way?.header.destination;
  const name = address && socket === socketText(address, way.header.port ?? 0) ? who(address) : undefined;
  return name === undefined ? socket : `${socket} (${name})`;
}

const NO_WAY = new Set(['ENETUNREACH', 'EHOSTUNREACH', 'EADDRNOTAVAIL', 'EINVAL']);

function neverLeft({ code, kind }: ProbeOutcome, target: string): Verdict {
  if (code !== undefined && NO_WAY.has(code))
    return { ok: false, cause: 'no-way', text: `no packet was sent: the client has no route to ${target} (${code})` };
  const text =
    kind === 'silent'
      ? `the packet to ${target} has not come to the tables of this node: look at the client's link and its bridge`
      : `no packet was sent to ${target} (${code})`;
  return { ok: false, cause: 'no-way', text };
}

/** A Service's cluster IP is nobody's address: what is not translated goes astray. */
const isUntranslated = ({ input, translatedTo }: Judged): boolean =>
  input.service !== undefined && translatedTo === undefined;

function untranslated({ input, way }: Judged, target: string): Verdict {
  const link = way?.header.oif;
  const went = link === undefined ? '' : `, and it went out by link ${link}`;
  const { namespace = '', name = '' } = input.service ?? {};
  const text =
    `no rule of Service ${namespace}/${name} has taken the packet to ${target}${went}: its rules are not in the kernel; ` +
    `kedge proxy show ${namespace}/${name} says which`;
  return { ok: false, cause: 'untranslated', text };
}

function answered({ input, way }: Judged, answer: TracedHeader, to: string): Verdict {
  const endpoint = whoIs(to, way, input);
  if (answer.flags.has('rst'))
    return {
      ...{ ok: false, cause: 'not-listening' },
      text: `${endpoint} refused the connection: nothing listens at that port there`,
    };
  if (answer.icmp !== undefined) {
    const from = answer.source ? named(answer.source, undefined, input.who) : 'somebody';
    const isPort = answer.icmp.includes('port-unreachable');
    const text = isPort
      ? `${endpoint} refused the packet: nothing listens at that port there`
      : `${from} says that ${endpoint} cannot be reached (${answer.icmp})`;
    return { ok: false, cause: isPort ? 'not-listening' : 'no-way', text };
  }
  return {
    ...{ ok: false, cause: 'answer-lost' },
    text: `${endpoint} answered, and the answer did not reach the client (${input.outcome.code ?? 'silence'})`,
  };
}

function lost(endpoint: string, { hasSilentRules }: NarrativeInput): Verdict {
  const silent = hasSilentRules
    ? ', or a rule of iptables dropped it: this host has the legacy one, whose rules cannot be traced'
    : '';
  const text =
    `the packet was lost where it would have been routed: no route to ${endpoint}, or its source is not accepted on that link ` +
    `(rp_filter)${silent}`;
  return { ok: false, cause: 'no-way', text };
}

function unanswered({ input, way }: Judged, to: string): Verdict {
  const { outcome, connection } = input;
  const endpoint = whoIs(to, way, input);
  if (outcome.code !== undefined && NO_WAY.has(outcome.code))
    return {
      ...{ ok: false, cause: 'no-way' },
      text: `${endpoint} cannot be reached: no route, or nobody has that address on its link (${outcome.code})`,
    };
  if (outcome.code !== undefined)
    return { ok: false, cause: 'refused', text: `the connection to ${endpoint} failed (${outcome.code})` };
  if (way?.end === undefined) return lost(endpoint, input);
  const seconds = `${Math.round(outcome.milliseconds / 100) / 10} s`;
  if (connection.protocol === 'UDP')
    return {
      ...{ ok: undefined, cause: 'no-answer' },
      text: `the datagram went to ${endpoint}, which did not answer within ${seconds}: nothing refused it, and not every program answers`,
    };
  return {
    ok: false,
    cause: 'no-answer',
    text: `the packet went to ${endpoint}, which did not answer within ${seconds}`,
  };
}
