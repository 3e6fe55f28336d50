/** Literals that would fail at every evaluation are rejected when an expression is compiled, as cel-go's `validators.go` does. */
import { childrenOf, type Expr } from './ast.ts';
import type { Issue } from './errors.ts';
import { compilePattern } from '../structural/pattern.ts';
import { parseDuration, parseTimestamp } from './library/time-text.ts';
import { Failure } from './values.ts';

const isInvalid: ReadonlyMap<string, (text: string) => boolean> = new Map([
  ['duration', (text) => parseDuration(text) instanceof Failure],
  ['timestamp', (text) => parseTimestamp(text) instanceof Failure],
  ['matches', (text) => compilePattern(text) === undefined],
]);

export function literalIssues(tree: Expr): Issue[] {
  const issues: Issue[] = [];
  const visit = (expr: Expr): void => {
    for (const child of childrenOf(expr)) visit(child);
    if (expr.kind !== 'call') return;
    const argument = expr.name === 'matches' && !expr.target ? expr.args[1] : expr.args[0];
    if (argument?.kind !== 'literal' || typeof argument.value !== 'string') return;
    if (isInvalid.get(expr.name)?.(argument.value))
      issues.push({ offset: argument.offset, message: `invalid ${expr.name} argument` });
  };
  visit(tree);
  return issues;
}
