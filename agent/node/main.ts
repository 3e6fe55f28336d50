/** Composition of the node room: description, observation, registration and heartbeat of this host's Node. */
import type { ApiClient } from '../../client/api-client.ts';
import type { EventRecorder, EventType } from '../../client/event-recorder.ts';
import type { Logger } from '../../client/logger.ts';
import type { CriClient } from '../cri/client.ts';
import { describeNode, type DescribeOptions } from './describe.ts';
import { Heartbeat } from './heartbeat.ts';
import { NodeApiState } from './node-api-state.ts';
import { NodeObserver } from './node-observer.ts';
import { NodeRegistration } from './node-registration.ts';
import type { NodeDescription, NodeObservation } from './node-status.ts';
import type { ObjectReference, Taint } from '../../api/types/core/v1.gen.ts';

export interface LocalNodeOptions extends DescribeOptions {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  /** Why the node cannot run pods for as long as the agent runs. */
  readonly problems: readonly string[];
  /** Why it cannot run pods now. */
  readonly shutdownProblems: () => readonly string[];
  /** Its API has not been served yet: see `NodeApiState`. */
  readonly awaitsApi: boolean;
  /** Attached volumes that may not be detached from the node. */
  readonly volumesInUse: () => readonly string[];
  /** Of the resources of device plugins. */
  readonly deviceAmounts: () => NodeObservation['devices'];
  /** Called when the api-server has the Node. */
  readonly onRegistered: () => void;
  /** Told how the node is, in a sentence. */
  readonly tell: (sentence: string) => void;
  readonly cri: CriClient;
  readonly client: ApiClient;
  readonly events: EventRecorder;
  readonly logger: Logger;
}

export interface LocalNode {
  readonly description: NodeDescription;
  /** The object that events about the Node refer to. */
  readonly reference: ObjectReference;
  readonly observer: NodeObserver;
  readonly registration: NodeRegistration;
  readonly api: NodeApiState;
  /** An event about the Node. */
  readonly record: (type: EventType, reason: string, message: string) => void;
  /** See `Heartbeat`. */
  readonly announce: (addresses: readonly string[], isAnnouncer: boolean) => void;
  /** Registers the Node, keeps its status up to date and renews its Lease until the signal is aborted. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

/** A new node is Ready without a serving certificate after this: not every control plane approves those automatically. */
const SERVING_PATIENCE_MS = 15_000;

export async function createNode(options: LocalNodeOptions): Promise<LocalNode> {
  const {
    name,
    cri,
    client,
    thresholds,
    dataDir,
    problems,
    labels,
    annotations,
    taints,
    events,
    logger,
    volumesInUse,
    deviceAmounts,
  } = options;
  const description = await describeNode(options);
  // As by the kubelet, the uid in events about the Node is its name: there may be no Node yet.
  const reference = { apiVersion: 'v1', kind: 'Node', name, uid: name };
  const record = (type: EventType, reason: string, message: string): void =>
    events.event(reference, type, reason, message);
  const api = new NodeApiState(options.awaitsApi);
  const observer = new NodeObserver({
    ...{ cri, thresholds, dataDir, volumesInUse, deviceAmounts },
    nodeApi: (nowMs) => api.verdict(nowMs),
    problems: () => [...problems, ...options.shutdownProblems(), ...(api.problem === undefined ? [] : [api.problem])],
  });
  const registration = new NodeRegistration({
    ...{ client, description, labels, annotations, taints, logger },
    tell: options.tell,
    observe: (signal) => observer.observe(signal),
    record: (reason, message) => record('Normal', reason, message),
  });
  api.onChange(() => registration.wake());
  const heartbeat = new Heartbeat({ client, nodeName: name, nodeUid: () => registration.uid, logger });
  const register = async (signal: AbortSignal): Promise<void> => {
    await registration.register(signal);
    options.onRegistered();
    await registration.run(signal);
  };
  return {
    ...{ description, reference, observer, registration, api, record },
    announce: (addresses, isAnnouncer) => heartbeat.announce(addresses, isAnnouncer),
    async run(signal) {
      const patience = setTimeout(() => api.awaitNoLonger(), SERVING_PATIENCE_MS).unref();
      try {
        await Promise.all([register(signal), heartbeat.run(signal)]);
      } finally {
        clearTimeout(patience);
      }
    },
  };
}
