/** Runs `postStart` and `preStop`: https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/ */
import { setTimeout as sleep } from 'node:timers/promises';
import type { LifecycleHandler } from '../../api/core/probe.ts';
import type { CriClient } from '../cri/client.ts';
import { httpGet } from '../probes/http.ts';
import { touchTcp } from '../probes/tcp.ts';
import type { AnyContainer } from './actions.ts';
import { portNumber } from './ports.ts';

export interface HookTarget {
  readonly container: AnyContainer;
  readonly containerId: string;
  /** What http and tcp hooks talk to when they name no host. */
  readonly podIP: string;
}

/** Rejects with the reason when the hook fails, and with the signal's when its time is up. */
export async function runHook(
  handler: LifecycleHandler,
  { container, containerId, podIP }: HookTarget,
  cri: CriClient,
  signal: AbortSignal,
): Promise<void> {
  const { exec, httpGet: http, tcpSocket, sleep: pause } = handler;
  if (exec) {
    const result = await cri.execSync(containerId, exec.command ?? [], 0, { signal });
    if (result.exitCode !== 0) {
      const output = Buffer.concat([result.stdout, result.stderr]).toString('utf8').trim();
      throw new Error(
        `command '${(exec.command ?? []).join(' ')}' exited with ${result.exitCode}: ${output}`.replace(/: $/, ''),
      );
    }
  } else if (http) {
    const answer = await httpGet(http, container, podIP, signal);
    if (answer.status >= 400) throw new Error(`HTTP probe failed with statuscode: ${answer.status}`);
  } else if (tcpSocket) {
    await touchTcp(tcpSocket.host || podIP, portNumber(tcpSocket.port, container), signal);
  } else if (pause) {
    await sleep(pause.seconds * 1000, undefined, { signal });
  }
}
