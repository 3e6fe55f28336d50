/** Device plugins register on real sockets. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import type { DevicePlugin } from '../../../agent/devices/plugins/device-plugin.ts';
import { PluginServer } from '../../../agent/devices/plugins/plugin-server.ts';
import { TestDevicePlugin } from '../../support/device-plugin.ts';
import { eventually } from '../../support/wait.ts';
import { silent } from '../../server/apiserver/server.ts';

const RESOURCE = 'example.com/widget';

/** A server, and what its plugins have listed. */
async function serve(test: Test) {
  // The names of sockets have to be short.
  const kubeletDirectory = await mkdtemp(path.join(os.tmpdir(), 'kedge-test-plugins-'));
  const listed: string[] = [];
  const attached: DevicePlugin[] = [];
  const server = new PluginServer({
    directory: path.join(kubeletDirectory, 'device-plugins'),
    resources: {
      attach: async (plugin) => void attached.push(plugin),
      listed: (_, devices) => void listed.push([...devices.keys()].join(' ')),
      detach: (plugin) => plugin[Symbol.dispose](),
    },
    logger: silent,
  });
  const stop = new AbortController();
  const ended = server.run(stop.signal);
  test.teardown(async () => {
    for (const plugin of attached) plugin[Symbol.dispose]();
    stop.abort();
    await ended;
    await rm(kubeletDirectory, { recursive: true });
  });
  const plugin = new TestDevicePlugin({
    ...{ resource: RESOURCE, kubeletDirectory, devices: { a: true, b: true } },
    options: { preStartRequired: true, getPreferredAllocationAvailable: true },
  });
  test.teardown(() => plugin[Symbol.asyncDispose]());
  return { plugin, attached, listed };
}

t.test('a plugin says what it can do when it is asked, and may register before it serves', async (t) => {
  const { plugin, attached, listed } = await serve(t);
  const early = eventually('the server', () => plugin.register().then(() => true));
  await eventually('the plugin', () => plugin.start().then(() => true));
  await early;
  await eventually('its devices', () => listed.includes('a b'));
  t.ok(plugin.callsOf('GetDevicePluginOptions').length >= 1);
  await attached[0]!.beforeStart(['a'], new AbortController().signal);
  t.equal(plugin.callsOf('PreStartContainer').length, 1);
});

t.test('a plugin that lists its devices all the time is heard now and then, and its last word counts', async (t) => {
  const { plugin, listed } = await serve(t);
  await eventually('the plugin', () => plugin.start().then(() => true));
  await eventually('its devices', () => listed.includes('a b'));
  const rounds = 200;
  for (let round = 0; round < rounds; round++) plugin.change({ [`round-${round}`]: true });
  plugin.change({ last: true });
  await eventually('the last word', () => listed.at(-1) === 'last');
  t.ok(listed.length < rounds / 10, `heard ${listed.length} times`);
});

t.test('a plugin that does not say what it can do is refused', async (t) => {
  const { plugin, attached } = await serve(t);
  plugin.refuse('GetDevicePluginOptions', 'INTERNAL', 'broken');
  // While the server starts, there is nobody to refuse it.
  const message = await eventually('an answer', () =>
    plugin.start().then(
      () => 'registered',
      (error: Error) => !error.message.includes('UNAVAILABLE') && error.message,
    ),
  );
  t.match(message, /GetDevicePluginOptions: .*broken/);
  t.strictSame(attached, []);
});
