/** The errors of expressions, with the messages of cel-go. */

/** A problem at a place of an expression; `offset` is in UTF-16 units, negative for a problem of the whole expression. */
export interface Issue {
  readonly offset: number;
  readonly message: string;
}

const MAX_ISSUES = 100;
/** No issue is added to a longer message: each repeats its line. */
const MAX_MESSAGE = 16_384;
/** Longer lines are not shown below a message. */
const MAX_SNIPPET_BYTES = 16_384;
const isWide = (character: string): boolean => (character.codePointAt(0) ?? 0) > 0x7f;

/** An expression that is not well-formed, or whose types do not fit. The message names every problem and its place. */
export class CelCompileError extends Error {
  readonly issues: readonly Issue[];
  /** What upstream says has failed: `compilation failed: ...`. */
  readonly stage: 'compilation' | 'instantiation' = 'compilation';
  constructor(expression: string, issues: readonly Issue[]) {
    super(formatIssues(expression, issues));
    this.name = 'CelCompileError';
    this.issues = issues;
  }
}

/** An expression that is well-typed, but has a literal that no program can be made with. */
export class CelInstantiationError extends CelCompileError {
  override readonly stage = 'instantiation';
  constructor(why: string) {
    super('', []);
    this.name = 'CelInstantiationError';
    this.message = why;
  }
}

/**
 * Why an evaluation has no result: `failed` for an error of the expression itself (`no such key: a`), `cost` when it cost more than one
 * evaluation may.
 */
export class CelRuntimeError extends Error {
  readonly reason: 'cost' | 'failed';
  /** What the evaluation cost until then. */
  readonly cost: number;
  constructor(message: string, reason: 'cost' | 'failed', cost: number) {
    super(message);
    this.name = 'CelRuntimeError';
    this.reason = reason;
    this.cost = cost;
  }
}

/** As cel-go shows them: every problem with its line and a mark below its place. */
function formatIssues(expression: string, issues: readonly Issue[]): string {
  const starts = lineStarts(expression);
  const sorted = issues
    .map((issue, index) => ({ issue, index }))
    .sort((left, right) => left.issue.offset - right.issue.offset || left.index - right.index);
  const lines: string[] = [];
  let size = 0;
  for (const { issue } of sorted) {
    if (lines.length === MAX_ISSUES || size > MAX_MESSAGE) break;
    const line = formatIssue(expression, starts, issue);
    size += line.length;
    lines.push(line);
  }
  if (sorted.length > lines.length) lines.push(`${sorted.length - lines.length} more errors were truncated`);
  return lines.join('\n');
}

function lineStarts(expression: string): number[] {
  const starts = [0];
  for (let at = expression.indexOf('\n'); at >= 0; at = expression.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

function formatIssue(expression: string, starts: readonly number[], { offset, message }: Issue): string {
  if (offset < 0) return `ERROR: <input>:-1:0: ${message}`;
  // There is nothing to show, and upstream counts the column from 0 then.
  if (expression === '') return `ERROR: <input>:1:0: ${message}`;
  let line = starts.findIndex((start) => start > offset);
  line = line < 0 ? starts.length : line;
  const start = starts[line - 1] ?? 0;
  const end = starts[line] === undefined ? expression.length : (starts[line] ?? 0) - 1;
  const before = [...expression.slice(start, offset)];
  const head = `ERROR: <input>:${line}:${before.length + 1}: ${message}`;
  const snippet = expression.slice(start, end).replaceAll('\t', ' ');
  if (Buffer.byteLength(snippet) > MAX_SNIPPET_BYTES) return head;
  const [at = ' '] = [...expression.slice(offset, end)];
  const dots = before.map((character) => (isWide(character) ? '\uff0e' : '.')).join('');
  return `${head}\n | ${snippet}\n | ${dots}${isWide(at) ? '\uff3e' : '^'}`;
}
