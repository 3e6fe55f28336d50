/** Processes that run test files, one each or one after the other, and what they report about each. */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { FILE_END, readTap, type TestResult } from './tap-output.ts';

const PROGRAM = path.join(import.meta.dirname, 'test-file-process.ts');
/** Limit of a file in seconds: on SIGALRM tap reports what it is waiting for. */
const FILE_LIMIT_SECONDS = 900;
/** From SIGALRM to SIGKILL, and from the end of the last file to SIGALRM. */
const END_LIMIT_MS = 10_000;

/** A process that test files share. */
export class TestProcess {
  readonly #child: ChildProcess;
  /** Resolves to what ended the process. */
  readonly #closed: Promise<string>;
  readonly #files: string[] = [];
  #lines: string[] = [];
  #fileEnd = Promise.withResolvers<undefined>();
  #hasClosed = false;
  #hasFailed = false;

  constructor(env: NodeJS.ProcessEnv) {
    this.#child = fork(PROGRAM, {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // With TAP_CHILD_ID tap prints no totals of the whole process.
      env: { ...env, TAP_TIMEOUT: String(FILE_LIMIT_SECONDS), TAP_CHILD_ID: '0' },
    });
    for (const input of [this.#child.stdout, this.#child.stderr])
      if (input) createInterface({ input }).on('line', (line) => this.#read(line));
    this.#closed = this.#close();
  }

  /** The files that it has run. */
  get files(): readonly string[] {
    return this.#files;
  }

  get hasClosed(): boolean {
    return this.#hasClosed;
  }

  #read(line: string): void {
    if (line === `# ${FILE_END}`) this.#fileEnd.resolve(undefined);
    else this.#lines.push(line);
  }

  async #close(): Promise<string> {
    const [code, signal] = (await once(this.#child, 'close')) as [number | null, NodeJS.Signals | null];
    this.#hasClosed = true;
    return `ended by ${signal ?? `exit code ${code}`}`;
  }

  /** Resolves when all tests of the file have ended, or the process has. */
  async run(file: string): Promise<TestResult> {
    this.#lines = [];
    this.#fileEnd = Promise.withResolvers();
    this.#files.push(file);
    this.#send({ file });
    const ended = await within(
      FILE_LIMIT_SECONDS * 1000,
      this.#child,
      Promise.race([this.#fileEnd.promise, this.#closed]),
    );
    const result = readTap(this.#lines.join('\n'), ended);
    this.#hasFailed ||= result.failed > 0;
    return result;
  }

  /** Resolves to what kept the process alive after its files, or made it fail; undefined if nothing did. */
  async end(): Promise<string | undefined> {
    if (this.#hasClosed) return undefined;
    this.#lines = [];
    // Its own disconnect would keep `close` from being emitted.
    this.#send({});
    const ended = await within(END_LIMIT_MS, this.#child, this.#closed);
    // After a failed test tap exits with 1.
    if (ended === 'ended by exit code 0' || (this.#hasFailed && ended === 'ended by exit code 1')) return undefined;
    return [...this.#lines, ended].join('\n');
  }

  #send(message: { readonly file?: string }): void {
    // A closed channel belongs to a process that has ended, which #closed tells.
    this.#child.send(message, () => undefined);
  }
}

/** Ends the process when the result takes longer. */
async function within<T>(ms: number, child: ChildProcess, result: Promise<T>): Promise<T> {
  let kill: NodeJS.Timeout | undefined;
  const alarm = setTimeout(() => {
    child.kill('SIGALRM');
    kill = setTimeout(() => child.kill('SIGKILL'), END_LIMIT_MS);
  }, ms);
  try {
    return await result;
  } finally {
    clearTimeout(alarm);
    clearTimeout(kill);
  }
}

/** Runs a file as the program of its own process: tests of the host start themselves again in namespaces. */
export async function runAlone(file: string, env: NodeJS.ProcessEnv): Promise<TestResult> {
  const child = spawn(process.execPath, [file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...env, TAP_TIMEOUT: String(FILE_LIMIT_SECONDS) },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  const [code, signal] = await within(FILE_LIMIT_SECONDS * 1000, child, closed);
  return readTap(output, code === 0 ? undefined : `ended by ${signal ?? `exit code ${code}`}`);
}
