/** What malformed and hostile requests leave behind in the server. */
import t from 'tap';
import { collectedHeapBytes } from '../../support/heap.ts';
import { ask, ROWS } from './hostile-rows/index.ts';
import { CONFIG_MAPS, configMap, TestServer } from './server.ts';

t.test('hostile requests leave no memory behind', async (t) => {
  await using server = await TestServer.start();
  await server.call('POST', CONFIG_MAPS, { body: configMap('a') });
  const round = async (): Promise<void> => {
    for (const row of ROWS) await ask(server, row);
  };
  // What is compiled and cached at first use is so after the first round.
  await round();
  await round();
  const before = collectedHeapBytes();
  for (let count = 0; count < 5; count++) await round();
  const grown = collectedHeapBytes() - before;
  t.ok(grown < 3_000_000, `${Math.round(grown / 1024)} KiB after ${5 * ROWS.length} requests`);
});
