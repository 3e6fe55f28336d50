import t, { test } from 'tap';
import { WatchInterruptedError } from '../../../control-plane/store/store.ts';
import { collect } from '../../support/store-events.ts';
import { eventually } from '../../support/wait.ts';
import { storeContract } from './contract.ts';
import { RemoteServer, RemoteStore } from './remote-store.ts';

t.setTimeout(120_000);

/** The contract can be kept by a store in another process, and the double used in other tests keeps it. */
storeContract('remote', async (t, options) => {
  const server = new RemoteServer();
  let store = new RemoteStore(server, options?.callLimitMs);
  t.teardown(() => store.close());
  return {
    store,
    reopen: async () => {
      await store.close();
      store = new RemoteStore(server);
      return store;
    },
    stall: () => {
      server.isSilent = true;
      return { resume: () => server.comeBack() };
    },
  };
});

test('a watch whose connection breaks or stalls is interrupted, and can be resumed without loss', async (t) => {
  const server = new RemoteServer();
  const store = new RemoteStore(server, 1000);
  t.teardown(() => store.close());
  const events: number[] = [];
  let position = 0;
  for (let round = 0; round < 20; round++) {
    const watch = collect(t, store, '/', position);
    for (let i = 0; i < 10; i++) server.write(`/k/${i}`, Buffer.from(`${round}`), undefined);
    await eventually('some of the events', () => watch.events.length > round % 7);
    if (round % 5 > 0) server.disconnect();
    else server.isSilent = true;
    await t.rejects(watch.ended, WatchInterruptedError);
    server.comeBack();
    events.push(...watch.events.map(({ revision }) => revision));
    position = watch.revision;
  }
  const rest = collect(t, store, '/', position);
  await eventually('the rest', () => rest.revision >= server.revision);
  events.push(...rest.events.map(({ revision }) => revision));
  t.same(
    events,
    Array.from({ length: 200 }, (_, i) => i + 1),
  );
});
