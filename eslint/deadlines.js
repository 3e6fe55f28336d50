/**
 * Every call to something outside of the process needs a deadline. The imports listed here wait for a peer, a child process
 * or the runtime without a limit: a file that uses them must race them with `withDeadline` (client/deadline.ts), or explain
 * in a comment why nothing waits for them.
 */

/** Names that start waiting for something outside, by module; `*` is every value. */
const CALLS_OUT = new Map(
  Object.entries({
    'node:http': ['get', 'request', 'ClientRequest'],
    'node:https': ['get', 'request'],
    'node:http2': ['connect'],
    'node:net': ['connect', 'createConnection', 'Socket'],
    'node:tls': ['connect', 'TLSSocket'],
    'node:child_process': ['*'],
    '@grpc/grpc-js': ['Client', 'makeClientConstructor', 'makeGenericClientConstructor'],
    undici: ['*'],
  }),
);

/** @type {import('eslint').Rule.RuleModule} */
const deadlines = {
  meta: {
    type: 'problem',
    docs: { description: 'Demand withDeadline wherever something waits for a peer or a child process' },
    schema: [],
    messages: {
      endless: '{{ what }} of {{ module }} may never settle: race it with withDeadline of client/deadline.ts.',
      timeout: 'A signal is only a request, not a limit: race the call with withDeadline of client/deadline.ts.',
    },
  },
  create(context) {
    let hasDeadline = false;
    /** @type {{ node: import('estree').Node, module: string, what: string }[]} */
    const found = [];
    /** Local names of whole modules. @type {Map<string, string>} */
    const modules = new Map();

    /** @param {import('estree').Node} node @param {string} module @param {string} what */
    const look = (node, module, what) => {
      const names = CALLS_OUT.get(module) ?? (module.startsWith('undici/') ? ['*'] : []);
      if (names.includes('*') || names.includes(what)) found.push({ node, module, what });
    };

    return {
      ImportDeclaration(node) {
        const module = String(node.source.value);
        if ('importKind' in node && node.importKind === 'type') return;
        for (const specifier of node.specifiers) {
          if ('importKind' in specifier && specifier.importKind === 'type') continue;
          if (specifier.type === 'ImportSpecifier' && specifier.imported.type === 'Identifier') {
            if (specifier.imported.name === 'withDeadline' && module.endsWith('/deadline.ts')) hasDeadline = true;
            look(specifier, module, specifier.imported.name);
          } else {
            modules.set(specifier.local.name, module);
            look(specifier, module, '*');
          }
        }
      },
      MemberExpression(node) {
        if (node.object.type !== 'Identifier' || node.property.type !== 'Identifier') return;
        const module = modules.get(node.object.name);
        if (module !== undefined) look(node, module, node.property.name);
      },
      /** @param {import('estree').Node} node */
      "CallExpression[callee.name='fetch']"(node) {
        found.push({ node, module: 'the language', what: 'fetch' });
      },
      /** @param {import('estree').Node} node */
      "CallExpression[callee.object.name='AbortSignal'][callee.property.name='timeout']"(node) {
        found.push({ node, module: '', what: 'timeout' });
      },
      'Program:exit'() {
        if (hasDeadline) return;
        for (const { node, module, what } of found)
          context.report({ node, messageId: what === 'timeout' ? 'timeout' : 'endless', data: { module, what } });
      },
    };
  },
};

export default deadlines;
