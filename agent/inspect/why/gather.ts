/** Collects what is known of a pod or of this node: from the agent, the api-server and the runtime, as far as they answer. */
import type { Event, Node, Pod } from '../../../api/types/core/v1.gen.ts';
import { StatusError } from '../../../api/machinery/status-error.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { ConnectionError } from '../../../client/connection-error.ts';
import { DeadlineError } from '../../../client/deadline.ts';
import { events as eventsResource, nodes, pods as podsResource } from '../../../client/resources.gen.ts';
import type { AgentConfig } from '../../config.ts';
import { CriError } from '../../cri/rpc-error.ts';
import { hasCode } from '../../host/files.ts';
import { HostError } from '../../host/host-error.ts';
import { kernelMessages } from '../../host/survey.ts';
import { readLog } from '../../server/log-reader.ts';
import { examineHost } from '../doctor/main.ts';
import { askAgent } from '../local-agent.ts';
import { findLog } from '../log-files.ts';
import { podsNamed, thePod, type PodName } from '../pod-name.ts';
import { podView, podViewsOfRuntime, type PodView } from '../pod-view.ts';
import type { RecentEvent } from '../recent-events.ts';
import { runtimeState, withRuntime } from '../runtime-pods.ts';
import type { NodeEvidence } from './judge-node.ts';
import type { KnownEvent, PodEvidence } from './judge-pod.ts';

const LIMIT_MS = 5_000;
/** Of a container that has ended, the last lines are what it died of. */
const LOG_LINES = 5;
const MAX_LINE_CHARS = 300;
const MAX_KERNEL_LINES = 2;

/** A client of the api-server with the rights of whoever asks; undefined when there is none. */
export type Api = Pick<ApiClient, 'get' | 'list' | 'listAll'> | undefined;

interface Named {
  readonly namespace: string;
  readonly name: string;
  readonly pod: Pod;
}

/** Throws HostError when the name is that of pods in several namespaces. */
export async function podEvidence(
  config: AgentConfig,
  nodeName: string,
  api: Api,
  wanted: PodName,
  signal: AbortSignal,
): Promise<PodEvidence> {
  const fromAgent = await askAgent<{ items: readonly Pod[] }>(config.dataDir, '/pods', signal);
  const runtime = await runtimeViews(config, signal);
  const local = podsNamed((fromAgent?.items ?? []).map(named), wanted);
  const here = local.length > 0 ? thePod(local, wanted) : undefined;
  const view = podsNamed(runtime.views, wanted).length > 0 ? thePod(runtime.views, wanted) : undefined;
  const namespace = here?.namespace ?? view?.namespace ?? wanted.namespace ?? 'default';
  const server = here ? {} : await askServer(api, namespace, wanted.name, signal);
  const pod = here?.pod ?? server.pod;
  const ofPod = pod ? podView(pod) : view;
  return {
    ...{
      nodeName,
      pod,
      view,
      agentRuns: fromAgent !== undefined,
      nowMs: Date.now(),
      name: `${namespace}/${wanted.name}`,
    },
    ...(runtime.error !== undefined && { runtimeError: runtime.error }),
    ...(server.error !== undefined && { serverError: server.error }),
    events: [...(await agentEvents(config, namespace, wanted.name, signal)), ...(server.events ?? [])],
    logs: ofPod ? await lastLines(config, ofPod, signal) : new Map(),
    kernel: ofPod ? await oomMessages(ofPod, signal) : [],
  };
}

const named = (pod: Pod): Named => ({
  ...{ namespace: pod.metadata?.namespace ?? '', name: pod.metadata?.name ?? '', pod },
});

async function runtimeViews(config: AgentConfig, signal: AbortSignal): Promise<{ views: PodView[]; error?: string }> {
  try {
    return { views: podViewsOfRuntime(await withRuntime(config, (cri) => runtimeState(cri, signal))) };
  } catch (error) {
    if (signal.aborted || !(error instanceof CriError)) throw error;
    return { views: [], error: error.message };
  }
}

interface ServerAnswer {
  readonly pod?: Pod;
  readonly events?: readonly KnownEvent[];
  readonly error?: string;
}

async function askServer(api: Api, namespace: string, name: string, signal: AbortSignal): Promise<ServerAnswer> {
  if (!api) return { error: 'this host has no identity in a cluster' };
  const options = { signal, timeoutMs: LIMIT_MS };
  try {
    const pod = await api.get<Pod>(podsResource, namespace, name, options);
    return { pod, events: await serverEvents(api, namespace, name, signal) };
  } catch (error) {
    if (error instanceof StatusError && error.code === 404) return {};
    return { error: unanswered(error) };
  }
}

