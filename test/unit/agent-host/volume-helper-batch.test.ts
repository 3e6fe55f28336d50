import t from 'tap';
import { batchRequests } from '../../../agent/host/volume-helper/batch.ts';
import type { VolumeHelper, VolumeResponse, VolumeRequest } from '../../../agent/host/volume-helper/requests.ts';

const measure = (path: string): VolumeRequest => ({ do: 'file-system-usage', path });
const gone = new Error('the pod is gone');

/** A helper whose responses the test decides: by default the index of each request. */
function slowHelper() {
  const calls: { paths: string[]; signal: AbortSignal; answer: (failure?: Error) => void }[] = [];
  const asked = Promise.withResolvers<void>();
  const helper: VolumeHelper = (requests, signal) => {
    const { promise, resolve, reject } = Promise.withResolvers<VolumeResponse[]>();
    const answer = (failure?: Error): void =>
      failure ? reject(failure) : resolve(requests.map((_, index) => ({ error: String(index) })));
    calls.push({ paths: requests.map((request) => ('path' in request ? request.path : '')), signal, answer });
    signal.addEventListener('abort', () => reject(signal.reason as Error));
    asked.resolve();
    return promise;
  };
  return { calls, asked: asked.promise, helper: batchRequests(helper) };
}

t.test('concurrent requests share one helper, and each caller gets its own responses', async (t) => {
  const { calls, asked, helper } = slowHelper();
  const { signal } = new AbortController();
  const answers = [helper([measure('/a'), measure('/b')], signal), helper([], signal), helper([measure('/c')], signal)];
  await asked;
  calls[0]?.answer();
  t.strictSame(await Promise.all(answers), [[{ error: '0' }, { error: '1' }], [], [{ error: '2' }]]);
  t.strictSame(
    calls.map(({ paths }) => paths),
    [['/a', '/b', '/c']],
  );
  const later = helper([measure('/d')], signal);
  await new Promise((resolve) => setImmediate(resolve));
  calls[1]?.answer();
  t.strictSame(await later, [{ error: '0' }]);
});

t.test('aborting the first call does not fail the others', async (t) => {
  const { calls, asked, helper } = slowHelper();
  const [first, second] = [new AbortController(), new AbortController()];
  const left = helper([measure('/a')], first.signal);
  const stays = helper([measure('/b')], second.signal);
  await asked;
  first.abort(gone);
  await t.rejects(left, gone);
  t.notOk(calls[0]?.signal.aborted);
  calls[0]?.answer();
  t.strictSame(await stays, [{ error: '1' }]);
});

t.test('a call aborted before the helper starts is left out, and later calls join', async (t) => {
  const { calls, asked, helper } = slowHelper();
  const [first, second] = [new AbortController(), new AbortController()];
  const left = helper([measure('/a')], first.signal);
  first.abort(gone);
  const stays = helper([measure('/b')], second.signal);
  await t.rejects(left, gone);
  await t.rejects(helper([measure('/c')], first.signal), gone);
  await asked;
  calls[0]?.answer();
  t.strictSame(await stays, [{ error: '0' }]);
  t.strictSame(calls[0]?.paths, ['/b']);
});

t.test('a helper whose callers have all aborted is aborted', async (t) => {
  const { calls, asked, helper } = slowHelper();
  const [first, second] = [new AbortController(), new AbortController()];
  const answers = [helper([measure('/a')], first.signal), helper([measure('/b')], second.signal)];
  await asked;
  for (const controller of [first, second]) controller.abort(gone);
  for (const answer of answers) await t.rejects(answer, gone);
  t.ok(calls[0]?.signal.aborted);
});

t.test('a failing helper fails all its callers', async (t) => {
  const { calls, asked, helper } = slowHelper();
  const { signal } = new AbortController();
  const answers = [helper([measure('/a')], signal), helper([measure('/b')], signal)];
  await asked;
  calls[0]?.answer(new Error('killed'));
  for (const answer of answers) await t.rejects(answer, { message: 'killed' });
});
