/**
 * The wall clock is set by people and NTP, in both directions and by hours. A duration, a deadline or an age that is computed with it ends at once,
 * or hours late. `performance.now()` is for those; for times that objects, tokens and certificates state there is client/clock.ts.
 */

const ARITHMETIC = new Set(['+', '-', '<', '>', '<=', '>=']);

/** @type {import('eslint').Rule.RuleModule} */
const wallClock = {
  meta: {
    type: 'problem',
    docs: { description: 'Keep durations, deadlines and ages off the wall clock' },
    schema: [],
    messages: {
      duration:
        'The wall clock may be set: durations are of performance.now(), and times that others have stated are compared by client/clock.ts.',
    },
  },
  create(context) {
    /** @param {import('estree').Node} node @returns {boolean} */
    const isWallClock = (node) => {
      if (node.type === 'NewExpression')
        return node.callee.type === 'Identifier' && node.callee.name === 'Date' && node.arguments.length === 0;
      if (node.type !== 'CallExpression' || node.callee.type !== 'MemberExpression') return false;
      const { object, property } = node.callee;
      if (property.type !== 'Identifier') return false;
      if (object.type === 'Identifier') return object.name === 'Date' && property.name === 'now';
      return property.name === 'getTime' && isWallClock(object);
    };
    /** Variables that are the wall clock's time and are set once, by their scope. @param {import('estree').Node} node */
    const isVariableOfIt = (node) => {
      if (node.type !== 'Identifier') return false;
      for (let scope = context.sourceCode.getScope(node); scope; scope = /** @type {any} */ (scope.upper)) {
        const variable = scope.set.get(node.name);
        if (!variable) continue;
        const [definition] = variable.defs;
        return definition?.type === 'Variable' && !!definition.node.init && isWallClock(definition.node.init);
      }
      return false;
    };
    return {
      BinaryExpression(node) {
        if (!ARITHMETIC.has(node.operator)) return;
        const [left, right] = [/** @type {import('estree').Node} */ (node.left), node.right];
        // Two readings of the clock are a duration, whatever they are called; one reading beside something else is, too, where it is written out.
        if (isWallClock(left) || isWallClock(right)) context.report({ node, messageId: 'duration' });
        else if (isVariableOfIt(left) && isVariableOfIt(right)) context.report({ node, messageId: 'duration' });
      },
      AssignmentExpression(node) {
        if ((node.operator === '+=' || node.operator === '-=') && isWallClock(node.right))
          context.report({ node, messageId: 'duration' });
      },
    };
  },
};

export default wallClock;
