/**
 * A host for pods: a private containerd in a network namespace, an API in memory, and the agent's pod part as a process. The
 * test's own process is started again inside that namespace, where it can reach pods.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { run } from '../../../agent/host/run.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { HELLO_IMAGE } from '../../../agent/images/bundled.ts';
import { startContainerd } from '../../support/containerd.ts';
import { eventually } from '../../support/wait.ts';
import type { AgentSettings } from './agent-process.ts';
import { MemoryApi } from '../../support/memory-api.ts';
import type { Container, Pod } from '../../../api/types/core/v1.gen.ts';

const MARK = 'KEDGE_TEST_LAB';

interface LabAddress {
  readonly socket: string;
  readonly cgroupRoot: string;
  readonly directory: string;
}

/** Runs `inside` in the lab's namespace: the outer process keeps the lab, a second one of the same file runs the tests. */
export async function insideLab(file: string, inside: (address: LabAddress) => Promise<void>): Promise<void> {
  const mark = process.env[MARK];
  if (mark !== undefined) return inside(JSON.parse(mark) as LabAddress);
  await using containerd = await startContainerd({ name: 'agent-pods' });
  const { socket, directory, cgroupParent } = containerd;
  const address: LabAddress = { socket, directory, cgroupRoot: cgroupParent };
  const child = spawn('nsenter', [`--net=${containerd.netns}`, process.execPath, file], {
    stdio: 'inherit',
    env: { ...process.env, [MARK]: JSON.stringify(address) },
  });
  process.exitCode = await new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
}

export class Lab implements AsyncDisposable {
  readonly api: MemoryApi;
  readonly address: LabAddress;
  #agent: ChildProcess | undefined;
  #words = '';
  readonly #more: Partial<AgentSettings>;

  constructor(api: MemoryApi, address: LabAddress, more: Partial<AgentSettings> = {}) {
    this.api = api;
    this.address = address;
    this.#more = more;
  }

  static async start(address: LabAddress, more: Partial<AgentSettings> = {}): Promise<Lab> {
    const lab = new Lab(await MemoryApi.start(), address, more);
    lab.startAgent();
    return lab;
  }

  /** What the agent has logged. */
  get words(): string {
    return this.#words;
  }

  get agentPid(): number {
    return this.#agent?.pid ?? 0;
  }

  startAgent(): void {
    const settings: AgentSettings = { api: this.api.url, ...this.address, ...this.#more };
    const child = spawn(
      process.execPath,
      [path.join(import.meta.dirname, 'agent-process.ts'), JSON.stringify(settings)],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#words += text;
      if (process.env.KEDGE_TEST_VERBOSE) process.stderr.write(text);
    });
    this.#agent = child;
  }

  async stopAgent(how: 'SIGTERM' | 'SIGKILL' = 'SIGKILL'): Promise<void> {
    const child = this.#agent;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(how);
    await ended;
  }

  /** Hands a pod to the agent. */
  create(name: string, spec: Partial<NonNullable<Pod['spec']>>, metadata: Pod['metadata'] = {}): Pod {
    const pod: Pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'default', ...metadata },
      spec: { containers: [], nodeName: 'node-1', terminationGracePeriodSeconds: 1, ...spec },
    };
    pods.applyDefaults(pod);
    return this.api.put('pods', pod);
  }

  /** Waits until a pod matches. */
  pod(name: string, what: string, is: (pod: Pod) => boolean | undefined, seconds = 60): Promise<Pod> {
    return eventually(
      `pod ${name} ${what}`,
      () => {
        const pod = this.api.pod(name);
        if (pod && is(pod)) return pod;
        throw new Error(JSON.stringify(pod?.status ?? 'not there') + this.#words.slice(-1500));
      },
      seconds,
    );
  }

  gone(name: string, seconds = 60): Promise<boolean> {
    return eventually(`pod ${name} to be gone`, () => this.api.pod(name) === undefined, seconds);
  }

  /** The output of `ctr` for the containers of pods. */
  async ctr(...args: string[]): Promise<string> {
    return (await run('ctr', ['--address', this.address.socket, '--namespace', 'k8s.io', ...args])).stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopAgent('SIGTERM');
    await this.api[Symbol.asyncDispose]();
  }
}

/** A container that runs a shell script. */
export const shell = (name: string, script: string, more: Partial<Container> = {}): Container => ({
  name,
  image: HELLO_IMAGE,
  command: ['/bin/sh', '-c', script],
  ...more,
});

export const isReady = ({ status }: Pod): boolean =>
  status?.conditions?.some(({ type, status: holds }) => type === 'Ready' && holds === 'True') ?? false;
