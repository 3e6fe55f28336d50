/**
 * Stops sandboxes, and removes containers and sandboxes from the runtime. containerd may have lost track of a task whose start
 * was aborted: the CRI shows the container as exited while the task lives, and refuses to remove it ("cannot delete running
 * task") for as long as containerd runs. Such a task is killed through containerd's own service.
 */
import { status } from '@grpc/grpc-js';
import descriptor from '../../proto/containerd-tasks-v1.json' with { type: 'json' };
import type { CallOptions } from './channel.ts';
import type { CriClient } from './client.ts';
import { CriError } from './rpc-error.ts';
import { CRI_NAMESPACE } from './events.ts';
import { loadProto } from './service.ts';
import { removeMountedFile } from '../host/mounted-file.ts';
import { ownCommand } from '../host/own-command.ts';

/** SIGKILL takes effect at once, unless the process is in uninterruptible sleep. */
const CALL_LIMIT_MS = 10_000;
const SIGKILL = 9;
const HARMLESS: ReadonlySet<status> = new Set([status.NOT_FOUND, status.UNIMPLEMENTED]);

/**
 * The network namespace of a sandbox, mounted where other programs keep theirs, in the words of a containerd that cannot remove
 * it.
 */
const BUSY_NAMESPACE = /unlinkat (?:\/var)?(\/run\/netns\/cni-[0-9a-f-]+): device or resource busy/;
const freeNamespace = (file: string): Promise<void> => removeMountedFile(file, ownCommand('remove-mounted-file'));

/**
 * Resolves also when there is no such sandbox. A network namespace that is hidden below a second mount is freed: it is this
 * sandbox's own, and containerd was about to remove it.
 */
export async function stopSandbox(
  cri: Pick<CriClient, 'stopPodSandbox'>,
  sandboxId: string,
  options?: CallOptions,
  free: (file: string) => Promise<void> = freeNamespace,
): Promise<void> {
  try {
    await cri.stopPodSandbox(sandboxId, options);
  } catch (error) {
    if (!(error instanceof CriError)) throw error;
    if (error.notFound) return;
    const [, file] = BUSY_NAMESPACE.exec(error.message) ?? [];
    if (file === undefined) throw error;
    await free(file).catch((why: Error) => {
      const remedy = `${file} is a mount point hidden by another mount; reboot to release it`;
      throw new Error(`${error.message}; ${remedy} (${why.message})`, { cause: error });
    });
    await cri.stopPodSandbox(sandboxId, options);
  }
}

/** Resolves also when there is no such container. */
export async function removeContainer(cri: CriClient, containerId: string, options?: CallOptions): Promise<void> {
  await remove(
    () => cri.removeContainer(containerId, options),
    () => endTask(cri, containerId),
  );
}

/** Removes the sandbox, which must have been stopped, and its containers. Resolves also when there is no such sandbox. */
export async function removeSandbox(cri: CriClient, sandboxId: string, options?: CallOptions): Promise<void> {
  await remove(
    () => cri.removePodSandbox(sandboxId, options),
    async () => {
      const containers = await cri.listContainers({}, options);
      for (const { id, podSandboxId } of containers) if (podSandboxId === sandboxId) await endTask(cri, id);
    },
  );
}

async function remove(call: () => Promise<void>, endTasks: () => Promise<void>): Promise<void> {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof CriError)) throw error;
    if (error.notFound) return;
    if (error.code !== status.FAILED_PRECONDITION) throw error;
    await endTasks();
    await call();
  }
}

async function endTask(cri: CriClient, containerId: string): Promise<void> {
  await callTasks(cri, 'Kill', { containerId, signal: SIGKILL, all: true });
  await callTasks(cri, 'Wait', { containerId });
  await callTasks(cri, 'Delete', { containerId });
}

const tasks = loadProto(descriptor).service('containerd.services.tasks.v1.Tasks');

/**
 * Resolves also when there is no such task, when it has ended, and on a runtime without this service, which is not containerd.
 */
async function callTasks(cri: CriClient, name: 'Kill' | 'Wait' | 'Delete', request: object): Promise<void> {
  try {
    await cri.callContainerd(tasks, name, request, CRI_NAMESPACE, { limitMs: CALL_LIMIT_MS });
  } catch (error) {
    if (!(error instanceof CriError && HARMLESS.has(error.code))) throw error;
  }
}
