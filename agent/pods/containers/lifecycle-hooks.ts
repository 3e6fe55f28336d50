/** Runs `postStart` and `preStop`: https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/ */
import { setTimeout as sleep } from 'node:timers/promises';
import { MAX_TIMER_MS, withDeadline, type TimeLimit } from '../../../client/deadline.ts';
import type { CriClient } from '../../cri/client.ts';
import { httpGet, HttpGetError, type HttpGetResponse } from '../../probes/http.ts';
import { checkTcp } from '../../probes/tcp.ts';
import type { AnyContainer } from '../sync/actions.ts';
import { portNumber } from '../../probes/container-port.ts';
import type { HTTPGetAction, LifecycleHandler } from '../../../api/types/core/v1.gen.ts';

export interface HookTarget {
  readonly container: AnyContainer;
  readonly containerId: string;
  /** The host of http and tcp hooks that name none. */
  readonly podIP: string;
}

/** Rejects when the hook fails or times out, and with the signal's reason. */
export async function runHook(
  handler: LifecycleHandler,
  target: HookTarget,
  cri: Pick<CriClient, 'execSync'>,
  limit: TimeLimit,
): Promise<void> {
  const { container, containerId, podIP } = target;
  const { exec, httpGet: http, tcpSocket, sleep: pause } = handler;
  await withDeadline({ ...limit, what: 'the hook' }, async (signal) => {
    const within = { limitMs: limit.limitMs, signal };
    if (exec) {
      const result = await cri.execSync(containerId, exec.command ?? [], limit.limitMs / 1000, { signal });
      if (result.exitCode !== 0) {
        const output = Buffer.concat([result.stdout, result.stderr]).toString('utf8').trim();
        throw new Error(
          `command '${(exec.command ?? []).join(' ')}' exited with ${result.exitCode}: ${output}`.replace(/: $/, ''),
        );
      }
    } else if (http) {
      const { status } = await callHook(http, target, within);
      // As with the kubelet any response counts, except an informational one.
      if (status < 200) throw new Error(`HTTP hook was answered with statuscode: ${status}`);
    } else if (tcpSocket) {
      await checkTcp(tcpSocket.host || podIP, portNumber(tcpSocket.port, container), within);
    } else if (pause) {
      await sleep(Math.min(pause.seconds * 1000, MAX_TIMER_MS), undefined, { signal });
    }
  });
}

/** Falls back to plain HTTP as the kubelet does, without credentials. */
async function callHook(
  action: HTTPGetAction,
  { container, podIP }: HookTarget,
  limit: TimeLimit,
): Promise<HttpGetResponse> {
  const request = { action, container, podIP, purpose: 'lifecycle' };
  try {
    return await httpGet(request, limit);
  } catch (error) {
    if (action.scheme !== 'HTTPS' || !(error instanceof HttpGetError && error.isPlainServer)) throw error;
    const httpHeaders = action.httpHeaders?.filter(({ name }) => name.toLowerCase() !== 'authorization');
    return httpGet({ ...request, action: { ...action, scheme: 'HTTP', httpHeaders } }, limit);
  }
}
