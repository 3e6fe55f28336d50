/** `GET /containerLogs/{namespace}/{pod}/{container}`. */
import type { Query } from '../../api/machinery/query-values.ts';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { containerIDOf } from '../pods/status/container-id.ts';
import {
  readPodLogOptions,
  validatePodLogOptions,
  type LogStream,
  type PodLogOptions,
} from '../../api/kinds/core/pod-log-options.ts';
import { StatusError } from '../../api/machinery/status-error.ts';
import type { PodDirectory } from '../pods/sync/pod-directory.ts';
import { findLoggedContainer } from './container-lookup.ts';
import { readLog } from './log-reader.ts';
import { NodeApiError } from './node-api-error.ts';
import type { NodeRuntime } from './node-runtime.ts';

const SECOND_MS = 1000;

export interface LoggedContainer {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

function readOptions(given: Query): PodLogOptions {
  const query = new URLSearchParams(given.toString());
  // The older name of `tailLines`; `all` is the same as leaving it out.
  const tail = query.get('tail');
  if (tail === 'all') query.delete('tailLines');
  else if (tail) query.set('tailLines', tail);
  let options: PodLogOptions;
  try {
    options = readPodLogOptions(query);
  } catch (error) {
    if (error instanceof StatusError) throw new NodeApiError(400, '{"message": "Unable to decode query."}');
    throw error;
  }
  if (validatePodLogOptions(options).length > 0) throw new NodeApiError(422, '{"message": "Invalid request."}');
  return options;
}

function sinceMs({ sinceSeconds, sinceTime }: PodLogOptions, now: number): number | undefined {
  if (sinceSeconds !== undefined) return now - sinceSeconds * SECOND_MS;
  return sinceTime === undefined ? undefined : Date.parse(sinceTime);
}

/** Streams the log. Throws NodeApiError before the response has begun; `signal` is aborted when the client disconnects. */
export async function serveContainerLogs(
  parts: { readonly pods: PodDirectory; readonly runtime: NodeRuntime },
  target: LoggedContainer,
  query: Query,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const options = readOptions(query);
  const pod = parts.pods.find(target.namespace, target.pod);
  if (pod === undefined) throw new NodeApiError(404, `pod ${JSON.stringify(target.pod)} does not exist`);
  const containerId = findLoggedContainer(pod, target.container, options.previous);
  const state = await parts.runtime.logState(containerId, signal).catch(() => undefined);
  if (state === undefined || state.logPath === '')
    throw new NodeApiError(400, `unable to retrieve container logs for ${containerIDOf(containerId)}`);

  // A missing file is an error; one that is removed later only ends the log.
  await access(state.logPath, constants.R_OK).catch((error: Error) => {
    throw new NodeApiError(
      400,
      `failed to open the log of container ${JSON.stringify(target.container)}: ${error.message}`,
    );
  });

  const done = new AbortController();
  const ended = AbortSignal.any([signal, done.signal]);
  const output = readLog({
    path: state.logPath,
    format: {
      timestamps: options.timestamps,
      // Validated above.
      stream: options.stream as LogStream,
      sinceMs: sinceMs(options, Date.now()),
      limitBytes: options.limitBytes,
    },
    tailLines: options.tailLines,
    stopped: options.follow ? () => parts.runtime.stopped(containerId, ended) : undefined,
    signal: ended,
  });
  try {
    await answer(output, response, options.follow, signal);
  } finally {
    done.abort();
  }
}

async function answer(
  output: AsyncGenerator<Buffer>,
  response: ServerResponse,
  follow: boolean,
  signal: AbortSignal,
): Promise<void> {
  response.setHeader('Content-Type', 'text/plain');
  let first: IteratorResult<Buffer, void>;
  if (follow) {
    // The headers are sent at once, also when the container logs nothing.
    response.flushHeaders();
    first = { done: false, value: Buffer.alloc(0) };
  } else {
    // The response begins after the first read, so that a failure of it becomes a status.
    first = await output.next().catch((error: Error) => {
      throw new NodeApiError(400, `failed to read the log: ${error.message}`);
    });
  }
  await pipeline(
    async function* () {
      if (first.done) return;
      if (first.value.length > 0) yield first.value;
      yield* output;
    },
    response,
    { signal },
  );
}
