/** The grammar of CEL with optionals: https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax */
import type { Expr, StructExpr } from './ast.ts';
import type { Issue } from './errors.ts';
import { type Token, tokensOf } from './lexer.ts';
import { expandBind, expandHas, expandMember } from './macros.ts';

/** In code points, as upstream limits it. */
const MAX_EXPRESSION_SIZE = 100_000;
/** Of nesting, and of the height of a tree: what is above it cannot be walked by recursion safely. */
const MAX_DEPTH = 250;

const RESERVED: ReadonlySet<string> = new Set([
  ...['as', 'break', 'const', 'continue', 'else', 'false', 'for', 'function', 'if', 'import', 'in', 'let'],
  ...['loop', 'package', 'namespace', 'null', 'return', 'true', 'var', 'void', 'while'],
]);
/** Words that the lexer knows: they are no identifiers, not even after a dot. */
const KEYWORDS: ReadonlySet<string> = new Set(['false', 'in', 'null', 'true']);
const PRIMARY =
  "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";
const RELATIONS: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>=', 'in']);
const MAX_INT64 = 2n ** 63n - 1n;
const MAX_UINT64 = 2n ** 64n - 1n;

/** Ends the parsing at the first syntax error; the issue is reported already. */
class Stopped extends Error {}

/**
 * Parses an expression; what is wrong with it is reported, and then there is no tree.
 * @param hasBindings whether `cel.bind` is a macro
 */
