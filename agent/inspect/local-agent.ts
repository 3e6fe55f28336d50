/** How commands ask the agent of their own host; `agent/server/local-api.ts` is the other end. */
import { request } from 'node:http';
import { join, resolve } from 'node:path';
import { withDeadline } from '../../client/deadline.ts';
import { hasCode } from '../host/files.ts';
import { HostError } from '../host/host-error.ts';

/** Where the agent with this data directory listens. */
export const localSocket = (dataDir: string): string => join(resolve(dataDir), 'agent.sock');

/** Said where a command goes on without the agent. */
export const AGENT_STOPPED = 'the agent does not answer on this host: it is stopped, or still starting';

/** The agent answers from its memory, or by a few calls of the runtime. */
const LIMIT_MS = 20_000;

/** What the agent has said; `isThere` is false when no agent runs with this data directory. */
export type LocalAnswer =
  { readonly isThere: false } | { readonly isThere: true; readonly ok: boolean; readonly body: string };

/** Throws HostError for an agent that does not answer, and DeadlineError when it takes too long. */
export async function readLocally(dataDir: string, path: string, signal?: AbortSignal): Promise<LocalAnswer> {
  const socketPath = localSocket(dataDir);
  try {
    return await withDeadline({ what: `GET ${path} at ${socketPath}`, limitMs: LIMIT_MS, signal }, (within) =>
      get(socketPath, path, within),
    );
  } catch (error) {
    // A socket that nobody listens at is what an agent leaves that was killed; a name that is too long for one is nobody's.
    if (hasCode(error, 'ENOENT', 'ECONNREFUSED', 'EINVAL')) return { isThere: false };
    if (hasCode(error, 'EACCES', 'ECONNRESET', 'EPIPE'))
      throw new HostError(`cannot ask the agent at ${socketPath}: ${(error as Error).message}`, { cause: error });
    throw error;
  }
}

/** A JSON document of the agent; undefined when the agent is not running. Throws HostError with what the agent says is wrong. */
export async function askAgent<T>(dataDir: string, path: string, signal?: AbortSignal): Promise<T | undefined> {
  const answer = await readLocally(dataDir, path, signal);
  if (!answer.isThere) return undefined;
  if (!answer.ok) throw new HostError(`the agent cannot answer ${path}: ${answer.body}`);
  return JSON.parse(answer.body) as T;
}

function get(socketPath: string, path: string, signal: AbortSignal): Promise<LocalAnswer> {
  return new Promise((done, reject) => {
    const asked = request({ socketPath, path, signal, agent: false }, (response) => {
      response
        .toArray()
        .then((chunks: Buffer[]) =>
          done({ isThere: true, ok: response.statusCode === 200, body: Buffer.concat(chunks).toString() }),
        )
        .catch(reject);
    });
    asked.on('error', reject);
    asked.end();
  });
}
