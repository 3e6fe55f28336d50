import t from 'tap';
import { Expectations } from '../../../../control-plane/controllers/framework/expectations.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');

t.test('a stale cache is not acted on, whichever of response and event comes first', async (t) => {
  const expectations = new Expectations();
  t.ok(expectations.isSatisfied('rs', NOW));
  expectations.begin('rs', NOW);
  expectations.observeCreation('rs', 'a');
  expectations.expectCreation('rs', 'a');
  expectations.expectCreation('rs', 'b');
  t.notOk(expectations.isSatisfied('rs', NOW));
  expectations.observeDeletion('rs', 'b');
  t.notOk(expectations.isSatisfied('rs', NOW), 'a deletion is not a creation');
  expectations.observeCreation('rs', 'b');
  t.ok(expectations.isSatisfied('rs', NOW));
  expectations.begin('rs', NOW);
  expectations.expectCreation('rs', 'lost');
  t.notOk(expectations.isSatisfied('rs', NOW + 299_000));
  t.ok(expectations.isSatisfied('rs', NOW + 300_000), 'a missing event does not block forever');
});

t.test('a round that creates and deletes waits for both', async (t) => {
  const expectations = new Expectations();
  expectations.begin('rs', NOW);
  expectations.expectCreation('rs', 'a');
  expectations.begin('rs', NOW);
  expectations.expectDeletion('rs', 'b');
  expectations.observeDeletion('rs', 'b');
  t.notOk(expectations.isSatisfied('rs', NOW));
  expectations.observeCreation('rs', 'a');
  t.ok(expectations.isSatisfied('rs', NOW));
});

t.test('deletions are expected like creations, and a deleted owner expects nothing', async (t) => {
  const expectations = new Expectations();
  expectations.begin('rs', NOW);
  expectations.expectDeletion('rs', 'a');
  t.notOk(expectations.isSatisfied('rs', NOW));
  t.ok(expectations.isSatisfied('other', NOW));
  expectations.observeDeletion('rs', 'a');
  t.ok(expectations.isSatisfied('rs', NOW));
  expectations.begin('rs', NOW);
  expectations.expectDeletion('rs', 'b');
  expectations.forget('rs');
  t.ok(expectations.isSatisfied('rs', NOW));
});
