/** Paginated lists of few and of many objects: the cost of a page must not depend on the number of objects. */
import { CONNECTIONS } from './pods.ts';
import { BenchServer, type BenchServerOptions } from './bench-server.ts';
import { load, requestBytes } from './http.ts';
import type { MeasureId } from './measures.ts';
import type { Report } from './report.ts';

const COLLECTION = '/api/v1/namespaces/default/configmaps';
const PAGE = 500;
const PAGES = 400;
const RUNS = 3;

export async function measurePages(
  report: Report,
  options: BenchServerOptions,
  running: AsyncDisposableStack,
): Promise<void> {
  if (!report.wants('page10000', 'page100000')) return;
  const server = running.use(await BenchServer.start(options));
  const { target, pid } = server;
  let objects = 0;
  const growTo = async (count: number): Promise<void> => {
    const requests = Array.from({ length: count - objects }, (_, index) =>
      requestBytes(
        target,
        'POST',
        COLLECTION,
        JSON.stringify({ metadata: { name: `c${objects + index}` }, data: { k: 'v' } }),
      ),
    );
    objects = count;
    await load(target, CONNECTIONS, 201, requests);
  };
  for (const [id, count] of [
    ['page10000', 10_000],
    ['page100000', 100_000],
  ] satisfies [MeasureId, number][]) {
    await growTo(count);
    const page = requestBytes(target, 'GET', `${COLLECTION}?limit=${PAGE}`);
    await report.repeat(RUNS, [process.pid, pid], async () => {
      const { perSecond } = await load(target, 2, 200, new Array<Buffer>(PAGES).fill(page));
      return { [id]: perSecond };
    });
  }
}
