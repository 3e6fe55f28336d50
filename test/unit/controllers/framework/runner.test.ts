import t from 'tap';
import type { KubeObject } from '../../../../api/machinery/kind.ts';
import { forbidden, internalError, StatusError } from '../../../../api/machinery/status-error.ts';
import { ApiClient } from '../../../../client/api-client.ts';
import type { Resource } from '../../../../client/resource.ts';
import { configMaps, pods, secrets } from '../../../../client/resources.gen.ts';
import type {
  Controller,
  ControllerContext,
  ControllerDescriptor,
} from '../../../../control-plane/controllers/framework/controller.ts';
import { wholeObjects } from '../../../../control-plane/controllers/framework/informer-factory.ts';
import { runDescriptors } from '../../../../control-plane/controllers/framework/runner.ts';
import { ownKeys, watch } from '../../../../control-plane/controllers/framework/watch.ts';
import { MemoryApi } from '../../../support/memory-api.ts';
import { eventually } from '../../../support/wait.ts';

interface Line {
  readonly level: string;
  readonly message: string;
  readonly controller?: string;
  readonly err?: unknown;
  readonly handlerErrors?: number;
  readonly reconciles?: number;
  readonly failures?: number;
}

/** Records which resources were listed. */
class RecordingClient extends ApiClient {
  readonly listed: string[] = [];
  /** The resource whose list never comes. */
  withheld = '';
  override listPages<T extends KubeObject>(
    resource: Resource<T>,
    onPage: (items: T[]) => void,
    options: { signal?: AbortSignal } = {},
  ) {
    this.listed.push(resource.plural);
    if (resource.plural === this.withheld) {
      return new Promise<string>((_, reject) =>
        options.signal?.addEventListener('abort', () => reject(new Error('stopped')), { once: true }),
      );
    }
    return super.listPages(resource, onPage, options);
  }
}

/** An API, and controllers that run until the end of the test. */
class Bench implements AsyncDisposable {
  readonly api: MemoryApi;
  readonly client: RecordingClient;
  readonly lines: Line[] = [];
  readonly stop = new AbortController();
  running: Promise<void> = Promise.resolve();

  private constructor(api: MemoryApi) {
    this.api = api;
    this.client = new RecordingClient({ server: api.url });
  }

  static start = async (): Promise<Bench> => new Bench(await MemoryApi.start());

  run(...descriptors: ControllerDescriptor[]): void {
    const at = (level: string, bound: object) => (fields: object, message: string) =>
      void this.lines.push({ level, message, ...bound, ...fields });
    const loggerOf = (bound: object) => ({
      ...{ debug: at('debug', bound), info: at('info', bound), warn: at('warn', bound), error: at('error', bound) },
    });
    const logger = { ...loggerOf({}), child: loggerOf };
    this.running = runDescriptors(descriptors, { client: this.client, logger, signal: this.stop.signal });
    this.running.catch(() => undefined);
  }

  said = (message: string): Line[] => this.lines.filter((line) => line.message === message);

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop.abort(new Error('the test is over'));
    await this.running.catch(() => undefined);
    await this.client[Symbol.asyncDispose]();
    await this.api[Symbol.asyncDispose]();
  }
}

const podCache = wholeObjects(pods);
const configMapCache = wholeObjects(configMaps);

const controller = (
  name: string,
  create: (context: ControllerContext) => Controller,
  workers = 1,
): ControllerDescriptor => ({ name, workers, create });

/** A controller that records the keys of pods that it reconciles. */
const noting = (name: string, keys: string[], reconcile: (key: string) => number | undefined = () => undefined) =>
  controller(name, ({ informer, queue }) => {
    const all = informer(podCache);
    return {
      watches: () => [watch(all, ownKeys(queue))],
      reconcile: async (key) => {
        keys.push(key);
        return reconcile(key);
      },
    };
  });

