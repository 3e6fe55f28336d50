/**
 * containerd's own client program. It comes with containerd, but the one that is found on the PATH may be of another version: a
 * newer one uses services that the runtime does not have yet.
 */
import path from 'node:path';
import { fileExists } from '../host/files.ts';
import { run } from '../host/run.ts';
import { containerdServing } from '../host/containerd-program.ts';

/** containerd's namespace of the CRI. */
const NAMESPACE = 'k8s.io';
/** From 2.0 on: imports without the transfer service, which older runtimes do not have. */
const LOCAL = '--local';

export class Ctr {
  readonly #programs: readonly string[];
  readonly #socket: string;

  private constructor(programs: readonly string[], socket: string) {
    this.#programs = programs;
    this.#socket = socket;
  }

  /** Finds the one beside the containerd that serves `socket`. */
  static async find(socket: string): Promise<Ctr> {
    const containerd = await containerdServing(socket);
    const beside = containerd === undefined ? undefined : path.join(path.dirname(containerd), 'ctr');
    return new Ctr([...(beside !== undefined && (await fileExists(beside)) ? [beside] : []), 'ctr'], socket);
  }

  /** Tries each variant; throws the error of the first. Returns the output. */
  async images(
    command: readonly [subcommand: string, ...args: string[]],
    limit: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<string> {
    const [subcommand, ...args] = command;
    const failures: unknown[] = [];
    for (const program of this.#programs) {
      for (const flags of [[], [LOCAL]]) {
        const words = ['--address', this.#socket, '--namespace', NAMESPACE, 'images', subcommand, ...flags, ...args];
        try {
          return (await run(program, words, limit)).stdout;
        } catch (error) {
          limit.signal.throwIfAborted();
          failures.push(error);
        }
      }
    }
    throw failures[0];
  }
}
