/** CSI drivers while they are updated: two plugins of one driver, each with its own socket. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { PluginRegistrations } from '../../../agent/plugins/plugin-registrations.ts';
import { CsiDrivers } from '../../../agent/volumes/csi/csi-drivers.ts';
import { CsiTestDriver } from '../../support/csi-driver.ts';
import { Log } from '../../support/log.ts';
import { eventually } from '../../support/wait.ts';

const DRIVER = 'disks.example.com';
const { signal } = new AbortController();

t.test(
  'while a driver is updated, the plugin that has registered last is called, and then the one that is left',
  async (t) => {
    const directory = await mkdtemp(path.join(tmpdir(), 'kedge-csi-drivers-'));
    const registrations = path.join(directory, 'plugins_registry');
    await mkdir(registrations);
    const told: string[] = [];
    const drivers = new CsiDrivers({
      install: async (driver, { nodeId }) => void told.push(`${driver} is ${nodeId}`),
      uninstall: async (driver) => void told.push(`${driver} is gone`),
    });
    const logger = new Log();
    const plugins = new PluginRegistrations({ directory: registrations, handlers: { CSIPlugin: drivers }, logger });
    const stop = new AbortController();
    const running = plugins.run(stop.signal);
    const started: CsiTestDriver[] = [];
    t.teardown(async () => {
      stop.abort(new Error('the test is over'));
      await running;
      drivers[Symbol.dispose]();
      for (const driver of started) await driver[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    });
    const start = async (instance: string): Promise<CsiTestDriver> => {
      const driver = await CsiTestDriver.start({
        ...{ name: DRIVER, kubeletDirectory: directory, directory, instance, nodeId: `node-of-${instance}` },
      });
      started.push(driver);
      await eventually('its registration', () => driver.registrations.length > 0);
      return driver;
    };
    const called = async (): Promise<string> => (await drivers.client(DRIVER).nodeInfo(signal)).nodeId;
    const old = await start('old');
    const next = await start('next');
    t.equal(await called(), 'node-of-next');
    await next.stop();
    await eventually('the new plugin to be gone', () => logger.count('plugin unregistered') === 1);
    t.equal(await called(), 'node-of-old');
    t.equal(told.at(-1), `${DRIVER} is node-of-old`);
    await old.stop();
    await eventually('the old plugin to be gone', () => logger.count('plugin unregistered') === 2);
    t.equal(told.at(-1), `${DRIVER} is gone`);
    t.throws(() => drivers.client(DRIVER), { message: /not found in the list of registered CSI drivers/ });
  },
);
