import t, { type Test } from 'tap';
import { Etcd, openTestEtcd } from '../../support/etcd.ts';
import { storeContract } from './contract.ts';

t.setTimeout(240_000);

async function started(t: Test): Promise<Etcd> {
  const etcd = await Etcd.start();
  t.teardown(() => etcd[Symbol.asyncDispose]());
  return etcd;
}

storeContract(
  'etcd',
  async (t, options) => {
    const etcd = await started(t);
    // A process needs more time than a store in this one.
    let store = await openTestEtcd([etcd.url], {
      callLimitMs: options?.callLimitMs ? options.callLimitMs * 10 : 60_000,
    });
    t.teardown(() => store.close());
    return {
      store,
      reopen: async () => {
        await store.close();
        await etcd.kill();
        await etcd.run();
        store = await openTestEtcd([etcd.url]);
        return store;
      },
      stall: () => {
        etcd.freeze();
        return { resume: () => etcd.thaw() };
      },
    };
  },
  { increments: 15 },
);
