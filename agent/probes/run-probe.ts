/** Runs one probe once: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-probes */
import { status } from '@grpc/grpc-js';
import type { TimeLimit } from '../../client/deadline.ts';
import type { CriClient } from '../cri/client.ts';
import { CriError } from '../cri/rpc-error.ts';
import type { AnyContainer } from '../pods/sync/actions.ts';
import { expand } from '../../api/domain/expansion.ts';
import { portNumber } from './container-port.ts';
import { checkGrpcHealth } from './grpc-health.ts';
import { httpGet } from './http.ts';
import { checkTcp } from './tcp.ts';
import type { EnvVar, Probe } from '../../api/types/core/v1.gen.ts';

export interface ProbeTarget {
  readonly container: AnyContainer;
  readonly containerId: string;
  readonly podIP: string;
}

export type ProbeResult =
  | { readonly is: 'success'; readonly warning?: string }
  | { readonly is: 'failure'; readonly output: string }
  /** The probe could not be run; its outcome is unknown. */
  | { readonly is: 'unknown'; readonly output: string };

const DEFAULT_TIMEOUT_SECONDS = 1;
/** The kubelet's limit of a command's output in events. */
const MAX_OUTPUT_BYTES = 10 * 1024;

/** Rejects with the signal's reason only. */
export async function runProbe(
  probe: Probe,
  target: ProbeTarget,
  cri: Pick<CriClient, 'execSync'>,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const limit: TimeLimit = { limitMs: (probe.timeoutSeconds || DEFAULT_TIMEOUT_SECONDS) * 1000, signal };
  const { container, podIP } = target;
  try {
    if (probe.exec) return await runCommand(probe.exec.command ?? [], target, cri, limit);
    if (probe.httpGet) {
      const { status, body } = await httpGet({ action: probe.httpGet, container, podIP, purpose: 'probe' }, limit);
      if (status < 200 || status >= 400)
        return { is: 'failure', output: `HTTP probe failed with statuscode: ${status}` };
      if (status >= 300) return { is: 'success', warning: `Probe terminated redirects, Response body: ${body}` };
    } else if (probe.tcpSocket) {
      await checkTcp(probe.tcpSocket.host || podIP, portNumber(probe.tcpSocket.port, container), limit);
    } else if (probe.grpc) {
      await checkGrpcHealth(podIP, probe.grpc.port, probe.grpc.service ?? '', limit);
    }
    return { is: 'success' };
  } catch (error) {
    signal.throwIfAborted();
    return { is: 'failure', output: (error as Error).message };
  }
}

async function runCommand(
  command: readonly string[],
  { container, containerId }: ProbeTarget,
  cri: Pick<CriClient, 'execSync'>,
  { limitMs, signal }: TimeLimit,
): Promise<ProbeResult> {
  const words = expandStatic(command, container.env ?? []);
  try {
    const { exitCode, stdout, stderr } = await cri.execSync(containerId, words, limitMs / 1000, { signal });
    if (exitCode === 0) return { is: 'success' };
    const output = Buffer.concat([stdout, stderr]).subarray(0, MAX_OUTPUT_BYTES).toString('utf8');
    return { is: 'failure', output };
  } catch (error) {
    signal?.throwIfAborted();
    const timedOut = error instanceof CriError && error.code === status.DEADLINE_EXCEEDED;
    return timedOut
      ? {
          is: 'failure',
          output: `command timed out: ${JSON.stringify(words.join(' '))} timed out after ${limitMs / 1000}s`,
        }
      : { is: 'unknown', output: (error as Error).message };
  }
}

/** Values of the container's environment that the spec states; references to other objects are not resolved. */
function expandStatic(command: readonly string[], env: readonly EnvVar[]): string[] {
  const variables = new Map(env.map(({ name, value }) => [name, value ?? '']));
  return command.map((word) => expand(word, variables));
}
