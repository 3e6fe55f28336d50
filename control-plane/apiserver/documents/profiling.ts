/**
 * `/debug/pprof/`: profiles of the api-server's thread, as upstream serves Go's there. Node.js makes a CPU profile (`.cpuprofile`) and a
 * heap snapshot (`.heapsnapshot`), which Chrome's DevTools open. A snapshot has all that is in memory, Secrets included: no role but
 * cluster-admin may get these paths.
 */
import { Session } from 'node:inspector/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { pipeline } from 'node:stream/promises';
import { getHeapSnapshot } from 'node:v8';
import { badRequest, StatusError, tooManyRequests } from '../../../api/machinery/status-error.ts';
import type { Exchange } from '../http/exchange.ts';
import { requireGet } from './paths.ts';
import type { PathHandler } from '../verbs/handlers.ts';

const ROOT = '/debug/pprof';
/** Upstream's; with the longest, the response is still within the time limit of a request. */
const DEFAULT_SECONDS = 30;
const MAX_SECONDS = 50;
const INDEX = [
  `${ROOT}/profile?seconds=${DEFAULT_SECONDS}   CPU profile of the api-server's thread, for up to ${MAX_SECONDS} s (.cpuprofile)`,
  `${ROOT}/heap                 heap snapshot of it (.heapsnapshot): it stops the server for seconds, takes as much memory again,`,
  '                                and contains Secrets and keys',
  '',
].join('\n');

/** One profile at a time: a second one would measure the first. */
export function profilingHandler(): PathHandler {
  let isBusy = false;
  const alone = async (make: () => Promise<void>): Promise<void> => {
    if (isBusy) throw tooManyRequests('another profile is being made', 10);
    isBusy = true;
    try {
      await make();
    } finally {
      isBusy = false;
    }
  };
  return async (exchange) => {
    const { path } = exchange.info;
    if (path !== ROOT && !path.startsWith(`${ROOT}/`)) return false;
    switch (path.slice(ROOT.length)) {
      case '':
      case '/':
        requireGet(exchange.info);
        exchange.write(200, 'text/plain; charset=utf-8', INDEX);
        return true;
      case '/profile':
        requireGet(exchange.info);
        await alone(() => sendCpuProfile(exchange, secondsOf(exchange)));
        return true;
      case '/heap':
        requireGet(exchange.info);
        await alone(() => sendHeapSnapshot(exchange));
        return true;
      default:
        return false;
    }
  };
}

/** Throws a 400 StatusError. */
function secondsOf({ info }: Exchange): number {
  const asked = info.query.get('seconds');
  const seconds = asked ? Number(asked) : DEFAULT_SECONDS;
  if (!(seconds > 0 && seconds <= MAX_SECONDS)) throw badRequest(`seconds must be above 0 and at most ${MAX_SECONDS}`);
  return seconds;
}

async function sendCpuProfile(exchange: Exchange, seconds: number): Promise<void> {
  const session = new Session();
  session.connect();
  try {
    await session.post('Profiler.enable');
    await session.post('Profiler.start');
    // A client that leaves ends it.
    await delay(seconds * 1000, undefined, { signal: exchange.gone }).catch(() => undefined);
    const { profile } = await session.post('Profiler.stop');
    if (exchange.gone.aborted) return;
    exchange.write(200, 'application/json', JSON.stringify(profile), attachment('cpuprofile'));
  } finally {
    session.disconnect();
  }
}

async function sendHeapSnapshot(exchange: Exchange): Promise<void> {
  const snapshot = getHeapSnapshot();
  try {
    exchange.start(200, 'application/json', attachment('heapsnapshot'));
    await pipeline(snapshot, exchange.response);
  } catch (error) {
    // The client has gone, or was too slow.
    if (!exchange.response.destroyed || error instanceof StatusError) throw error;
  } finally {
    snapshot.destroy();
  }
}

const attachment = (extension: string): Record<string, string> => ({
  'Content-Disposition': `attachment; filename="kedge-server.${extension}"`,
  'X-Content-Type-Options': 'nosniff',
});
