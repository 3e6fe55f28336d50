/** Runs one probe once: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-probes */
import { status } from '@grpc/grpc-js';
import type { Probe } from '../../api/core/probe.ts';
import { CriError, type CriClient } from '../cri/client.ts';
import type { AnyContainer } from '../pods/actions.ts';
import { portNumber } from '../pods/ports.ts';
import { checkGrpcHealth } from './grpc-health.ts';
import { httpGet } from './http.ts';
import { touchTcp } from './tcp.ts';

export interface ProbeTarget {
  readonly container: AnyContainer;
  readonly containerId: string;
  readonly podIP: string;
}

export type ProbeResult =
  | { readonly is: 'success'; readonly warning?: string }
  | { readonly is: 'failure'; readonly output: string }
  /** The probe itself could not be made; it says nothing about the container. */
  | { readonly is: 'unknown'; readonly output: string };

const DEFAULT_TIMEOUT_SECONDS = 1;
/** The kubelet shows so much of a command's output. */
const MAX_OUTPUT_BYTES = 10 * 1024;

/** Never rejects, but with the signal's reason. */
export async function runProbe(
  probe: Probe,
  target: ProbeTarget,
  cri: CriClient,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const timeoutSeconds = probe.timeoutSeconds || DEFAULT_TIMEOUT_SECONDS;
  if (probe.exec) return runCommand(probe.exec.command ?? [], timeoutSeconds, target, cri, signal);
  // Combined signals (AbortSignal.any) would be the dearest part of a probe.
  const limit = new AbortController();
  const expire = () => limit.abort(signal.reason);
  const timer = setTimeout(expire, timeoutSeconds * 1000);
  signal.addEventListener('abort', expire, { once: true });
  const within = limit.signal;
  const { container, podIP } = target;
  try {
    if (probe.httpGet) {
      const answer = await httpGet(probe.httpGet, container, podIP, within);
      if (answer.redirectedTo !== undefined) {
        return { is: 'success', warning: `Probe terminated redirects, Response body: ${answer.body}` };
      }
      if (answer.status >= 200 && answer.status < 400) return { is: 'success' };
      return { is: 'failure', output: `HTTP probe failed with statuscode: ${answer.status}` };
    }
    if (probe.tcpSocket) {
      await touchTcp(probe.tcpSocket.host || podIP, portNumber(probe.tcpSocket.port, container), within);
    } else if (probe.grpc) {
      const address = `${podIP.includes(':') ? `[${podIP}]` : podIP}:${probe.grpc.port}`;
      await checkGrpcHealth(address, probe.grpc.service ?? '', timeoutSeconds, within);
    }
    return { is: 'success' };
  } catch (error) {
    signal.throwIfAborted();
    return { is: 'failure', output: (error as Error).message };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', expire);
  }
}

async function runCommand(
  command: readonly string[],
  timeoutSeconds: number,
  { containerId }: ProbeTarget,
  cri: CriClient,
  signal: AbortSignal,
): Promise<ProbeResult> {
  try {
    const { exitCode, stdout, stderr } = await cri.execSync(containerId, command, timeoutSeconds, { signal });
    if (exitCode === 0) return { is: 'success' };
    const output = Buffer.concat([stdout, stderr]).subarray(0, MAX_OUTPUT_BYTES).toString('utf8');
    return { is: 'failure', output };
  } catch (error) {
    signal.throwIfAborted();
    const timedOut = error instanceof CriError && error.code === status.DEADLINE_EXCEEDED;
    return timedOut
      ? {
          is: 'failure',
          output: `command timed out: ${JSON.stringify(command.join(' '))} timed out after ${timeoutSeconds}s`,
        }
      : { is: 'unknown', output: (error as Error).message };
  }
}
