/**
 * The members of one etcd cluster. Calls go to one of them until it fails or does not respond; then the next one is in use. A
 * call that etcd has not begun to execute, or that may be executed twice, is repeated; the others fail with an unknown result.
 */
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs, type BackoffOptions } from '../../../client/backoff.ts';
import { StoreUnavailableError } from '../store.ts';
import { EndpointError, type Endpoint } from './endpoint.ts';
import {
  METHODS,
  type Method,
  type ResponseHeader,
  type StatusResponse,
  type WatchRequest,
  type WatchResponse,
} from './messages.ts';

/** While etcd is away for less than this, as during a restart, calls that can be repeated only take longer. */
const REPEAT_FOR_MS = 3_000;
const REPEAT: BackoffOptions = { initialMs: 20, maxMs: 500 };
/** The part of a call's limit after which another member is asked, where that is safe. */
const PATIENCE = 0.3;

export interface MemberCall {
  /** Milliseconds, over all attempts. */
  readonly limitMs: number;
  readonly signal: AbortSignal;
  /** Whether it may be executed twice: true of reads. */
  readonly repeatable: boolean;
  /** Of the request that it is made for, where that is traced. */
  readonly traceparent?: string | undefined;
  /** Whether the response says which revision it is of. Those about members do not. */
  readonly hasRevision?: boolean;
  /** Whether a member that knows of no leader fails it; default: it does. */
  readonly needsLeader?: boolean;
}

export class Members {
  #endpoints: readonly Endpoint[];
  #current = 0;
  /** Of the first response. */
  #clusterId: string | undefined;
  /** The highest revision that etcd has told: reads that begin later have to be at least of it. */
  #revision = 0;
  /** Why nothing that etcd says is believed any more. */
  #broken: StoreUnavailableError | undefined;

  /** @param endpoints at least one */
  constructor(endpoints: readonly Endpoint[]) {
    this.#endpoints = endpoints;
  }

  get #inUse(): Endpoint {
    const endpoint = this.#endpoints[this.#current];
    if (!endpoint) throw new Error('etcd has no members');
    return endpoint;
  }

  /** Throws EndpointError, StoreUnavailableError when this is not the cluster that it was, or the signal's reason. */
  async call<T extends { readonly header: ResponseHeader | null }>(
    method: Method,
    request: object,
    { limitMs, signal, repeatable, traceparent, needsLeader, hasRevision = true }: MemberCall,
  ): Promise<T> {
    const startedAt = performance.now();
    for (let failures = 0; ;) {
      this.mustBeSound();
      const endpoint = this.#inUse;
      const leftMs = limitMs - (performance.now() - startedAt);
      const attemptMs = repeatable && this.#endpoints.length > 1 ? Math.min(leftMs, limitMs * PATIENCE) : leftMs;
      const known = hasRevision ? this.#revision : 0;
      try {
        const call = { limitMs: attemptMs, signal, traceparent, needsLeader };
        const response = await endpoint.call<T>(method, request, call);
        // etcd 3.4 answers without one when it is asked for alarms.
        if (response.header) this.#check(endpoint, response.header, known);
        return response;
      } catch (error) {
        if (!(error instanceof EndpointError)) throw error;
        if (error.kind === 'unsent' || error.kind === 'lost') this.#leave(endpoint, error.isSilent);
        const mayRepeat = error.kind === 'unsent' || (error.kind === 'lost' && repeatable);
        const pauseMs = ++failures % this.#endpoints.length === 0 ? backoffMs(REPEAT, failures) : 0;
        const spentMs = performance.now() - startedAt + pauseMs;
        const isLate = error.isSilent ? spentMs >= limitMs : spentMs >= Math.min(limitMs, REPEAT_FOR_MS);
        if (!mayRepeat || isLate) throw error;
        if (pauseMs > 0) await delay(pauseMs, undefined, { signal });
      }
    }
  }

  /** Opens a stream of watches to the member in use. `check` is to be called with the header of each response. */
  stream(): {
    readonly stream: ClientDuplexStream<WatchRequest, WatchResponse>;
    readonly endpoint: Endpoint;
    readonly check: (header: ResponseHeader) => void;
  } {
    this.mustBeSound();
    const endpoint = this.#inUse;
    return {
      stream: endpoint.stream(METHODS.watch),
      endpoint,
      check: (header) => this.#check(endpoint, header, 0),
    };
  }

  /** The members are others now, at least one. Those that stay go on as they are; what goes to one that does not fails as lost. */
  replace(endpoints: readonly Endpoint[]): void {
    const former = this.#endpoints;
    const { url } = this.#inUse;
    this.#endpoints = endpoints;
    this.#current = Math.max(
      0,
      endpoints.findIndex((endpoint) => endpoint.url === url),
    );
    for (const endpoint of former) if (!endpoints.includes(endpoint)) endpoint.close();
  }

  get endpoints(): readonly Endpoint[] {
    return this.#endpoints;
  }

  /** A member that does not respond, or whose streams fail, is not the one to ask next. */
  leave(endpoint: Endpoint): void {
    this.#leave(endpoint, false);
  }

  #leave(endpoint: Endpoint, isSilent: boolean): void {
    if (this.#endpoints.length === 1) return;
    if (endpoint === this.#inUse) this.#current = (this.#current + 1) % this.#endpoints.length;
    if (isSilent) endpoint.abandon();
  }

  /** Asks every member for its status; a member's failure is its result. */
  async statuses(limitMs: number, signal: AbortSignal): Promise<(StatusResponse | EndpointError)[]> {
    return Promise.all(
      this.#endpoints.map(async (endpoint) => {
        try {
          const found = await endpoint.call<StatusResponse>(METHODS.status, {}, { limitMs, signal });
          this.#check(endpoint, found.header, 0);
          return found;
        } catch (error) {
          if (error instanceof EndpointError) return error;
          throw error;
        }
      }),
    );
  }

  mustBeSound(): void {
    if (this.#broken) throw this.#broken;
  }

  /**
   * An etcd of other data under the same address would be taken for this one: what is cached would be served, and mixed with what
   * it says. @param known the highest revision when the request was sent
   */
  #check(endpoint: Endpoint, { clusterId, revision }: ResponseHeader, known: number): void {
    this.#clusterId ??= clusterId;
    if (clusterId !== this.#clusterId) {
      this.#break(
        `etcd at ${endpoint.url} is of another cluster (${hex(clusterId)}) than the others, or than before (${hex(this.#clusterId)})`,
      );
    }
    if (Number(revision) < known) {
      this.#break(
        `etcd at ${endpoint.url} has gone back from revision ${known} to ${revision}: it has been restored or emptied; restart kedge server`,
      );
    }
    this.#revision = Math.max(this.#revision, Number(revision));
  }

  #break(reason: string): never {
    this.#broken = new StoreUnavailableError(reason);
    for (const endpoint of this.#endpoints) endpoint.abandon();
    throw this.#broken;
  }

  close(): void {
    for (const endpoint of this.#endpoints) endpoint.close();
  }
}

/** As etcdctl prints IDs. */
const hex = (id: string): string => BigInt(id).toString(16);
