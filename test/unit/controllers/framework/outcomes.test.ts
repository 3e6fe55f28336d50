import t from 'tap';
import { forbidden, internalError, notFound } from '../../../../api/machinery/status-error.ts';
import { pods } from '../../../../client/resources.gen.ts';
import { allOrFirstFailure, isRefusal } from '../../../../control-plane/controllers/framework/outcomes.ts';

t.test('the first failure is thrown when no request is in flight any more', async (t) => {
  const slow = Promise.withResolvers<void>();
  let isOver = false;
  const failure = internalError('disk full');
  const all = allOrFirstFailure([Promise.resolve(), Promise.reject(failure), slow.promise]).catch((error: unknown) => {
    isOver = true;
    throw error;
  });
  all.catch(() => undefined);
  await new Promise(setImmediate);
  t.notOk(isOver);
  slow.resolve();
  await t.rejects(all, failure);
  await allOrFirstFailure([Promise.resolve()]);
});

t.test('a refusal is what the api-server forbids, and no other failure', async (t) => {
  t.ok(isRefusal(forbidden(pods, 'web-1', 'exceeded quota: few')));
  t.notOk(isRefusal(notFound(pods, 'web-1')));
  t.notOk(isRefusal(internalError('disk full')));
  t.notOk(isRefusal(new Error('forbidden')));
});
