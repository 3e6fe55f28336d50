import t from 'tap';
import { RunningInformers } from '../../../../control-plane/controllers/framework/running-informers.ts';

/** Runs until it is told to stop, or fails. */
class Source {
  isStopped = false;
  readonly failure = Promise.withResolvers<void>();
  async run(signal: AbortSignal): Promise<void> {
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    await Promise.race([aborted, this.failure.promise]);
    this.isStopped = true;
  }
}

t.test('informers stop one by one, and all of them with the controller', async (t) => {
  const stop = new AbortController();
  const informers = new RunningInformers<Source>(stop.signal);
  const [a, b] = [new Source(), new Source()];
  informers.start('a', a);
  informers.start('b', b);
  informers.stopAllBut(new Set(['b']));
  t.strictSame(informers.ids(), ['b']);
  t.equal(informers.get('a'), undefined);
  const stopped = informers.stopped();
  stop.abort();
  await stopped;
  t.ok(a.isStopped && b.isStopped);
});

t.test('one that fails is the failure of the controller, whenever that asks', async (t) => {
  const informers = new RunningInformers<Source>(new AbortController().signal);
  const source = new Source();
  informers.start('a', source);
  source.failure.reject(new TypeError('cannot read'));
  await new Promise(setImmediate);
  await t.rejects(informers.stopped(), new TypeError('cannot read'));
});
