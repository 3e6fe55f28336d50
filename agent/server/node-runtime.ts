/** What the node API needs of the container runtime; `agent/server/cri-node-runtime.ts` implements it over the CRI. */
import type { StreamOptions } from '../../api/kinds/core/pod-stream-options.ts';

export interface ContainerLogState {
  /** Where the runtime writes the container's log, or '' when it writes none. */
  readonly logPath: string;
  readonly running: boolean;
}

export interface CommandResult {
  readonly output: Buffer;
  readonly exitCode: number;
}

/** Ids are the runtime's own, without a scheme. Every call rejects with the runtime's error. */
export interface NodeRuntime {
  logState(containerId: string, signal: AbortSignal): Promise<ContainerLogState>;
  /** Resolves when the container has stopped and its log is written to the end; rejects when `signal` aborts. */
  stopped(containerId: string, signal: AbortSignal): Promise<void>;
  /** Until it is disposed of, unread input of commands in the container is drained when they exit. */
  dropUnreadInput(containerId: string): Disposable;
  /** These three return a URL of the runtime's streaming server, valid for one upgrade within a minute. */
  exec(containerId: string, command: readonly string[], streams: StreamOptions): Promise<URL>;
  attach(containerId: string, streams: StreamOptions): Promise<URL>;
  portForward(sandboxId: string, ports: readonly number[]): Promise<URL>;
  /** Runs a command until it exits; returns stdout followed by stderr. */
  run(containerId: string, command: readonly string[], signal: AbortSignal): Promise<CommandResult>;
}
