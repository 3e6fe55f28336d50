import t, { type Test } from 'tap';
import { pods } from '../../../api/kinds/core/pod.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { Informer } from '../../../client/informer.ts';
import type { Logger } from '../../../client/logger.ts';
import { silent } from '../../support/https-server.ts';
import { eventually } from '../../support/wait.ts';
import { WatchedCollection } from './watched-collection.ts';

interface Kept {
  readonly name: string;
  readonly app: string;
}

async function start(t: Test, collection: WatchedCollection, logger: Logger = silent) {
  const client = new ApiClient(collection.clientOptions);
  const stop = new AbortController();
  const told: string[] = [];
  const informer = new Informer({
    client,
    resource: pods,
    logger,
    select: ({ metadata }): Kept => ({ name: metadata?.name ?? '', app: metadata?.labels?.['app'] ?? '' }),
    indexes: { app: ({ app }) => (app ? [app] : []) },
  });
  informer.addHandlers({
    onAdd: (item, key) => told.push(`add ${key} ${item.app}`),
    onUpdate: (old, item, key) => told.push(`update ${key} ${old.app}->${item.app}`),
    onDelete: (item, key) => told.push(`delete ${key} ${item.app}`),
    onSynced: () => told.push('synced'),
  });
  const running = informer.run(stop.signal);
  t.teardown(async () => {
    stop.abort();
    await running;
    await client[Symbol.asyncDispose]();
    await collection[Symbol.asyncDispose]();
  });
  return { informer, told, stop, running };
}

t.test('an informer caches a projection of the objects and calls its handlers for every change', async (t) => {
  const collection = await WatchedCollection.start();
  collection.put('a', { app: 'web' });
  const { informer, told } = await start(t, collection);
  await informer.hasSynced();
  collection.put('b', { app: 'web' });
  collection.put('a', { app: 'db' });
  collection.delete('b');
  await eventually('five callbacks', () => told.length === 5);
  t.strictSame(told, [
    'add default/a web',
    'synced',
    'add default/b web',
    'update default/a web->db',
    'delete default/b web',
  ]);
  t.strictSame(informer.list(), [{ name: 'a', app: 'db' }]);
  t.strictSame(informer.byIndex('app', 'db'), [{ name: 'a', app: 'db' }]);
  t.strictSame(informer.byIndex('app', 'web'), []);
  t.throws(() => informer.byIndex('nope', ''), { message: 'informer for pods has no index nope' });

  const late: string[] = [];
  informer.addHandlers({ onAdd: (_, key) => late.push(key), onSynced: () => late.push('synced') });
  t.strictSame(late, ['default/a', 'synced'], 'a late handler gets the existing objects');
});

t.test('a broken watch is resumed without a new list', async (t) => {
  const collection = await WatchedCollection.start();
  const { informer } = await start(t, collection);
  await informer.hasSynced();
  await eventually('the watch', () => collection.watches === 1);
  collection.put('a');
  await eventually('a', () => informer.size === 1);
  collection.cutWatches();
  collection.put('b');
  await eventually('b', () => informer.size === 2);
  t.equal(collection.lists, 1);
  t.equal(collection.watches, 2);
});

t.test('a watch resumed from a bookmark survives compaction', async (t) => {
  const collection = await WatchedCollection.start();
  const { informer } = await start(t, collection);
  await informer.hasSynced();
  await eventually('the watch', () => collection.watches === 1);
  collection.bookmark();
  collection.compact();
  collection.put('a');
  await eventually('the event after the bookmark', () => informer.size === 1);
  collection.cutWatches();
  await eventually('the watch to be resumed', () => collection.watches === 2);
  t.equal(collection.lists, 1);
});

t.test('a 410 means a new list, and handlers get the difference', async (t) => {
  const collection = await WatchedCollection.start();
  collection.put('stays');
  collection.put('goes');
  const { informer, told } = await start(t, collection);
  await informer.hasSynced();
  await eventually('the watch', () => collection.watches === 1);
  collection.broken = true;
  collection.cutWatches();
  collection.delete('goes');
  collection.put('comes');
  collection.compact();
  collection.broken = false;
  await eventually('another list', () => told.includes('add default/comes '));
  t.ok(told.includes('delete default/goes '));
  t.equal(told.filter((line) => line === 'synced').length, 1);
  t.strictSame([...informer.keys()].sort(), ['default/comes', 'default/stays']);
});

t.test('a server that has lost its history is relisted at once, however long it was away', async (t) => {
  const collection = await WatchedCollection.start();
  const failures: string[] = [];
  const failed = ({ err }: { err?: Error }) => void failures.push(err?.message ?? '');
  const logger = { ...silent, warn: failed, debug: failed };
  const { informer } = await start(t, collection, logger);
  await informer.hasSynced();
  await eventually('the watch', () => collection.watches === 1);
  collection.broken = true;
  collection.cutWatches();
  await eventually('the back-off to grow', () => failures.length >= 3);
  collection.put('a');
  collection.compact();
  collection.broken = false;
  await eventually('the list', () => informer.size === 1);
  t.strictSame(
    failures.filter((text) => text.includes('too old')),
    [],
    'no back-off before the list',
  );
  t.equal(collection.lists, 2);
});

t.test('an informer retries until the server is up, and stops when its signal is aborted', async (t) => {
  const collection = await WatchedCollection.start();
  collection.broken = true;
  collection.put('a');
  const { informer, stop, running } = await start(t, collection);
  let synced = false;
  void informer.hasSynced().then(() => (synced = true));
  t.equal(synced, false);
  collection.broken = false;
  await informer.hasSynced();
  stop.abort(new Error('enough'));
  await running;

  const never = new Informer({
    client: new ApiClient({ server: 'https://127.0.0.1:1' }),
    resource: pods,
    logger: silent,
  });
  void never.run(AbortSignal.abort(new Error('stopped before')));
  await t.rejects(never.hasSynced(), { message: 'stopped before' });
});
