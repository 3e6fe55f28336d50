/**
 * A program nft(8) that stays: starting it takes several times as long as a small transaction does. Its interactive mode makes a
 * transaction of each line, and says nothing unless something is wrong.
 */
import { DeadlineError } from '../../../client/deadline.ts';
import { ProgramError } from '../../host/run.ts';
import { ResidentProgram } from '../../host/resident-program.ts';

/** It keeps the lines that it was given: another one takes its place after so many. */
const LINES_PER_PROGRAM = 200;
/** Another option would have it print what it is told to change. */
const ARGS = ['-i'];
/** Nothing writes a history of commands there. */
const HOME = '/dev/null';
/** A program that can be used answers its first line within this time. */
const START_LIMIT_MS = 5_000;

export class NftSession {
  readonly #limitMs: number;
  readonly #signal: AbortSignal;
  #program: ResidentProgram | undefined;
  #lines = 0;
  /** This nft(8) has no interactive mode, or another one. */
  #isUnusable = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(limitMs: number, signal: AbortSignal) {
    this.#limitMs = limitMs;
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#program?.[Symbol.dispose](), { once: true });
  }

  /**
   * One transaction. Returns false when that is not possible in this way, and nothing has been changed. Throws ProgramError, with an
   * exit code when the transaction was rejected.
   */
  run(line: string): Promise<boolean> {
    const result = this.#last.then(() => this.#run(line));
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #run(line: string): Promise<boolean> {
    const program = await this.#started();
    if (!program) return false;
    let errors: string;
    try {
      errors = await this.#exchange(program, line, this.#limitMs);
    } catch (error) {
      this.#program = undefined;
      if (this.#signal.aborted) throw error;
      // A line at which it crashes is one that it cannot take; one that hangs says nothing of the line.
      const wasKilled = !(error instanceof DeadlineError);
      throw new ProgramError('nft', ARGS, null, (error as Error).message, '', { cause: error, wasKilled });
    }
    if (errors !== '') throw new ProgramError('nft', ARGS, 1, 'rejected', errors);
    return true;
  }

  async #started(): Promise<ResidentProgram | undefined> {
    if (this.#lines >= LINES_PER_PROGRAM || this.#program?.hasEnded) {
      this.#program?.[Symbol.dispose]();
      this.#program = undefined;
    }
    if (this.#program || this.#isUnusable) return this.#program;
    const program = new ResidentProgram('nft', ARGS, { env: { ...process.env, HOME } });
    this.#lines = 0;
    try {
      this.#isUnusable = (await this.#exchange(program, '', START_LIMIT_MS)) !== '';
    } catch (error) {
      if (this.#signal.aborted) throw error;
      this.#isUnusable = true;
    }
    if (this.#isUnusable) program[Symbol.dispose]();
    else this.#program = program;
    return this.#program;
  }

  /** Returns the errors of the line. A command that fails for certain follows it: its error is the end. */
  async #exchange(program: ResidentProgram, line: string, limitMs: number): Promise<string> {
    const end = `list table ip kedge-no-such-table-${this.#lines++}`;
    const stderr = await program.exchange(`${line}\n${end}\n`, `${end}\n`, limitMs, this.#signal);
    const errors = stderr.slice(0, stderr.lastIndexOf(end));
    return errors.slice(0, errors.lastIndexOf('Error: ')).replace(UNDERLINE, '');
  }
}

/** What is left of the end of the line before. */
const UNDERLINE = /^[\s^~]*\n/;
