/** Plugins register and go away: what is told of them, and what of their answers is not believed. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import { PluginRegistrations } from '../../../agent/plugins/plugin-registrations.ts';
import { Log } from '../../support/log.ts';
import { NodePlugin } from '../../support/node-plugin.ts';
import { eventually } from '../../support/wait.ts';

class Registrant extends NodePlugin<object> {
  register(socket: string, info: object): Promise<void> {
    return this.listenForRegistration(socket, info);
  }
}

/** An agent that only notes who is there. */
async function agentOf(t: Test) {
  const directory = await mkdtemp(path.join(tmpdir(), 'kedge-plugins-'));
  const log = new Log();
  const told: string[] = [];
  const handler = {
    async register({ name, endpoint }: { name: string; endpoint: string }): Promise<void> {
      if (name === 'unfit') throw new Error('it is unfit');
      told.push(`+${name}${endpoint}`);
    },
    unregister: async ({ name, endpoint }: { name: string; endpoint: string }) => void told.push(`-${name}${endpoint}`),
  };
  const plugins = new PluginRegistrations({ directory, handlers: { Test: handler }, logger: log });
  const stop = new AbortController();
  const running = plugins.run(stop.signal);
  const started: Registrant[] = [];
  t.teardown(async () => {
    stop.abort(new Error('the test is over'));
    await running;
    for (const plugin of started) await plugin.stop();
    await rm(directory, { recursive: true });
  });
  const start = async (socket: string, info: object): Promise<Registrant> => {
    const plugin = new Registrant();
    started.push(plugin);
    await plugin.register(path.join(directory, socket), { type: 'Test', supportedVersions: ['1.0.0'], ...info });
    return plugin;
  };
  return { log, told, start };
}

t.test('a plugin is there until the last registration of its endpoint is gone', async (t) => {
  const { log, told, start } = await agentOf(t);
  const first = await start('first', { name: 'p', endpoint: '/same' });
  const second = await start('second', { name: 'p', endpoint: '/same' });
  const other = await start('other', { name: 'p', endpoint: '/other' });
  await eventually('three registrations', () => log.count('plugin registered') === 3);
  await first.stop();
  await eventually('the first to be gone', () => log.count('plugin unregistered') === 1);
  t.notOk(
    told.some((each) => each.startsWith('-')),
    'another one has registered the endpoint',
  );
  await other.stop();
  await eventually('the other to be gone', () => log.count('plugin unregistered') === 2);
  await second.stop();
  await eventually('the second to be gone', () => log.count('plugin unregistered') === 3);
  t.strictSame(
    told.filter((each) => each.startsWith('-')),
    ['-p/other', '-p/same'],
  );
});

t.test('a plugin that says too much is refused, and not quoted in the log', async (t) => {
  const { log, told, start } = await agentOf(t);
  await start('long', { name: 'x'.repeat(1 << 20), endpoint: '/s' });
  await eventually('a failure', () => log.lines.some(({ level }) => level !== 'info'));
  t.strictSame(told, []);
  for (const { fields } of log.lines) t.ok(String((fields['err'] as Error).message).length < 500);
});

t.test('why a plugin is refused is logged, also when it does not listen', async (t) => {
  const { log, start } = await agentOf(t);
  const plugin = await start('unfit', { name: 'unfit', endpoint: '/s' });
  plugin.refuse('NotifyRegistrationStatus', 'INTERNAL', 'not now');
  const failures = () => log.lines.map(({ fields }) => fields['err']).filter((err) => err instanceof Error);
  await eventually('the plugin to be told', () => plugin.callsOf('NotifyRegistrationStatus').length > 1);
  await eventually('a failure', () => failures().some(({ message }) => message === 'it is unfit'));
});
