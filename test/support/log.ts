/** A logger that keeps its lines. */
import type { Logger } from '../../client/logger.ts';

export class Log implements Logger {
  readonly lines: { level: string; message: string; fields: Record<string, unknown> }[] = [];
  debug = this.#at('debug');
  info = this.#at('info');
  warn = this.#at('warn');
  error = this.#at('error');

  #at(level: string) {
    return (fields: object, message: string) =>
      void this.lines.push({ level, message, fields: fields as Record<string, unknown> });
  }

  /** The log at the default level. */
  get shown(): string[] {
    return this.lines.filter(({ level }) => level !== 'debug').map(({ level, message }) => `${level}: ${message}`);
  }

  count(message: string): number {
    return this.lines.filter((line) => line.message === message).length;
  }
}
