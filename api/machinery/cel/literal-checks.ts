/** What of literals is rejected after types have been checked: cel-go's `validators.go`, as far as Kubernetes has them. */
import { compileOrExplain, compilePattern } from '../structural/pattern.ts';
import { childrenOf, type Expr, visitOnce } from './ast.ts';
import type { Issue } from './errors.ts';
import { parseDuration, parseTimestamp, timestampOf } from './library/time-text.ts';
import { type CelType, DYN, formatType, isSameType, unwrapped } from './types.ts';
import { Failure } from './values.ts';

const isInvalid: ReadonlyMap<string, (text: string) => boolean> = new Map([
  ['duration', (text) => parseDuration(text) instanceof Failure],
  ['timestamp', (text) => parseTimestamp(text) instanceof Failure],
  ['matches', (text) => compilePattern(text) === undefined],
]);

/** Literal arguments that would fail at every evaluation, and lists and maps of values of different types. */
export function literalIssues(tree: Expr): Issue[] {
  const issues: Issue[] = [];
  const formatted = new Set<Expr>();
  visitOnce(tree, (expr) => {
    if (expr.kind === 'call') checkArgument(expr, issues);
    const isFormatted = formatted.has(expr);
    if (!isFormatted) checkTypes(expr, issues);
    if (isFormatted || (expr.kind === 'call' && expr.name === 'format'))
      for (const child of childrenOf(expr)) formatted.add(child);
  });
  return issues;
}

function checkArgument({ name, args }: Expr & { kind: 'call' }, issues: Issue[]): void {
  const [argument] = args;
  if (argument?.kind !== 'literal') return;
  const { value } = argument;
  const isWrong =
    typeof value === 'string'
      ? isInvalid.get(name)?.(value)
      : name === 'timestamp' && typeof value === 'bigint' && timestampOf(value * 1_000_000_000n) instanceof Failure;
  if (isWrong) issues.push({ offset: argument.offset, message: `invalid ${name} argument` });
}

/** Why a literal pattern of `find` or `findAll` is none; upstream compiles these after everything else. */
export function patternProblem(tree: Expr): string | undefined {
  let problem: string | undefined;
  visitOnce(tree, (expr) => {
    if (problem !== undefined || expr.kind !== 'call' || !expr.target) return;
    const [pattern] = expr.name === 'find' || expr.name === 'findAll' ? expr.args : [];
    const text = pattern?.kind === 'literal' ? pattern.value : undefined;
    const compiled = typeof text === 'string' ? compileOrExplain(text) : undefined;
    if (typeof compiled === 'string') problem = compiled;
  });
  return problem;
}

/** Only what `format` is given may be mixed. */
function checkTypes(expr: Expr, issues: Issue[]): void {
  if (expr.kind === 'list') checkSame(expr.items, issues);
  if (expr.kind !== 'map') return;
  checkSame(
    expr.entries.map(({ key }) => ({ value: key, isOptional: false })),
    issues,
  );
  checkSame(expr.entries, issues);
}

function checkSame(entries: readonly { readonly value: Expr; readonly isOptional: boolean }[], issues: Issue[]): void {
  let first: CelType | undefined;
  for (const { value, isOptional } of entries) {
    const given = value.type ?? DYN;
    const type = isOptional ? (unwrapped(given) ?? given) : given;
    first ??= type;
    if (isSameType(first, type)) continue;
    const message = `expected type '${formatType(first)}' but found '${formatType(type)}'`;
    issues.push({ offset: value.offset, message });
    return;
  }
}
