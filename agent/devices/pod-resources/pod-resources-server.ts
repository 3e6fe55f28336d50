/** Serves the pod resources API on a socket of the node's own: to exporters of vendors, and to whoever else may open it. */
import { once } from 'node:events';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Server, ServerCredentials, status, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import type { Pod } from '../../../api/types/core/v1.gen.ts';
import { backoffMs } from '../../../client/backoff.ts';
import type { Logger } from '../../../client/logger.ts';
import { Outage } from '../../../client/outage.ts';
import type { Exposition } from '../../../daemon/metrics/exposition.ts';
import { Counter } from '../../../daemon/metrics/series.ts';
import descriptor from '../../../proto/pod-resources-v1.json' with { type: 'json' };
import { loadProto } from '../../cri/service.ts';
import { allocatableResources, listedPods, podResources, type ResourceFacts } from './pod-resources.ts';

const SOCKET = 'kubelet.sock';
const DIRECTORY_MODE = 0o750;
const SOCKET_MODE = 0o660;
const RETRY = { initialMs: 1_000, maxMs: 60_000 };
/** The kubelet's: an answer is made of all pods, by the thread that looks after them. */
const REQUESTS_PER_SECOND = 100;
const BURST = 10;
/** The names of a pod and its namespace. */
const REQUEST_LIMIT_BYTES = 16 * 1024;
const SERVICE = 'v1.PodResourcesLister';
const METHODS = ['List', 'GetAllocatableResources', 'Get'] as const;
type Method = (typeof METHODS)[number];

/** Upstream's names of what it counts by method: https://kubernetes.io/docs/reference/instrumenting/metrics/ */
const METRIC: Readonly<Record<Method, string>> = {
  List: 'list',
  GetAllocatableResources: 'get_allocatable',
  Get: 'get',
};
const counter = (name: string, help: string): Counter =>
  new Counter(`kubelet_pod_resources_endpoint_${name}`, help, ['server_api_version']);

export interface PodResourcesServerOptions {
  /** `/var/lib/kubelet/pod-resources` of real hosts. */
  readonly directory: string;
  readonly pods: () => readonly Pod[];
  readonly facts: ResourceFacts;
  readonly logger: Logger;
  /** For tests: milliseconds. */
  readonly now?: () => number;
}

interface GetRequest {
  readonly podName: string;
  readonly podNamespace: string;
}

export class PodResourcesServer {
  readonly #options: PodResourcesServerOptions;
  readonly #total = counter('requests_total', 'Requests of the pod resources API.');
  readonly #requests: Readonly<Record<Method, Counter>>;
  readonly #errors: Readonly<Record<Method, Counter>>;
  #allowance = { requests: BURST, atMs: 0 };

  constructor(options: PodResourcesServerOptions) {
    this.#options = options;
    const each = (kind: 'requests' | 'errors', help: string) => ({
      List: counter(`${kind}_${METRIC.List}`, `${help} of List.`),
      GetAllocatableResources: counter(`${kind}_${METRIC.GetAllocatableResources}`, `${help} of GetAllocatable.`),
      Get: counter(`${kind}_${METRIC.Get}`, `${help} of Get.`),
    });
    this.#requests = each('requests', 'Requests');
    this.#errors = each('errors', 'Failed requests');
  }

  /** Serves until the signal is aborted; tries again when the socket cannot be made. */
  async run(signal: AbortSignal): Promise<void> {
    const { directory, logger } = this.#options;
    const outage = new Outage({ logger });
    for (let failures = 0; !signal.aborted;) {
      try {
        await this.#serve(signal);
      } catch (error) {
        outage.failed(error, { directory }, 'failed to serve the pod resources API');
        await delay(backoffMs(RETRY, ++failures), undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async #serve(signal: AbortSignal): Promise<void> {
    const { directory } = this.#options;
    const socket = join(directory, SOCKET);
    await mkdir(directory, { recursive: true, mode: DIRECTORY_MODE });
    await rm(socket, { force: true });
    const server = new Server({ 'grpc.max_receive_message_length': REQUEST_LIMIT_BYTES });
    const service = loadProto(descriptor).service(SERVICE);
    server.addService(
      Object.fromEntries(METHODS.map((method) => [method, service.method(method)])),
      Object.fromEntries(
        METHODS.map((method) => [
          method,
          ({ request }: ServerUnaryCall<GetRequest, object>, answer: sendUnaryData<object>) =>
            this.#answer(method, request, answer),
        ]),
      ),
    );
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      );
    });
    try {
      await chmod(socket, SOCKET_MODE);
      if (!signal.aborted) await once(signal, 'abort');
    } finally {
      server.forceShutdown();
      await rm(socket, { force: true });
    }
  }

  #answer(method: Method, request: GetRequest, answer: sendUnaryData<object>): void {
    this.#total.increase('v1');
    this.#requests[method].increase('v1');
    if (!this.#isAllowed()) {
      this.#errors[method].increase('v1');
      return answer({ code: status.RESOURCE_EXHAUSTED, details: 'rejected by rate limit' });
    }
    const found = this.#answerTo(method, request);
    if (found) return answer(null, found);
    this.#errors[method].increase('v1');
    const { podName, podNamespace } = request;
    answer({ code: status.UNKNOWN, details: `pod ${podName} in namespace ${podNamespace} not found` });
  }

  #isAllowed(): boolean {
    const { requests, atMs } = this.#allowance;
    const now = (this.#options.now ?? performance.now.bind(performance))();
    const left = Math.min(BURST, requests + ((now - atMs) * REQUESTS_PER_SECOND) / 1000);
    this.#allowance = { requests: left >= 1 ? left - 1 : left, atMs: now };
    return left >= 1;
  }

  #answerTo(method: Method, { podName, podNamespace }: GetRequest): object | undefined {
    const { pods, facts } = this.#options;
    switch (method) {
      case 'List':
        return { podResources: listedPods(pods()).map((pod) => podResources(pod, facts)) };
      case 'GetAllocatableResources':
        return allocatableResources(facts);
      case 'Get': {
        const pod = pods().find(({ metadata }) => metadata?.name === podName && metadata.namespace === podNamespace);
        return pod && { podResources: podResources(pod, facts) };
      }
    }
  }

  write(to: Exposition): void {
    this.#total.write(to);
    for (const method of METHODS) {
      this.#requests[method].write(to);
      this.#errors[method].write(to);
    }
  }
}
