import t, { type Test } from 'tap';
import { openEtcdStore } from '../../../control-plane/store/etcd/open-etcd-store.ts';
import type { EtcdStore } from '../../../control-plane/store/etcd/etcd-store.ts';
import { Etcd } from '../../support/etcd.ts';
import { storeContract } from './contract.ts';

t.setTimeout(240_000);

function open(servers: readonly string[], callLimitMs?: number): Promise<EtcdStore> {
  return openEtcdStore({
    servers,
    caFile: '',
    certFile: '',
    keyFile: '',
    compactionIntervalMs: 0,
    ...(callLimitMs && { callLimitMs }),
    signal: AbortSignal.timeout(30_000),
  });
}

async function started(t: Test): Promise<Etcd> {
  const etcd = await Etcd.start();
  t.teardown(() => etcd[Symbol.asyncDispose]());
  return etcd;
}

storeContract('etcd', async (t, options) => {
  const etcd = await started(t);
  // A process needs more time than a store in this one.
  let store = await open([etcd.url], options?.callLimitMs && options.callLimitMs * 10);
  t.teardown(() => store.close());
  return {
    store,
    reopen: async () => {
      await store.close();
      await etcd.kill();
      await etcd.run();
      store = await open([etcd.url]);
      return store;
    },
    stall: () => {
      etcd.signal('SIGSTOP');
      return { resume: () => etcd.signal('SIGCONT') };
    },
  };
});
