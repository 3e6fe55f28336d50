/** On a host of its own: what the agent does about a shutdown, with pods that the test ends by files. Prints what it has been told. */
import { appendFileSync, existsSync } from 'node:fs';
import { pino } from 'pino';
import { allowDelay, followShutdown, isShuttingDown, ShutdownLock } from '../../agent/host/logind.ts';
import { GracefulShutdown } from '../../agent/shutdown/graceful-shutdown.ts';

const [, , folder = '', graceSeconds = ''] = process.argv;
const say = (words: string): void => appendFileSync(`${folder}/said`, `${words}\n`);
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort(new Error('the agent ends')));
const shutdown: GracefulShutdown = new GracefulShutdown({
  logind: {
    async allowDelay(seconds, signal) {
      const allowed = await allowDelay(seconds, signal);
      say(`allowed ${allowed}`);
      return allowed;
    },
    async takeLock(signal) {
      const lock = await ShutdownLock.take(signal);
      say('locked');
      return lock;
    },
    isShuttingDown,
    follow: followShutdown,
  },
  pods: [
    {
      pod: {
        ...{ apiVersion: 'v1', kind: 'Pod', metadata: { uid: 'web', namespace: 'default', name: 'web' } },
        spec: { containers: [], terminationGracePeriodSeconds: 60 },
      },
      source: 'api',
      status: { phase: 'Running' },
    },
  ],
  periods: [{ priority: 0, seconds: Number(graceSeconds) }],
  record: { started: () => Promise.resolve(), ended: () => Promise.resolve() },
  end: (uid, seconds, { message }) => say(`end ${uid} in ${seconds} s: ${message}`),
  haveEnded: () => existsSync(`${folder}/ended`),
  onChange: () => say(shutdown.isComing ? 'shutting down' : 'not shutting down'),
  logger: pino({ level: 'debug' }),
});
await shutdown.run(stop.signal);