export function parse(expression: string, report: (issue: Issue) => void, hasBindings = false): Expr | undefined {
  const size = expression.length > MAX_EXPRESSION_SIZE ? [...expression].length : expression.length;
  if (size > MAX_EXPRESSION_SIZE) {
    report({
      offset: -1,
      message: `expression code point size exceeds limit: size: ${size}, limit ${MAX_EXPRESSION_SIZE}`,
    });
    return undefined;
  }
  let failed = false;
  const fail = (issue: Issue): void => {
    failed = true;
    report(issue);
  };
  try {
    const tree = new Parser(tokensOf(expression, fail), fail, hasBindings).parse();
    return failed ? undefined : tree;
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    return undefined;
  }
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #report: (issue: Issue) => void;
  readonly #hasBindings: boolean;
  readonly #heights = new Map<Expr, number>();
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], report: (issue: Issue) => void, hasBindings: boolean) {
    this.#tokens = tokens;
    this.#report = report;
    this.#hasBindings = hasBindings;
  }

  parse(): Expr {
    const tree = this.#expression();
    const { kind } = this.#token;
    if (kind !== 'eof') {
      const isLast = this.#tokens[this.#at + 1]?.kind === 'eof';
      this.#stop(`Syntax error: ${isLast ? 'extraneous' : 'mismatched'} input '${this.#token.source}' expecting <EOF>`);
    }
    return tree;
  }

  get #token(): Token {
    const token = this.#tokens[this.#at];
    if (!token) throw new Error('the parser is past the last token');
    return token;
  }

  #fail(offset: number, message: string): Expr {
    this.#report({ offset, message });
    return { kind: 'literal', value: null, offset };
  }

  #stop(message: string, offset = this.#token.offset): never {
    this.#report({ offset, message });
    throw new Stopped(message);
  }

  #is(text: string): boolean {
    const { kind, text: found } = this.#token;
    return found === text && (kind === 'sign' || (kind === 'ident' && KEYWORDS.has(text)));
  }

  #next(): Token {
    const token = this.#token;
    if (token.kind !== 'eof') this.#at += 1;
    return token;
  }

  #accept(text: string): Token | undefined {
    return this.#is(text) ? this.#next() : undefined;
  }

  #expect(text: string): Token {
    const token = this.#accept(text);
    return token ?? this.#stop(`Syntax error: mismatched input '${this.#token.source}' expecting '${text}'`);
  }

  /** Runs what nests, within the limit. */
  #nested(parse: () => Expr): Expr {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) this.#stop(`expression recursion limit exceeded: ${MAX_DEPTH}`, -1);
    const made = parse();
    this.#depth -= 1;
    return made;
  }

  /** Notes the height of a new node: chains of operators are high without nesting. */
  #madeOf(node: Expr, below: readonly Expr[]): Expr {
    let height = 0;
    for (const child of below) height = Math.max(height, this.#heights.get(child) ?? 0);
    if (height > MAX_DEPTH) this.#stop('max recursion depth exceeded', -1);
    this.#heights.set(node, height + 1);
    return node;
  }

  #made(node: Expr, ...below: Expr[]): Expr {
    return this.#madeOf(node, below);
  }

  #call(offset: number, name: string, ...args: Expr[]): Expr {
    return this.#made({ kind: 'call', name, target: undefined, args, offset }, ...args);
  }

  #expression(): Expr {
    return this.#nested(() => {
      const condition = this.#logical('||');
      const question = this.#accept('?');
      if (!question) return condition;
      const whenTrue = this.#logical('||');
      this.#expect(':');
      return this.#call(question.offset, '_?_:_', condition, whenTrue, this.#expression());
    });
  }

  /** Terms of `||` and `&&` are balanced: a long chain is not high. */
  #logical(sign: '&&' | '||'): Expr {
    const parseTerm = (): Expr => (sign === '||' ? this.#logical('&&') : this.#relation());
    const terms = [parseTerm()];
    const offsets: number[] = [];
    for (let operator = this.#accept(sign); operator; operator = this.#accept(sign)) {
      offsets.push(operator.offset);
      terms.push(parseTerm());
    }
    return this.#balanced(`_${sign}_`, terms, offsets, 0, terms.length - 1);
  }

  #balanced(name: string, terms: readonly Expr[], offsets: readonly number[], first: number, last: number): Expr {
    const middle = (first + last + 1) >> 1;
    const term = terms[first];
    if (first === last && term) return term;
    const left = this.#balanced(name, terms, offsets, first, middle - 1);
    const right = this.#balanced(name, terms, offsets, middle, last);
    return this.#call(offsets[middle - 1] ?? 0, name, left, right);
  }

  #relation(): Expr {
    let left = this.#sum();
    while (RELATIONS.has(this.#token.text) && this.#is(this.#token.text)) {
      const { text, offset } = this.#next();
      left = this.#call(offset, text === 'in' ? '@in' : `_${text}_`, left, this.#sum());
    }
    return left;
  }

  #sum(): Expr {
    let left = this.#product();
    while (this.#is('+') || this.#is('-')) {
      const { text, offset } = this.#next();
      left = this.#call(offset, `_${text}_`, left, this.#product());
    }
    return left;
  }

  #product(): Expr {
    let left = this.#unary();
    while (this.#is('*') || this.#is('/') || this.#is('%')) {
      const { text, offset } = this.#next();
      left = this.#call(offset, `_${text}_`, left, this.#unary());
    }
    return left;
  }

  /** Pairs of the same sign cancel each other out, as in cel-go. */
  #unary(): Expr {
    const sign = this.#is('!') ? '!' : this.#is('-') ? '-' : undefined;
    if (sign === undefined) return this.#postfix(this.#primary());
    const { offset } = this.#token;
    let count = 0;
    while (this.#accept(sign)) count += 1;
    // The sign of a number belongs to the literal: -9223372036854775808 is one.
    if (sign === '-' && (this.#token.kind === 'int' || this.#token.kind === 'float')) {
      const literal = this.#postfix(this.#number(this.#next(), '-', offset));
      return count % 2 === 1 ? literal : this.#call(offset, '-_', literal);
    }
    const operand = this.#postfix(this.#primary());
    return count % 2 === 0 ? operand : this.#call(offset, `${sign}_`, operand);
  }

  #postfix(start: Expr): Expr {
    let node = start;
    for (;;) {
      const dot = this.#accept('.');
      const bracket = dot ? undefined : this.#accept('[');
      if (dot) node = this.#member(node, dot.offset);
      else if (bracket) node = this.#index(node, bracket.offset);
      else return node;
    }
  }

  #index(operand: Expr, offset: number): Expr {
    const isOptional = this.#accept('?') !== undefined;
    const index = this.#expression();
    this.#expect(']');
    return this.#call(offset, isOptional ? '_[?_]' : '_[_]', operand, index);
  }

  #member(operand: Expr, dot: number): Expr {
    const isOptional = this.#accept('?') !== undefined;
    const field = this.#fieldName();
    const open = isOptional ? undefined : this.#accept('(');
    if (!open) return this.#made({ kind: 'select', operand, field, isTest: false, isOptional, offset: dot }, operand);
    const args = this.#arguments();
    const { offset } = open;
    const make = { offset, fail: (at: number, text: string) => this.#fail(at, text) };
    const expanded =
      (this.#hasBindings ? expandBind(make, field, operand, args) : undefined) ??
      expandMember(make, field, operand, args);
    const node: Expr = expanded ?? { kind: 'call', name: field, target: operand, args, offset };
    return this.#madeOf(node, [operand, ...args]);
  }

  #fieldName(): string {
    const { kind, text, source } = this.#token;
    const isName = (kind === 'ident' && !KEYWORDS.has(text)) || kind === 'quoted';
    if (!isName) {
      const why = kind === 'eof' ? 'no viable alternative at input' : 'mismatched input';
      this.#stop(kind === 'eof' ? `Syntax error: ${why} '.'` : `Syntax error: ${why} '${source}' expecting IDENTIFIER`);
    }
    return this.#next().text;
  }

  /** After the opening parenthesis. */
  #arguments(): Expr[] {
    const args: Expr[] = [];
    if (this.#accept(')')) return args;
    do args.push(this.#expression());
    while (this.#accept(','));
    this.#expect(')');
    return args;
  }

  #primary(): Expr {
    const token = this.#token;
    const { kind, offset } = token;
    if (kind === 'int' || kind === 'uint' || kind === 'float') return this.#number(this.#next(), '', offset);
    if (kind === 'string') return this.#made({ kind: 'literal', value: this.#next().text, offset });
    if (kind === 'bytes') return this.#made({ kind: 'literal', value: this.#next().bytes ?? new Uint8Array(), offset });
    if (this.#accept('(')) {
      const inner = this.#expression();
      this.#expect(')');
      return inner;
    }
    if (this.#accept('[')) return this.#list(offset);
    if (this.#accept('{')) return this.#map(offset);
    if (kind === 'ident' || this.#is('.')) return this.#identifier();
    return this.#stop(`Syntax error: mismatched input '${token.source}' expecting ${PRIMARY}`);
  }

  #number({ kind, text }: Token, sign: '' | '-', offset: number): Expr {
    if (kind === 'float') {
      const value = Number(sign + text);
      if (!Number.isFinite(value)) return this.#fail(offset, 'invalid double literal');
      return this.#made({ kind: 'literal', value, offset });
    }
    const value = BigInt(text) * (sign === '-' ? -1n : 1n);
    if (kind === 'uint') {
      if (value > MAX_UINT64) return this.#fail(offset, 'invalid uint literal');
      return this.#made({ kind: 'literal', value: { uint: value }, offset });
    }
    if (value > MAX_INT64 || value < -MAX_INT64 - 1n) return this.#fail(offset, 'invalid int literal');
    return this.#made({ kind: 'literal', value, offset });
  }

  #identifier(): Expr {
    const leadingDot = this.#accept('.');
    const { text, offset, kind, source } = this.#token;
    if (kind !== 'ident') this.#stop(`Syntax error: mismatched input '${source}' expecting IDENTIFIER`);
    this.#next();
    if (text === 'true' || text === 'false') return this.#made({ kind: 'literal', value: text === 'true', offset });
    if (text === 'null') return this.#made({ kind: 'literal', value: null, offset });
    if (text === 'in') this.#stop(`Syntax error: mismatched input 'in' expecting ${PRIMARY}`, offset);
    if (RESERVED.has(text)) return this.#fail(offset, `reserved identifier: ${text}`);
    const open = this.#accept('(');
    if (open) {
      const args = this.#arguments();
      const make = { offset: open.offset, fail: (at: number, why: string) => this.#fail(at, why) };
      if (text === 'has' && args.length === 1) return this.#madeOf(expandHas(make, args), args);
      return this.#madeOf({ kind: 'call', name: text, target: undefined, args, offset: open.offset }, args);
    }
    return this.#struct(text) ?? this.#made({ kind: 'ident', name: text, offset: (leadingDot ?? { offset }).offset });
  }

  /** `Name{...}` and `qualified.Name{...}`; undefined when what follows the name is none. */
  #struct(first: string): Expr | undefined {
    let name = first;
    let ahead = this.#at;
    const isSign = (at: number, text: string): boolean => {
      const token = this.#tokens[at];
      return token?.kind === 'sign' && token.text === text;
    };
    while (isSign(ahead, '.') && this.#tokens[ahead + 1]?.kind === 'ident') {
      name += `.${this.#tokens[ahead + 1]?.text}`;
      ahead += 2;
    }
    if (!isSign(ahead, '{')) return undefined;
    this.#at = ahead;
    const { offset } = this.#next();
    const fields: StructExpr['fields'][number][] = [];
    while (!this.#accept('}')) {
      const isOptional = this.#accept('?') !== undefined;
      const field = this.#fieldName();
      const colon = this.#expect(':');
      fields.push({ name: field, value: this.#expression(), isOptional, offset: colon.offset });
      if (this.#accept(',')) continue;
      this.#expect('}');
      break;
    }
    return this.#madeOf(
      { kind: 'struct', name, fields, offset },
      fields.map(({ value }) => value),
    );
  }

  #list(offset: number): Expr {
    const items: { value: Expr; isOptional: boolean }[] = [];
    while (!this.#accept(']')) {
      const isOptional = this.#accept('?') !== undefined;
      items.push({ value: this.#expression(), isOptional });
      if (this.#accept(',')) continue;
      this.#expect(']');
      break;
    }
    return this.#madeOf(
      { kind: 'list', items, offset },
      items.map(({ value }) => value),
    );
  }

  #map(offset: number): Expr {
    const entries: { key: Expr; value: Expr; isOptional: boolean }[] = [];
    while (!this.#accept('}')) {
      const isOptional = this.#accept('?') !== undefined;
      const key = this.#expression();
      this.#expect(':');
      entries.push({ key, value: this.#expression(), isOptional });
      if (this.#accept(',')) continue;
      this.#expect('}');
      break;
    }
    return this.#madeOf(
      { kind: 'map', entries, offset },
      entries.flatMap(({ key, value }) => [key, value]),
    );
  }
}
