/** As upstream's `k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle/admission_test.go`. */
import t from 'tap';
import { localSubjectAccessReviews } from '../../../api/kinds/authorization/local-subject-access-review.ts';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import { StatusError } from '../../../api/machinery/status-error.ts';
import type { Namespace } from '../../../api/types/core/v1.gen.ts';
import { namespaceLifecycle } from '../../../control-plane/apiserver/admission/namespace-lifecycle.ts';
import type { AdmissionRequest } from '../../../control-plane/apiserver/admission/plugin.ts';
import type { LocalApi, LocalChange } from '../../../control-plane/apiserver/catalogue/local-api.ts';

type Phase = NonNullable<NonNullable<Namespace['status']>['phase']>;
type Operation = AdmissionRequest['operation'];

/** A plugin that knows these namespaces, by phase. `changed` tells it of more, `fresh` is what it waits for. */
function plugin(phases: Record<string, Phase>, fresh?: Promise<void>) {
  let tell: (change: LocalChange<Namespace>) => void = () => undefined;
  const changed = (name: string, phase?: Phase): void =>
    tell({ namespace: '', name, object: phase === undefined ? undefined : { metadata: { name }, status: { phase } } });
  const api = {
    fresh: () => fresh,
    subscribe: (_kind: Kind, onChange: typeof tell) => {
      tell = onChange;
      for (const [name, phase] of Object.entries(phases)) changed(name, phase);
    },
  } as unknown as LocalApi;
  const { mutate } = namespaceLifecycle(api);
  const ask = async (operation: Operation, kind: Kind, namespace: string, name = 'x', subresource = '') => {
    const user = { name: 'jane', groups: [] };
    const rest = { object: { metadata: {} }, old: undefined, user, dryRun: false, warn: () => undefined };
    try {
      await mutate?.({ operation, kind, subresource, namespace, name, ...rest });
      return 'allowed';
    } catch (error) {
      if (error instanceof StatusError) return error.status;
      throw error;
    }
  };
  return { ask, changed };
}

const MISSING = {
  code: 404,
  reason: 'NotFound',
  message: 'namespaces "ns" not found',
  details: { name: 'ns', kind: 'namespaces' },
};
const TERMINATING = {
  code: 403,
  reason: 'Forbidden',
  message: 'pods "x" is forbidden: unable to create new content in namespace ns because it is being terminated',
  details: {
    name: 'x',
    kind: 'pods',
    causes: [
      { reason: 'NamespaceTerminating', message: 'namespace ns is being terminated', field: 'metadata.namespace' },
    ],
  },
};

t.test('what may be done in a namespace, by its phase', async (t) => {
  const table: [phase: Phase | undefined, answers: Record<Operation, string | object>][] = [
    ['Active', { CREATE: 'allowed', UPDATE: 'allowed', DELETE: 'allowed', CONNECT: 'allowed' }],
    ['Terminating', { CREATE: TERMINATING, UPDATE: 'allowed', DELETE: 'allowed', CONNECT: 'allowed' }],
    [undefined, { CREATE: MISSING, UPDATE: MISSING, DELETE: 'allowed', CONNECT: 'allowed' }],
  ];
  for (const [phase, answers] of table) {
    const { ask } = plugin(phase === undefined ? {} : { ns: phase });
    for (const [operation, answer] of Object.entries(answers) as [Operation, string | object][]) {
      for (const subresource of ['', 'status', 'binding']) {
        t.match(await ask(operation, pods, 'ns', 'x', subresource), answer, `${operation} ${subresource} ${phase}`);
      }
      t.equal(await ask(operation, nodes, ''), 'allowed', `${operation} of a node`);
      t.equal(await ask(operation, localSubjectAccessReviews, 'ns'), 'allowed', `${operation} of a review, ${phase}`);
    }
  }
  const { ask } = plugin({ ns: 'Terminating' });
  t.match(await ask('CREATE', pods, 'ns', ''), {
    message: /^pods "Unknown" is forbidden/,
    details: { name: 'Unknown' },
  });
});

t.test(
  'the namespaces of the system cannot be deleted, in whatever phase; all else is done to namespaces',
  async (t) => {
    for (const phase of ['Active', 'Terminating', undefined] as const) {
      for (const name of ['default', 'kube-system', 'kube-public', 'kube-node-lease', 'ns']) {
        const { ask } = plugin(phase === undefined ? {} : { [name]: phase });
        const immortal = name !== 'kube-node-lease' && name !== 'ns';
        const refused = { code: 403, message: `namespaces "${name}" is forbidden: this namespace may not be deleted` };
        t.match(await ask('DELETE', namespaces, '', name), immortal ? refused : 'allowed', `${name} ${phase}`);
        for (const operation of ['CREATE', 'UPDATE'] as const) {
          t.equal(await ask(operation, namespaces, '', name), 'allowed', `${operation} ${name} ${phase}`);
        }
        t.equal(await ask('UPDATE', namespaces, '', name, 'finalize'), 'allowed');
      }
    }
  },
);

t.test('a namespace is missing only when it is once all writes of other servers are seen', async (t) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { ask, changed } = plugin({ old: 'Active' }, promise);
  const answers = Promise.all([
    ask('CREATE', pods, 'ns'),
    ask('UPDATE', pods, 'ns'),
    ask('CREATE', pods, 'nowhere'),
    ask('CREATE', pods, 'ending'),
  ]);
  t.equal(await ask('CREATE', pods, 'old'), 'allowed', 'this one does not wait');
  changed('ns', 'Active');
  changed('ending', 'Terminating');
  resolve();
  t.match(await answers, ['allowed', 'allowed', { code: 404 }, { code: 403 }]);
  changed('ns');
  t.match(await ask('CREATE', pods, 'ns'), MISSING);
});