/** Nodes may not read Events: an administrator's kubeconfig may. */
async function serverEvents(
  api: NonNullable<Api>,
  namespace: string,
  name: string,
  signal: AbortSignal,
): Promise<KnownEvent[]> {
  const fieldSelector = `involvedObject.kind=Pod,involvedObject.name=${name}`;
  try {
    const found = await api.listAll<Event>(eventsResource, { namespace, fieldSelector, signal, timeoutMs: LIMIT_MS });
    return found.map(
      ({ type = '', reason = '', message = '', count = 1, lastTimestamp, eventTime, involvedObject }) => ({
        ...{ type, reason, message, count, fieldPath: involvedObject.fieldPath ?? '' },
        lastAt: Date.parse(lastTimestamp ?? eventTime ?? ''),
      }),
    );
  } catch (error) {
    unanswered(error);
    return [];
  }
}

/** The words of an error by which the api-server does not answer. Throws what is none. */
function unanswered(error: unknown): string {
  if (error instanceof StatusError || error instanceof ConnectionError || error instanceof DeadlineError)
    return error.message;
  throw error;
}

async function agentEvents(
  config: AgentConfig,
  namespace: string,
  name: string,
  signal: AbortSignal,
): Promise<KnownEvent[]> {
  const recent = await askAgent<{ items: readonly RecentEvent[] }>(config.dataDir, '/events', signal);
  return (recent?.items ?? []).filter(
    (event) => event.kind === 'Pod' && event.namespace === namespace && event.name === name,
  );
}

/** Of containers that do not run. One without a log has no lines. */
async function lastLines(
  config: AgentConfig,
  { namespace, name, containers }: PodView,
  signal: AbortSignal,
): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (const container of containers) {
    if (container.state === 'running' || container.exitCode === undefined) continue;
    // The latest run may have begun meanwhile, and said nothing yet.
    const lines =
      (await linesOf(config, { namespace, name }, container.name, false, signal)) ??
      (await linesOf(config, { namespace, name }, container.name, true, signal));
    if (lines) found.set(container.name, lines);
  }
  return found;
}

/** The last lines of a run; undefined when it has no log, or an empty one. */
async function linesOf(
  { podLogDir }: AgentConfig,
  pod: PodName,
  container: string,
  previous: boolean,
  signal: AbortSignal,
): Promise<string[] | undefined> {
  try {
    const { path } = await findLog(podLogDir, pod, container, previous);
    const format = { timestamps: false, stream: 'All' as const };
    const chunks = await Array.fromAsync(readLog({ path, format, tailLines: LOG_LINES, signal }));
    const lines = Buffer.concat(chunks).toString().split('\n').filter(Boolean);
    return lines.length === 0 ? undefined : lines.map((line) => line.slice(0, MAX_LINE_CHARS));
  } catch (error) {
    // Its file may be removed meanwhile.
    if (!(error instanceof HostError) && !hasCode(error, 'ENOENT')) throw error;
    return undefined;
  }
}

/** The kernel names the cgroup that ran out of memory, and so the pod or the container. */
async function oomMessages({ uid, containers }: PodView, signal: AbortSignal): Promise<string[]> {
  if (!containers.some(({ reason, exitCode }) => reason === 'OOMKilled' || exitCode === 137)) return [];
  const names = [uid, uid.replaceAll('-', '_'), ...containers.map(({ id }) => id)].filter(Boolean);
  const lines = await kernelMessages(/oom|out of memory|killed process/i, signal);
  return lines.filter((line) => names.some((name) => line.includes(name))).slice(-MAX_KERNEL_LINES);
}

/** What `kedge doctor` finds here, and the Node as the api-server has it. */
export async function nodeEvidence(
  config: AgentConfig,
  name: string,
  api: Api,
  signal: AbortSignal,
): Promise<NodeEvidence> {
  const [findings, node] = await Promise.all([examineHost(config, signal), readNode(api, name, signal)]);
  return { name, findings, node };
}

async function readNode(api: Api, name: string, signal: AbortSignal): Promise<Node | undefined> {
  try {
    return await api?.get<Node>(nodes, '', name, { signal, timeoutMs: LIMIT_MS });
  } catch (error) {
    // `kedge doctor` says that it does not answer.
    unanswered(error);
    return undefined;
  }
}
