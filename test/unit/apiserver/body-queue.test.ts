import t from 'tap';
import { BodyQueue } from '../../../control-plane/apiserver/http/request-body.ts';

/** Counts turns of the event loop until it is disposed. */
function countTurns(): Disposable & { readonly count: number } {
  let count = 0;
  let next: NodeJS.Immediate;
  const turn = (): void => {
    count++;
    next = setImmediate(turn);
  };
  next = setImmediate(turn);
  return {
    get count() {
      return count;
    },
    [Symbol.dispose]: () => clearImmediate(next),
  };
}

t.test('long bodies are parsed one per turn of the event loop', async (t) => {
  using turns = countTurns();
  const bodies = new BodyQueue();
  const read = await Promise.all(
    [1, 2, 3].map(async () => {
      await bodies.enqueue(Buffer.alloc(200_000));
      return turns.count;
    }),
  );
  t.equal(new Set(read).size, 3);
});

t.test('a short body does not wait', (t) => {
  const body = Buffer.from('{}');
  t.equal(new BodyQueue().enqueue(body), body);
  t.end();
});
