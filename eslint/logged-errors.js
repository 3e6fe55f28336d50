/**
 * Errors are logged whole, as `{ err: error }`: the stack says where an error comes from, and its causes why. The logger
 * writes type, message and stack. So neither a field of a log line nor its message may be made of the text of an error, and
 * nothing but an error is named `err`. Errors are recognized by their names and casts: no types are needed.
 */

const ERROR_NAME = /^(e|ex|err|error|cause|exception)$|Error$/;
/** Often the name of a string; what has a `message` is an error, though. */
const THROWN_NAME = /^(reason|failure|why)$/;
const LOGGER_NAME = /(logger|outage)$/i;
const TEXTS = new Set(['message', 'stack']);

/** @typedef {import('estree').Node & { expression?: any, typeAnnotation?: any }} Node */

/** The name of a variable, or of the last property of a chain. @param {any} node @returns {string} */
function nameOf(node) {
  if (node.type === 'MemberExpression') return node.computed ? '' : node.property.name;
  return node.type === 'Identifier' ? node.name : '';
}

/** What a cast, a chain or a `!` is about. @param {any} node @returns {any} */
function unwrap(node) {
  const isWrapper = ['TSAsExpression', 'TSNonNullExpression', 'TSSatisfiesExpression', 'ChainExpression'];
  return isWrapper.includes(node.type) ? unwrap(node.expression) : node;
}

/** @param {any} node */
const isCastToError = (node) =>
  node.type === 'TSAsExpression' && /Error$/.test(node.typeAnnotation.typeName?.name ?? '');

/** @param {any} node */
const isError = (node) => isCastToError(node) || ERROR_NAME.test(nameOf(unwrap(node)));

/** `error.message`, `String(error)`, `error.toString()`. @param {any} node */
function isErrorText(node) {
  if (node.type === 'CallExpression') {
    const { callee } = node;
    if (callee.type === 'Identifier') return callee.name === 'String' && node.arguments.some(isError);
    return nameOf(callee) === 'toString' && isError(callee.object);
  }
  if (node.type !== 'MemberExpression' || !TEXTS.has(nameOf(node))) return false;
  return isError(node.object) || THROWN_NAME.test(nameOf(unwrap(node.object)));
}

/** @param {any} node */
function isLoggerCall({ callee }) {
  if (callee.type === 'Identifier') return callee.name === 'logFailure';
  return callee.type === 'MemberExpression' && LOGGER_NAME.test(nameOf(unwrap(callee.object)));
}

/** @type {import('eslint').Rule.RuleModule} */
const loggedErrors = {
  meta: {
    type: 'problem',
    docs: { description: 'Forbid logging the text of an error instead of the error' },
    schema: [],
    messages: { whole: 'Log the error itself: the field err carries its stack and causes.' },
  },
  create(context) {
    /** @type {Set<Node>} */
    const reported = new Set();
    /** @param {Node} node */
    const report = (node) => {
      if (reported.has(node)) return;
      reported.add(node);
      context.report({ node, messageId: 'whole' });
    };

    /** The value that a variable always has. @param {any} node */
    function constantOf(node) {
      /** @type {import('eslint').Scope.Scope | null} */
      let scope = context.sourceCode.getScope(node);
      while (scope && !scope.set.has(node.name)) scope = scope.upper;
      const [definition] = scope?.set.get(node.name)?.defs ?? [];
      const isConstant = definition?.type === 'Variable' && definition.parent.kind === 'const';
      return isConstant && definition.node.id.type === 'Identifier' ? definition.node.init : undefined;
    }

    /** Reports each text of an error that the expression is made of. @param {any} outer @param {any} at where to report @returns {void} */
    function look(outer, at = undefined) {
      const node = unwrap(outer);
      const inner = (/** @type {any[]} */ parts) => parts.forEach((part) => part && look(part, at));
      if (isErrorText(node)) return report(at ?? node);
      switch (node.type) {
        case 'ObjectExpression':
          return inner(node.properties.map((/** @type {any} */ each) => each.value ?? each.argument));
        case 'ArrayExpression':
          return inner(node.elements);
        case 'SpreadElement':
          return inner([node.argument]);
        case 'ConditionalExpression':
          return inner([node.consequent, node.alternate]);
        case 'LogicalExpression':
          return inner([node.left, node.right]);
        case 'BinaryExpression':
          return node.operator === '+' ? inner([node.left, node.right]) : undefined;
        case 'TemplateLiteral':
          if (node.expressions.some(isError)) return report(at ?? node);
          return inner(node.expressions);
        case 'Identifier': {
          const constant = constantOf(node);
          return constant && at === undefined ? look(constant, node) : undefined;
        }
      }
    }

    return {
      /** @param {any} node */
      CallExpression(node) {
        if (isLoggerCall(node)) for (const argument of node.arguments) look(argument);
      },
      /** @param {any} node */
      "Property[key.name='err']"({ value }) {
        const node = unwrap(value);
        const isText = ['TemplateLiteral', 'Literal', 'BinaryExpression'].includes(node.type);
        if (isText || (node.type === 'MemberExpression' && TEXTS.has(nameOf(node)))) report(node);
        else look(node);
      },
    };
  },
};

export default loggedErrors;
