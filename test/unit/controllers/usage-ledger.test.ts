import t from 'tap';
import { UsageLedger, WRITE_LIMIT_MS } from '../../../control-plane/controllers/quota/usage-ledger.ts';

const QUOTA = 'apps/few';
const NOW = Date.parse('2026-01-02T03:04:05Z');
const amounts = (pods: string, cpu?: string) => new Map([['pods', pods], ...(cpu ? [['cpu', cpu] as const] : [])]);

t.test('usage is lowered by what was deleted while a charge may still be written, and freely afterwards', async (t) => {
  const ledger = new UsageLedger();
  ledger.charge(QUOTA, amounts('1'), NOW);
  ledger.free(QUOTA, amounts('1', '250m'));
  ledger.free(QUOTA, amounts('1'));
  const freed = ledger.takeFreed(QUOTA);
  t.strictSame(freed, amounts('2', '250m'));
  const floor = (name: string, used: string, now = NOW) => ledger.floor(QUOTA, name, used, freed, now);
  t.equal(floor('pods', '5'), '3', 'the two that are gone, not the one that was charged');
  t.equal(floor('pods', '1'), '0', 'more was deleted than charged: it was created before the quota');
  t.equal(floor('cpu', '1'), undefined, 'nothing of it is being written');
  t.equal(floor('pods', '5', NOW + WRITE_LIMIT_MS - 1), '3');
  t.equal(floor('pods', '5', NOW + WRITE_LIMIT_MS), undefined, 'the write has ended');
});

t.test('what was freed counts once, and again when it could not be applied', async (t) => {
  const ledger = new UsageLedger();
  ledger.free(QUOTA, amounts('1'));
  const freed = ledger.takeFreed(QUOTA);
  t.equal(ledger.takeFreed(QUOTA).size, 0);
  ledger.free(QUOTA, amounts('1'));
  ledger.free(QUOTA, freed);
  t.strictSame(ledger.takeFreed(QUOTA), amounts('2'));
});

t.test('a quota of the same name begins anew', async (t) => {
  const ledger = new UsageLedger();
  ledger.charge(QUOTA, amounts('1'), NOW);
  ledger.free(QUOTA, amounts('1'));
  ledger.forget(QUOTA);
  t.equal(ledger.takeFreed(QUOTA).size, 0);
  t.equal(ledger.floor(QUOTA, 'pods', '5', amounts('0'), NOW), undefined);
});
