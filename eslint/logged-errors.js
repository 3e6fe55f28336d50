/**
 * Errors are logged whole, as `{ err: error }`: the stack says where an error comes from, and its causes why. The logger
 * writes type, message and stack.
 */

/** @type {import('eslint').Rule.RuleModule} */
const loggedErrors = {
  meta: {
    type: 'problem',
    docs: { description: 'Forbid logging the message of an error alone' },
    schema: [],
    messages: { whole: 'Log the error itself: the field err carries its stack and causes.' },
  },
  create(context) {
    return {
      /** @param {import('estree').Property} node */
      "Property[key.name='err'] > MemberExpression.value[property.name=/^(message|stack)$/]"(node) {
        context.report({ node, messageId: 'whole' });
      },
      /** @param {import('estree').Property} node */
      "Property[key.name='err'] > :matches(TemplateLiteral, Literal).value"(node) {
        context.report({ node, messageId: 'whole' });
      },
    };
  },
};

export default loggedErrors;
