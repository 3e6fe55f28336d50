/** The process that makes the connection which is traced, and where it runs. */
import { IpAddress } from '../../../api/domain/address.ts';
import { HostError } from '../../host/host-error.ts';
import { LineProgram } from '../../host/line-program.ts';
import { probeArguments, type ProbeOutcome, type ProbeStart, type ProbeTarget } from './probe.ts';

/** A network namespace; undefined is this process's own. */
export type Namespace = { readonly pid: number } | { readonly path: string } | undefined;

/** A slow host starts Node.js within this time. */
const START_LIMIT_MS = 20_000;
/** What remains to the process beyond the limit of the connection. */
const SPARE_MS = 2_000;

/** The kernel has no way from there to the target, so that no packet would leave. */
export class NoWayError extends Error {
  override readonly name = 'NoWayError';
  /** `ENETUNREACH` */
  readonly code: string;
  constructor(code: string) {
    super(`no way to the target: ${code}`);
    this.code = code;
  }
}

export class ProbeProcess implements Disposable {
  readonly source: IpAddress;
  readonly sourcePort: number;
  readonly #program: LineProgram;
  readonly #last: Promise<string>;
  readonly #limitMs: number;

  private constructor(source: IpAddress, sourcePort: number, program: LineProgram, last: Promise<string>, ms: number) {
    this.source = source;
    this.sourcePort = sourcePort;
    this.#program = program;
    this.#last = last;
    this.#limitMs = ms;
  }

  /**
   * Resolves when it is ready to connect. Throws NoWayError, ProgramError and HostError.
   * @param probe the program and the arguments that lead to `runTraceProbe`
   */
  static async start(
    probe: readonly string[],
    target: ProbeTarget,
    namespace: Namespace,
    signal: AbortSignal,
  ): Promise<ProbeProcess> {
    const words = [Promise.withResolvers<string>(), Promise.withResolvers<string>()] as const;
    let count = 0;
    const command = [...enter(namespace), ...probe, ...probeArguments(target)];
    const program = new LineProgram(command[0] ?? '', command.slice(1), (line) => words[count++]?.resolve(line));
    try {
      const first = await program.during(words[0].promise, { limitMs: START_LIMIT_MS, signal });
      const start = JSON.parse(first) as ProbeStart;
      if ('error' in start) throw new NoWayError(start.error);
      const source = IpAddress.parse(start.source);
      if (!source) throw new HostError(`the kernel would connect from ${start.source}, which is no address`);
      return new ProbeProcess(source, start.sourcePort, program, words[1].promise, target.limitMs);
    } catch (error) {
      program[Symbol.dispose]();
      throw error;
    }
  }

  /** Connects. Throws ProgramError. */
  async send(signal: AbortSignal): Promise<ProbeOutcome> {
    this.#program.write('go');
    return JSON.parse(
      await this.#program.during(this.#last, { limitMs: this.#limitMs + SPARE_MS, signal }),
    ) as ProbeOutcome;
  }

  [Symbol.dispose](): void {
    this.#program[Symbol.dispose]();
  }
}

/** Files stay this process's own: what is in a pod's image is not used. */
function enter(namespace: Namespace): string[] {
  if (namespace === undefined) return [];
  return 'pid' in namespace
    ? ['nsenter', '--target', String(namespace.pid), '--net', '--']
    : ['nsenter', `--net=${namespace.path}`, '--'];
}
