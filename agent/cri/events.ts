/**
 * Which containers have changed, as reported by the runtime: containerd's own event stream where there is one, the CRI's
 * GetContainerEvents elsewhere. Events only wake the pod's worker; decisions never depend on their content.
 */
import { status, type ClientReadableStream, type ServiceError } from '@grpc/grpc-js';
import { setTimeout as sleep } from 'node:timers/promises';
import descriptor from '../../proto/containerd-events-v1.json' with { type: 'json' };
import type { Logger } from '../../client/logger.ts';
import { Outage } from '../../client/outage.ts';
import type { CriClient } from './client.ts';
import { loadProto } from './service.ts';

/** The namespace in which containerd keeps what the CRI created. */
export const CRI_NAMESPACE = 'k8s.io';
const TOPICS = ['/tasks/start', '/tasks/exit', '/tasks/oom', '/tasks/paused', '/tasks/resumed', '/containers/delete'];
const RECONNECT_AFTER_MS = 1_000;

/** It has exited, or the kernel has killed a process in it for lack of memory. */
export type RuntimeEventType = 'exit' | 'oom';

export interface RuntimeEventsOptions {
  readonly cri: CriClient;
  readonly logger: Logger;
  /** A container or sandbox of this id has changed. `type` is what its status will show, although the CRI may not show it yet. */
  readonly changed: (containerId: string, type?: RuntimeEventType) => void;
  /** Events may have been missed: everything must be observed again. Called after each (re)connection. */
  readonly missed: () => void;
}

interface Envelope {
  readonly topic: string;
  readonly event: { readonly typeUrl: string; readonly value: Buffer } | null;
}

/** Watches the runtime's events until the signal is aborted; reconnects whenever the stream ends. */
export async function followRuntimeEvents(options: RuntimeEventsOptions, signal: AbortSignal): Promise<void> {
  const { cri, logger } = options;
  const proto = loadProto(descriptor);
  const events = proto.service('containerd.services.events.v1.Events');
  const exit = proto.decoder('containerd.services.events.v1.TaskExit');
  const reference = proto.decoder('containerd.services.events.v1.ContainerReference');

  const handleEnvelope = ({ topic, event }: Envelope): void => {
    if (event === null) return;
    if (topic === '/tasks/exit') {
      const { containerId, id } = exit(event.value) as { containerId: string; id: string };
      // The exit of a command in the container (an exec probe) is not the container's.
      if (id === containerId) options.changed(containerId, 'exit');
    } else {
      const { containerId } = reference(event.value) as { containerId: string };
      options.changed(containerId, topic === '/tasks/oom' ? 'oom' : undefined);
    }
  };
  const containerdStream = (): ClientReadableStream<unknown> =>
    cri.channel.stream(events, 'Subscribe', {
      filters: TOPICS.map((topic) => `namespace==${CRI_NAMESPACE},topic=="${topic}"`),
    });

  const outage = new Outage({ logger });
  const connected = (): void => {
    outage.ended({}, 'container runtime event stream recovered');
    options.missed();
  };
  let containerd = true;
  while (!signal.aborted) {
    const ended = containerd
      ? await follow(containerdStream(), (message) => handleEnvelope(message as Envelope), connected, signal)
      : await follow(
          cri.containerEvents(),
          (message) => options.changed((message as { containerId: string }).containerId),
          connected,
          signal,
        );
    if (signal.aborted) return;
    if (containerd && ended?.code === status.UNIMPLEMENTED) {
      containerd = false;
      logger.info({}, 'container runtime has no containerd event stream, using CRI container events');
      continue;
    }
    outage.failed(ended ?? new Error('stream ended'), {}, 'container runtime event stream failed, retrying');
    await sleep(RECONNECT_AFTER_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** Follows a stream until it ends; resolves with why it did. `connected` is called once the runtime has accepted it. */
export function follow(
  stream: ClientReadableStream<unknown>,
  handle: (message: unknown) => void,
  connected: () => void,
  signal: AbortSignal,
): Promise<ServiceError | undefined> {
  return new Promise((resolve) => {
    const cancel = () => stream.cancel();
    const finish = (error?: ServiceError) => {
      signal.removeEventListener('abort', cancel);
      resolve(error);
    };
    signal.addEventListener('abort', cancel, { once: true });
    stream.on('metadata', connected);
    stream.on('data', handle);
    stream.on('error', (error: ServiceError) => finish(error));
    stream.on('end', () => finish());
  });
}
