/** `@kubernetes/client-node`, a client that others wrote: informers, watches, applies, objects of any kind. */
import {
  CoreV1Api,
  KubeConfig,
  KubernetesObjectApi,
  makeInformer,
  PatchStrategy,
  Watch,
  type V1ConfigMap,
} from '@kubernetes/client-node';
import t from 'tap';
import { eventually } from '../../support/wait.ts';
import { CONFIG_MAPS, configMap, TestServer } from './server.ts';

const PATH = '/api/v1/namespaces/default/configmaps';

/** Points the configuration at the server; also again, at one that has been restarted. */
function pointAt(config: KubeConfig, server: TestServer): void {
  config.loadFromOptions({
    clusters: [{ name: 'c', server: server.url(''), caData: Buffer.from(server.ca).toString('base64') }],
    users: [{ name: 'u', token: 'admin/system:masters' }],
    contexts: [{ name: 'x', cluster: 'c', user: 'u', namespace: 'default' }],
    currentContext: 'x',
  });
}

t.test('an informer follows changes, and lists again after a 410', async (t) => {
  const server = await TestServer.start();
  const config = new KubeConfig();
  pointAt(config, server);
  const seen: string[] = [];
  const list = () => config.makeApiClient(CoreV1Api).listNamespacedConfigMap({ namespace: 'default' });
  const informer = makeInformer<V1ConfigMap>(config, PATH, list);
  for (const event of ['add', 'update', 'delete'] as const)
    informer.on(event, ({ metadata }) => void seen.push(`${event} ${metadata?.name}`));
  const errors: unknown[] = [];
  // It reports its own stop, too.
  informer.on('error', (error: Error) => void (error.name === 'AbortError' || errors.push(error)));

  await server.call('POST', CONFIG_MAPS, { body: configMap('listed') });
  await informer.start();
  await server.call('POST', CONFIG_MAPS, { body: configMap('watched') });
  await server.call('PATCH', `${CONFIG_MAPS}/listed`, {
    type: 'application/merge-patch+json',
    body: { data: { k: 'w' } },
  });
  await server.call('DELETE', `${CONFIG_MAPS}/watched`);
  await eventually('all events', () => seen.length === 4);
  t.strictSame(seen.splice(0), ['add listed', 'add watched', 'update listed', 'delete watched']);
  t.equal(informer.get('listed', 'default')?.data?.['k'], 'w');

  // What changes while the informer is stopped is out of the window of changes of a server that has been restarted.
  await informer.stop();
  await server.call('DELETE', `${CONFIG_MAPS}/listed`);
  await server.call('POST', CONFIG_MAPS, { body: configMap('meanwhile') });
  await server.stop();
  await using restarted = await TestServer.start({ directory: server.directory });
  pointAt(config, restarted);
  await informer.start();
  await eventually('the relist', () => seen.length === 2);
  t.strictSame(seen.sort(), ['add meanwhile', 'delete listed']);
  await informer.stop();
  t.strictSame(errors, []);
});

t.test('a watch sends bookmarks, and ends with its timeout', async (t) => {
  await using server = await TestServer.start();
  const config = new KubeConfig();
  pointAt(config, server);
  await server.call('POST', CONFIG_MAPS, { body: configMap('a') });
  const events: string[] = [];
  await new Promise<void>((resolve, reject) => {
    const query = { allowWatchBookmarks: true, timeoutSeconds: 1, sendInitialEvents: true };
    const matched = { ...query, resourceVersionMatch: 'NotOlderThan' };
    const note = (type: string): void => void events.push(type);
    new Watch(config).watch(PATH, matched, note, (error) => (error ? reject(error as Error) : resolve())).catch(reject);
  });
  t.strictSame(events.slice(0, 2), ['ADDED', 'BOOKMARK']);
});

t.test('objects of any kind are applied, patched, read and deleted', async (t) => {
  await using server = await TestServer.start();
  const config = new KubeConfig();
  pointAt(config, server);
  const objects = KubernetesObjectApi.makeApiClient(config);
  const header = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'default' } };
  const apply = (data: Record<string, string>, manager: string, force = false) =>
    objects.patch<V1ConfigMap>(
      { ...header, data },
      undefined,
      undefined,
      manager,
      force,
      PatchStrategy.ServerSideApply,
    );

  await apply({ colour: 'red', size: '3' }, 'one');
  await t.rejects(apply({ colour: 'blue' }, 'two'), { code: 409, body: /conflict with \\?"one\\?": \.data\.colour/ });
  await apply({ colour: 'blue' }, 'two', true);
  await apply({}, 'one');
  const applied = await objects.read<V1ConfigMap>(header);
  t.strictSame(applied.data, { colour: 'blue' }, 'what an applier no longer states is removed');
  t.match(applied.metadata?.creationTimestamp, Date);

  const strategies = [
    [PatchStrategy.MergePatch, { ...header, data: { merged: 'yes' } }],
    [PatchStrategy.StrategicMergePatch, { ...header, data: { strategic: 'yes' } }],
  ] as const;
  for (const [strategy, patch] of strategies)
    await objects.patch(patch, undefined, undefined, undefined, undefined, strategy);
  const core = config.makeApiClient(CoreV1Api);
  const { items } = await core.listNamespacedConfigMap({ namespace: 'default', fieldSelector: 'metadata.name=a' });
  t.strictSame(items[0]?.data, { colour: 'blue', merged: 'yes', strategic: 'yes' });
  await objects.delete(header);
  await t.rejects(objects.read(header), { code: 404 });
});
