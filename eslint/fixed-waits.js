/**
 * Tests wait for a condition or an event, never for a fixed time, which is too short on a busy machine and too long on an
 * idle one: `eventually` of test/support/wait.ts polls with a limit. A timer that limits something else is allowed.
 */

const MODULES = new Set(['node:timers/promises', 'timers/promises']);

/** @type {import('eslint').Rule.RuleModule} */
const fixedWaits = {
  meta: {
    type: 'problem',
    docs: { description: 'Forbid waiting for a fixed time' },
    schema: [],
    messages: {
      wait: 'Wait for a condition or an event, not for a fixed time: see eventually() in test/support/wait.ts.',
    },
  },
  create(context) {
    /** Local names of waiting functions. @type {Set<string>} */
    const waits = new Set();
    /** Local names of the whole module, or of its `scheduler`. @type {Set<string>} */
    const modules = new Set();

    return {
      ImportDeclaration(node) {
        if (!MODULES.has(String(node.source.value))) return;
        for (const specifier of node.specifiers) {
          const { name } = specifier.local;
          const imported =
            specifier.type === 'ImportSpecifier' && specifier.imported.type === 'Identifier'
              ? specifier.imported.name
              : undefined;
          if (imported === 'setTimeout') waits.add(name);
          else if (imported === undefined || imported === 'scheduler') modules.add(name);
        }
      },
      CallExpression(node) {
        const { callee } = node;
        const isWait =
          callee.type === 'Identifier'
            ? waits.has(callee.name)
            : callee.type === 'MemberExpression' &&
              callee.object.type === 'Identifier' &&
              modules.has(callee.object.name) &&
              callee.property.type === 'Identifier' &&
              ['setTimeout', 'wait'].includes(callee.property.name);
        if (isWait) context.report({ node, messageId: 'wait' });
      },
      /** `new Promise((resolve) => setTimeout(resolve, ms))` @param {import('estree').CallExpression} node */
      "NewExpression[callee.name='Promise'] CallExpression[callee.name='setTimeout']"(node) {
        const [settle] = node.arguments;
        const executor = context.sourceCode.getAncestors(node).findLast(({ type }) => type.includes('Function'));
        const parameters = executor && 'params' in executor ? executor.params : [];
        const [resolve] = parameters;
        if (settle?.type === 'Identifier' && resolve?.type === 'Identifier' && settle.name === resolve.name)
          context.report({ node, messageId: 'wait' });
      },
    };
  },
};

export default fixedWaits;
