/** Traces one real connection from a network namespace of this host, and says what became of it. */
import { setTimeout as delay } from 'node:timers/promises';
import { isLegacyIptables } from '../netfilter/iptables.ts';
import { withIptablesRules } from '../netfilter/iptables-trace.ts';
import { traceConnection, type Connection } from '../netfilter/packet-trace.ts';
import { explainPolicies } from '../policy/explain.ts';
import { explainProxy } from '../services/backends/proxy-modes.ts';
import { isDropped, Journeys, type Journey } from './journeys.ts';
import { narrate, type Narrative, type NarrativeInput } from './narrative.ts';
import { NoWayError, ProbeProcess, type Namespace } from './probe-process.ts';
import type { ProbeOutcome, ProbeTarget } from './probe.ts';

export interface TraceRequest extends Pick<NarrativeInput, 'service' | 'who'> {
  readonly target: ProbeTarget;
  readonly namespace: Namespace;
  /** Whose the namespace is: `pod default/client`; undefined for this host's. */
  readonly client?: string;
  /** The program and the arguments that lead to `runTraceProbe`. */
  readonly probe: readonly string[];
}

export interface TraceReport extends Narrative {
  /** Undefined when the client has no way to the target. */
  readonly connection: Connection | undefined;
  readonly outcome: ProbeOutcome;
}

/** A client that is refused hears of it within this time after the packet has been dropped. */
const REFUSAL_MS = 500;

/** Throws HostError when this host cannot trace, and ProgramError when a program fails. */
export async function tracePacket(request: TraceRequest, signal: AbortSignal): Promise<TraceReport> {
  const { target, namespace, client, service, who } = request;
  const hasSilentRules = await isLegacyIptables(target.destination.family, signal);
  const rest = { service, hasSilentRules, explain: [...explainProxy, explainPolicies] };
  try {
    using probe = await ProbeProcess.start(request.probe, target, namespace, signal);
    const { connection, outcome, journeys } = await follow(probe, target, signal);
    const known: typeof who = (address) =>
      (address.text === connection.source.text ? client : undefined) ?? who(address);
    return { ...narrate({ connection, journeys, outcome, who: known, ...rest }), connection, outcome };
  } catch (error) {
    if (!(error instanceof NoWayError)) throw error;
    const outcome: ProbeOutcome = { kind: 'failed', code: error.code, milliseconds: 0 };
    const connection = { ...target, source: target.destination, sourcePort: 0 };
    const narrative = narrate({ connection, journeys: [], outcome, who, ...rest });
    return { ...narrative, connection: undefined, outcome };
  }
}

interface Followed {
  readonly connection: Connection;
  readonly outcome: ProbeOutcome;
  readonly journeys: readonly Journey[];
}

/** Connects, and reads what the kernel says of it. */
async function follow(probe: ProbeProcess, target: ProbeTarget, signal: AbortSignal): Promise<Followed> {
  const connection: Connection = {
    ...{ protocol: target.protocol, destination: target.destination, port: target.port },
    ...{ source: probe.source, sourcePort: probe.sourcePort },
  };
  const dropped = Promise.withResolvers<void>();
  const live = new Journeys();
  const options = {
    limitMs: target.limitMs,
    signal,
    onEvent: (event: Parameters<Journeys['add']>[0]) => {
      live.add(event);
      if (live.all[0] && isDropped(live.all[0])) dropped.resolve();
    },
  };
  const { result: outcome, events } = await traceConnection(connection, options, () => {
    const sending = probe.send(signal);
    return Promise.race([sending, dropped.promise.then(() => refusal(sending, signal))]);
  });
  const journeys = new Journeys();
  for (const event of await withIptablesRules(events, signal)) journeys.add(event);
  return { connection, outcome, journeys: journeys.all };
}

/** Nothing more is to be expected of a packet that has been dropped. */
function refusal(sending: Promise<ProbeOutcome>, signal: AbortSignal): Promise<ProbeOutcome> {
  const silent: ProbeOutcome = { kind: 'silent', milliseconds: REFUSAL_MS };
  return Promise.race([sending, delay(REFUSAL_MS, silent, { signal, ref: false })]);
}
