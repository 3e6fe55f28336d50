import t from 'tap';
import { isEmpty, namespaceConditions } from '../../../control-plane/controllers/garbage/namespace.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const nothing = { remaining: new Map(), finalizers: new Map(), discoveryFailures: [], deletionFailures: [] };

t.test('the conditions of a namespace say what blocks its deletion, and are updated', async (t) => {
  const content = {
    remaining: new Map([
      ['pods.', 2],
      ['configmaps.', 1],
    ]),
    finalizers: new Map([['example.com/hold', 1]]),
    discoveryFailures: [],
    deletionFailures: ['things.example.com: no'],
  };
  t.notOk(isEmpty(content));
  const conditions = namespaceConditions({}, content, NOW);
  t.match(
    conditions.filter(({ status }) => status === 'True'),
    [
      {
        type: 'NamespaceDeletionContentFailure',
        reason: 'ContentDeletionFailed',
        message: 'Failed to delete all resource types, 1 remaining: things.example.com: no',
      },
      {
        type: 'NamespaceContentRemaining',
        reason: 'SomeResourcesRemain',
        message: 'Some resources are remaining: configmaps. has 1 resource instances, pods. has 2 resource instances',
        lastTransitionTime: '2026-01-01T00:00:00Z',
      },
      {
        type: 'NamespaceFinalizersRemaining',
        reason: 'SomeFinalizersRemain',
        message: 'Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances',
      },
    ],
  );
  const status = { conditions: [...conditions] };
  t.strictSame(namespaceConditions({ status }, content, NOW + 5000), conditions, 'nothing new');
  const later = namespaceConditions({ status }, { ...content, remaining: new Map([['pods.', 1]]) }, NOW + 5000);
  t.match(
    later.find(({ type }) => type === 'NamespaceContentRemaining'),
    {
      message: 'Some resources are remaining: pods. has 1 resource instances',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    },
  );
  t.ok(isEmpty(nothing));
  t.ok(namespaceConditions({ status }, nothing, NOW).every(({ status }) => status === 'False'));
});
