/** Parsed expressions. Macros are expanded: what is checked, estimated and evaluated has comprehensions in their place. */
import type { CelType } from './types.ts';

interface Node {
  /** Where it is in the source, in UTF-16 units: of an operator its sign, of a call its parenthesis. */
  readonly offset: number;
  /** Set by the checker. */
  type?: CelType;
}

export type Literal = null | boolean | bigint | number | string | Uint8Array | UintLiteral;
/** An unsigned integer: `1u`. */
export interface UintLiteral {
  readonly uint: bigint;
}

export interface LiteralExpr extends Node {
  readonly kind: 'literal';
  readonly value: Literal;
}

export interface IdentExpr extends Node {
  readonly kind: 'ident';
  readonly name: string;
}

/** `operand.field`; with `isTest`, `has(operand.field)`; with `isOptional`, `operand.?field`. */
export interface SelectExpr extends Node {
  readonly kind: 'select';
  readonly operand: Expr;
  readonly field: string;
  readonly isTest: boolean;
  readonly isOptional: boolean;
  /** Set by the checker: the whole is the name of a variable or a type, as `google.protobuf.Timestamp`. */
  qualified?: string;
}

/** Operators are calls too, of functions like `_+_`. */
export interface CallExpr extends Node {
  readonly kind: 'call';
  readonly name: string;
  readonly target: Expr | undefined;
  readonly args: readonly Expr[];
  /** Set by the checker: the function, which has a qualified name where the target is a namespace; and the overloads that may apply. */
  resolved?: { readonly name: string; readonly isMember: boolean; readonly overloads: readonly string[] };
}

export interface ListExpr extends Node {
  readonly kind: 'list';
  readonly items: readonly { readonly value: Expr; readonly isOptional: boolean }[];
}

export interface MapExpr extends Node {
  readonly kind: 'map';
  readonly entries: readonly { readonly key: Expr; readonly value: Expr; readonly isOptional: boolean }[];
}

/** `Name{field: value}`. */
export interface StructExpr extends Node {
  readonly kind: 'struct';
  readonly name: string;
  readonly fields: readonly {
    readonly name: string;
    readonly value: Expr;
    readonly isOptional: boolean;
    readonly offset: number;
  }[];
}

/** A fold over a list or the keys of a map; with `second`, over indices and items, or keys and values. */
export interface ComprehensionExpr extends Node {
  readonly kind: 'comprehension';
  readonly range: Expr;
  readonly variable: string;
  readonly second: string | undefined;
  readonly accumulator: string;
  readonly init: Expr;
  /** The fold ends when this is false. */
  readonly condition: Expr;
  readonly step: Expr;
  readonly result: Expr;
}

export type Expr =
  LiteralExpr | IdentExpr | SelectExpr | CallExpr | ListExpr | MapExpr | StructExpr | ComprehensionExpr;

/** Visits every node once: macros may have a node in two places, and what nests them would have it in very many. */
export function visitOnce(tree: Expr, visit: (expr: Expr) => void): void {
  const seen = new Set<Expr>([tree]);
  for (const expr of seen) {
    visit(expr);
    for (const child of childrenOf(expr)) seen.add(child);
  }
}

/** The nodes right below a node. */
export function childrenOf(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case 'literal':
    case 'ident':
      return [];
    case 'select':
      return expr.qualified === undefined ? [expr.operand] : [];
    case 'call':
      return expr.target && (expr.resolved?.isMember ?? true) ? [expr.target, ...expr.args] : expr.args;
    case 'list':
      return expr.items.map(({ value }) => value);
    case 'map':
      return expr.entries.flatMap(({ key, value }) => [key, value]);
    case 'struct':
      return expr.fields.map(({ value }) => value);
    case 'comprehension':
      return [expr.range, expr.init, expr.condition, expr.step, expr.result];
  }
}
