/**
 * Keys from outside access properties of plain objects only through `api/machinery/own.ts`. A computed key that may be any
 * string may also be `constructor` or `__proto__`: reading it finds inherited properties, `in` returns true, and writing
 * `__proto__` replaces the prototype. Constant tables are Maps. Keys that are a union of literals are checked by the
 * compiler, keys enumerated from the same object are its own; `delete`, computed keys of object literals and spreads affect
 * own properties only.
 */
import ts from 'typescript';

/**
 * @typedef {import('estree').Node & { parent: import('estree').Node }} Node
 * @typedef {{ program: ts.Program, getTypeAtLocation(node: import('estree').Node): ts.Type }} TypeServices
 */

const SAFE_KEY_FLAGS =
  ts.TypeFlags.NumberLike | ts.TypeFlags.ESSymbolLike | ts.TypeFlags.StringLiteral | ts.TypeFlags.Never;

/** @type {ReadonlySet<string>} */
const ASSERTIONS = new Set(['TSAsExpression', 'TSTypeAssertion', 'TSNonNullExpression', 'TSSatisfiesExpression']);

/**
 * Whether a key of this type may be any string.
 * @param {ts.Type} type
 * @param {ts.TypeChecker} checker
 * @returns {boolean}
 */
function mayBeAnyString(type, checker) {
  if (type.isUnion()) return type.types.some((member) => mayBeAnyString(member, checker));
  if (type.isIntersection()) return type.types.every((member) => mayBeAnyString(member, checker));
  if (type.flags & (SAFE_KEY_FLAGS | ts.TypeFlags.Index)) return false;
  // The declared constraint: the checker resolves `keyof T` to string.
  const declared = type.symbol?.declarations?.find(ts.isTypeParameterDeclaration)?.constraint;
  return declared === undefined || mayBeAnyString(checker.getTypeFromTypeNode(declared), checker);
}

/** @type {import('eslint').Rule.RuleModule} */
const ownKeys = {
  meta: {
    type: 'problem',
    docs: { description: 'Disallow property access with a key that may be any string' },
    messages: {
      read: 'This key may be any string, also "constructor": read it with own() of api/machinery/own.ts, or use a Map.',
      write:
        'This key may be any string, also "__proto__": write it with setOwn() of api/machinery/own.ts, or use a Map.',
      in: '"in" also finds what every object inherits: use Object.hasOwn(), or a Map.',
      assign:
        'Object.assign() lets a key "__proto__" change what the target inherits: spread into a new object instead.',
    },
    schema: [],
  },
  create(context) {
    const services = /** @type {TypeServices} */ (context.sourceCode.parserServices);
    const checker = services.program.getTypeChecker();

    /**
     * A type assertion on a key proves nothing: the type of the asserted expression counts. @param {import('estree').Node}
     * key
     */
    const isOutside = (key) => {
      let node = key;
      while ('expression' in node && ASSERTIONS.has(node.type)) node = /** @type {Node} */ (node.expression);
      return mayBeAnyString(services.getTypeAtLocation(node), checker);
    };

    /** @param {import('estree').Node} object */
    const isKeyedByStrings = (object) => {
      const type = services.getTypeAtLocation(object);
      const members = type.isUnion() ? type.types : [type];
      return members.some(
        (member) =>
          (member.flags & ts.TypeFlags.Any) !== 0 ||
          checker.getIndexInfoOfType(checker.getApparentType(member), ts.IndexKind.String) !== undefined,
      );
    };

    /**
     * Whether the key was enumerated from this very object: `for (const key in object)`.
     * @param {import('estree').MemberExpression} node
     */
    const isEnumerated = (node) => {
      if (node.property.type !== 'Identifier') return false;
      const { name } = node.property;
      let scope = /** @type {import('eslint').Scope.Scope | null} */ (context.sourceCode.getScope(node));
      while (scope && !scope.set.has(name)) scope = scope.upper;
      const declaration = scope?.set.get(name)?.defs[0]?.parent;
      const loop = declaration && /** @type {Node} */ (/** @type {unknown} */ (declaration)).parent;
      if (!loop || !('left' in loop) || loop.left !== declaration) return false;
      const enumerated = context.sourceCode.getText(loop.right);
      const object = context.sourceCode.getText(node.object);
      if (loop.type === 'ForInStatement') return enumerated === object;
      return loop.type === 'ForOfStatement' && enumerated === `Object.keys(${object})`;
    };

    return {
      MemberExpression(node) {
        if (!node.computed || !isOutside(node.property) || isEnumerated(node)) return;
        const { parent } = /** @type {Node} */ (/** @type {unknown} */ (node));
        if (parent.type === 'UnaryExpression' && parent.operator === 'delete') return;
        const isTarget =
          (parent.type === 'AssignmentExpression' && parent.left === node) || parent.type === 'UpdateExpression';
        context.report({ node: node.property, messageId: isTarget ? 'write' : 'read' });
      },
      ObjectPattern(node) {
        for (const property of node.properties) {
          if (property.type !== 'Property' || !property.computed || !isOutside(property.key)) continue;
          context.report({ node: property.key, messageId: 'read' });
        }
      },
      BinaryExpression(node) {
        if (node.operator !== 'in' || node.left.type === 'PrivateIdentifier') return;
        if (isOutside(node.left)) context.report({ node: node.left, messageId: 'in' });
      },
      CallExpression(node) {
        if (context.sourceCode.getText(node.callee) !== 'Object.assign') return;
        const [, ...sources] = node.arguments;
        for (const source of sources) {
          const from = source.type === 'SpreadElement' ? source.argument : source;
          if (isKeyedByStrings(from)) context.report({ node: source, messageId: 'assign' });
        }
      },
    };
  },
};

export default ownKeys;