t.test('requested caches are started, once for all controllers, and no others', async (t) => {
  await using bench = await Bench.start();
  bench.api.put('pods', { metadata: { name: 'a' } });
  const [first, second]: [string[], string[]] = [[], []];
  const asks = controller('asks', ({ informer }) => {
    const maps = informer(configMapCache);
    return {
      watches: () => [],
      reconcile: async () => undefined,
      background: async () => void t.ok(maps.isSynced, 'a cache without handlers is synced, too'),
    };
  });
  bench.run(noting('first', first), noting('second', second), asks);
  await eventually('both to reconcile', () => first.length === 1 && second.length === 1);
  t.strictSame([...first, ...second], ['default/a', 'default/a']);
  t.strictSame(bench.client.listed.sort(), ['configmaps', 'pods']);
});

t.test('a handler that throws is logged with its stack and counted, and affects no other handler', async (t) => {
  await using bench = await Bench.start();
  const keys: string[] = [];
  const others: string[] = [];
  const fails = controller('fails', ({ informer, queue }) => {
    const all = informer(podCache);
    const onAdd = (pod: KubeObject, key: string): void => {
      if (pod.metadata?.name !== 'good') throw new TypeError(`cannot read ${key}`);
      queue.add(key);
    };
    return { watches: () => [watch(all, { onAdd })], reconcile: async (key) => void keys.push(key) };
  });
  bench.run(fails, noting('other', others));
  bench.api.put('pods', { metadata: { name: 'bad' } });
  bench.api.put('pods', { metadata: { name: 'worse' } });
  bench.api.put('pods', { metadata: { name: 'good' } });
  await eventually('the last event', () => keys.length === 1 && others.length === 3);
  t.strictSame(keys, ['default/good']);
  t.strictSame(others, ['default/bad', 'default/worse', 'default/good']);
  const logged = bench.said('event handler failed');
  t.strictSame(
    logged.map(({ level, controller, handlerErrors }) => ({ level, controller, handlerErrors })),
    [1, 2].map((handlerErrors) => ({ level: 'error', controller: 'fails', handlerErrors })),
  );
  t.match((logged[0]?.err as Error).stack, /cannot read default\/bad[^]*runner\.test\.ts/);
});

t.test('a key is requeued when its reconciliation fails or asks for it', async (t) => {
  await using bench = await Bench.start();
  bench.api.put('pods', { metadata: { name: 'a' } });
  const keys: string[] = [];
  const flaky = noting('flaky', keys, () => {
    if (keys.length === 1) throw new RangeError('out of range');
    return keys.length < 4 ? 1 : undefined;
  });
  bench.run(flaky);
  await eventually('four reconciliations', () => keys.length === 4);
  const [failed] = bench.said('unexpected error, retrying');
  t.match(failed, { level: 'error', controller: 'flaky', key: 'default/a' });
  t.ok(failed?.err instanceof RangeError);
  bench.stop.abort();
  await bench.running;
  t.match(bench.said('controller stopped'), [{ controller: 'flaky', reconciles: 4, failures: 1, handlerErrors: 0 }]);
});

t.test('a refusal by quota or admission is one line without a stack, and its retries are debug lines', async (t) => {
  await using bench = await Bench.start();
  bench.api.put('pods', { metadata: { name: 'a' } });
  bench.api.put('pods', { metadata: { name: 'b' } });
  const tries = new Map<string, number>();
  const refused = controller('refused', ({ informer, queue }) => {
    const all = informer(podCache);
    return {
      watches: () => [watch(all, ownKeys(queue))],
      reconcile: async (key) => {
        tries.set(key, (tries.get(key) ?? 0) + 1);
        throw key === 'default/a' ? forbidden(pods, 'web-1', 'exceeded quota: few') : internalError('disk full');
      },
    };
  });
  bench.run(refused);
  await eventually('retries of both', () => [...tries.values()].every((each) => each > 4) && tries.size === 2);
  const lines = bench.said('refused, retrying');
  const [first] = lines;
  const message = 'pods "web-1" is forbidden: exceeded quota: few';
  t.match(first, { level: 'info', key: 'default/a', status: { code: 403, reason: 'Forbidden', message } });
  t.ok(lines.every((line) => line.err === undefined));
  t.strictSame(new Set(lines.slice(1).map(({ level }) => level)), new Set(['debug']));
  const failed = bench.said('sync failed, retrying');
  t.ok(failed.length >= 4);
  t.ok(failed.every(({ level, err }) => level === 'warn' && err instanceof StatusError));
});

