/**
 * Drains the input that exec'd commands leave unread. containerd writes what the client sends into a FIFO that leads to the
 * command, and reports the exit only after that. A FIFO without a reader fills up, and then the exit is never reported (1.6 to
 * 2.4). So the agent reads the rest in place of a command that has exited.
 */
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import eventsDescriptor from '../../proto/containerd-events-v1.json' with { type: 'json' };
import tasksDescriptor from '../../proto/containerd-tasks-v1.json' with { type: 'json' };
import type { Logger } from '../../client/logger.ts';
import type { CriClient } from './client.ts';
import { CriError } from './rpc-error.ts';
import { CRI_NAMESPACE } from './events.ts';
import { loadProto } from './service.ts';

/** containerd reports the exit of a command without unread input shortly; its child processes may still read. */
const GRACE_MS = 500;
const CALL_LIMIT_MS = 10_000;
/** How often an empty FIFO is read, until the runtime closes it. */
const EMPTY_CHECK_MS = 50;
/** The capacity of a FIFO. */
const FIFO_BYTES = 64 * 1024;

const tasks = loadProto(tasksDescriptor).service('containerd.services.tasks.v1.Tasks');
const proto = loadProto(eventsDescriptor);
const events = proto.service('containerd.services.events.v1.Events');
const decodeExit = proto.decoder('containerd.services.events.v1.TaskExit');

type Containerd = Pick<CriClient, 'channel' | 'callContainerd'>;

/** Drains the input of all commands that are run in the container, until it is disposed of. */
export function dropUnreadInput(containerd: Containerd, containerId: string, logger: Logger): Disposable {
  const over = new AbortController();
  const exits = containerd.channel.stream(events, 'Subscribe', {
    filters: [`namespace==${CRI_NAMESPACE},topic=="/tasks/exit",event.container_id=="${containerId}"`],
  });
  exits.on('data', (message) => {
    const { event } = message as { readonly event: { readonly value: Buffer } | null };
    if (event === null) return;
    const { id } = decodeExit(event.value) as { id: string };
    if (id === containerId) return;
    drop(containerd, containerId, id, over.signal).catch((error: unknown) => {
      if (over.signal.aborted || isGone(error)) return;
      logger.warn({ err: error, containerId }, 'failed to discard unread input of finished command');
    });
  });
  // Runtimes without these events handle input differently; one that stops closes the connections of its commands.
  exits.on('error', () => over.abort());
  return {
    [Symbol.dispose]() {
      over.abort();
      exits.cancel();
    },
  };
}

/** Reads the input of a command that has exited, until it has no writer any more. */
async function drop(containerd: Containerd, containerId: string, execId: string, signal: AbortSignal): Promise<void> {
  await sleep(GRACE_MS, undefined, { signal });
  const fifo = await inputOf(containerd, containerId, execId, signal);
  if (fifo === undefined) return;
  await using file = await open(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  const buffer = Buffer.allocUnsafe(FIFO_BYTES);
  for (let bytes; bytes !== 0;) {
    bytes = await readWaiting(file, buffer);
    signal.throwIfAborted();
    if (bytes === undefined) await sleep(EMPTY_CHECK_MS, undefined, { signal });
  }
}

/** Whether the runtime has finished the command in time. */
const isGone = (error: unknown): boolean =>
  error instanceof CriError ? error.notFound : (error as NodeJS.ErrnoException).code === 'ENOENT';

/** The path of the command's FIFO; undefined when it has none. */
async function inputOf(
  containerd: Containerd,
  containerId: string,
  execId: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const limits = { limitMs: CALL_LIMIT_MS, signal };
  const { process } = await containerd.callContainerd<{ process: { stdin: string } | null }>(
    tasks,
    'Get',
    { containerId, execId },
    CRI_NAMESPACE,
    limits,
  );
  // Sandboxed runtimes have stream URLs instead.
  return process !== null && path.isAbsolute(process.stdin) ? process.stdin : undefined;
}

/** How many bytes were waiting: 0 when none will ever come, undefined when none are there now. */
async function readWaiting(file: FileHandle, buffer: Buffer): Promise<number | undefined> {
  try {
    return (await file.read(buffer)).bytesRead;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined;
    throw error;
  }
}
