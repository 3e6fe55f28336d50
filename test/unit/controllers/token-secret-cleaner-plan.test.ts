import { test } from 'tap';
import {
  cleanUpOf,
  isListedBy,
  isUsedBy,
} from '../../../control-plane/controllers/accounts/token-secret-cleaner-plan.ts';
import type { PodSpec } from '../../../api/types/core/v1.gen.ts';

const NOW = Date.parse('2026-06-15T12:00:00Z');
const LAST_USED = 'kubernetes.io/legacy-token-last-used';
const INVALID_SINCE = 'kubernetes.io/legacy-token-invalid-since';

const token = (labels: Record<string, string>, metadata: object = {}) => ({
  type: 'kubernetes.io/service-account-token',
  metadata: { creationTimestamp: '2024-01-01T00:00:00Z', labels, ...metadata },
});

test('what becomes of a token that nobody uses', (t) => {
  for (const [what, secret, wanted] of [
    ['never used', token({}), { invalidSince: '2026-06-15' }],
    ['used long ago', token({ [LAST_USED]: '2025-06-13' }), { invalidSince: '2026-06-15' }],
    ['used on the first day that counts', token({ [LAST_USED]: '2025-06-15' }), 'keep'],
    ['used last week', token({ [LAST_USED]: '2026-06-08' }), 'keep'],
    ['used on a day that cannot be read', token({ [LAST_USED]: 'yesterday' }), 'keep'],
    ['new', token({}, { creationTimestamp: '2025-06-16T00:00:00Z' }), 'keep'],
    ['being deleted', token({}, { deletionTimestamp: '2026-06-01T00:00:00Z' }), 'keep'],
    ['no token', { ...token({}), type: 'Opaque' }, 'keep'],
    ['invalid since last week', token({ [INVALID_SINCE]: '2026-06-08' }), 'keep'],
    ['invalid for a year', token({ [INVALID_SINCE]: '2025-06-13' }), 'delete'],
    ['invalid since a day that cannot be read', token({ [INVALID_SINCE]: '1' }), { invalidSince: '2026-06-15' }],
    ['invalid, and used again', token({ [INVALID_SINCE]: '2025-01-01', [LAST_USED]: '2026-06-14' }), 'keep'],
  ] as const)
    t.strictSame(cleanUpOf(secret, NOW), wanted, what);
  t.end();
});

test('only what a control plane has made is cleaned up', (t) => {
  t.ok(isListedBy({ secrets: [{ name: 'a' }, { name: 'b' }] }, 'b'));
  t.notOk(isListedBy({ secrets: [{ name: 'a' }] }, 'b'));
  t.notOk(isListedBy({}, 'b'));
  t.notOk(isListedBy(undefined, 'b'), 'the account is gone');
  t.end();
});

test('and nothing that a pod has', (t) => {
  const container = { name: 'c' };
  const withSpec = (spec: PodSpec) => isUsedBy({ spec }, 's');
  const specs: readonly [string, PodSpec][] = [
    ['a volume', { containers: [container], volumes: [{ name: 'v', secret: { secretName: 's' } }] }],
    [
      'a projected volume',
      { containers: [container], volumes: [{ name: 'v', projected: { sources: [{ secret: { name: 's' } }] } }] },
    ],
    [
      'a variable',
      { containers: [{ ...container, env: [{ name: 'E', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] }] },
    ],
    [
      'variables of an init container',
      { containers: [container], initContainers: [{ ...container, envFrom: [{ secretRef: { name: 's' } }] }] },
    ],
    ['pulls', { containers: [container], imagePullSecrets: [{ name: 's' }] }],
  ];
  for (const [what, spec] of specs) t.ok(withSpec(spec), what);
  t.notOk(withSpec({ containers: [container], volumes: [{ name: 's', secret: { secretName: 'other' } }] }));
  t.end();
});