t.test('controllers stop when the signal is aborted, after their reconciliations have ended', async (t) => {
  await using bench = await Bench.start();
  bench.api.put('pods', { metadata: { name: 'a' } });
  const log: string[] = [];
  bench.run(
    controller('slow', ({ informer, queue }) => {
      const all = informer(podCache);
      return {
        watches: () => [watch(all, ownKeys(queue))],
        reconcile: async (_, signal) => {
          log.push('begun');
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
          log.push('ended');
          return undefined;
        },
      };
    }),
  );
  await eventually('the reconciliation to start', () => log.length === 1);
  bench.stop.abort();
  await bench.running;
  t.strictSame(log, ['begun', 'ended']);
});

t.test('a controller that is stopped before its caches are in sync leaves no timers', async (t) => {
  await using bench = await Bench.start();
  bench.api.put('pods', { metadata: { name: 'a' } });
  const timers = (): number => process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length;
  const before = timers();
  const seen: string[] = [];
  bench.client.withheld = 'configmaps';
  bench.run(
    controller('early', ({ informer, queue }) => {
      const all = informer(podCache);
      informer(configMapCache);
      const onAdd = (_: KubeObject, key: string): void => {
        for (let index = 0; index < 20; index++) queue.addAfter(`${key}-${index}`, 3_600_000);
        seen.push(key);
      };
      return { watches: () => [watch(all, { onAdd })], reconcile: async () => undefined };
    }),
  );
  await eventually('the event', () => seen.length === 1);
  t.ok(timers() >= before + 20);
  bench.stop.abort();
  await bench.running;
  t.ok(timers() < before + 20, 'those of the queue are gone');
});

t.test('a controller that fails as a whole stops all, with its error', async (t) => {
  await using bench = await Bench.start();
  const broken = controller('broken', () => ({
    watches: () => [],
    reconcile: async () => undefined,
    background: () => Promise.reject(new Error('broken for good')),
  }));
  bench.run(noting('other', []), broken);
  await t.rejects(bench.running, new Error('broken for good'));
  t.strictSame(
    bench.said('controller stopped').map(({ controller }) => controller),
    ['broken', 'other'],
  );
});

t.test('requesting a cache too late is an error', async (t) => {
  await using bench = await Bench.start();
  const late = controller('late', ({ informer, queue }) => ({
    watches: () => [watch(informer(podCache), ownKeys(queue))],
    reconcile: async () => undefined,
  }));
  bench.run(late);
  await t.rejects(bench.running, new Error('late: caches are asked for when a controller is created'));
});

t.test('ownership is read from complete caches, whichever was created first', async (t) => {
  await using bench = await Bench.start();
  bench.api.put('pods', {
    metadata: { name: 'a', ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'rs' }] },
  });
  const seen: string[] = [];
  const collector = controller('collector', ({ ownedSources }) => ({
    watches: () =>
      ownedSources().map(({ resource, watch: watchOwned }) =>
        watchOwned({ onAdd: ({ name, owners }) => seen.push(`${resource.plural} ${name} of ${owners[0]?.uid}`) }),
      ),
    reconcile: async () => undefined,
  }));
  const narrow = controller('narrow', ({ informer }) => {
    informer({ resource: secrets, fieldSelector: 'type=x', select: ({ metadata }) => metadata?.name });
    return { watches: () => [], reconcile: async () => undefined };
  });
  bench.run(collector, noting('pods', []), narrow);
  await eventually('the pod', () => seen.length === 1);
  t.strictSame(seen, ['pods a of rs']);
});
