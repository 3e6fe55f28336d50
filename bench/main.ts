/**
 * `make bench`: produces the figures of docs/performance.md. `--only REGEX` selects some, `--json FILE` writes them as
 * JSON.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { measureApi } from './api.ts';
import { measureCluster, measureServices } from './cluster.ts';
import { measureConnections, measureRolling } from './connections.ts';
import { measureCollections } from './collections.ts';
import { measureConsole } from './console.ts';
import { measureDns } from './dns.ts';
import { measureIngress } from './ingress.ts';
import { measureFloods } from './floods.ts';
import { describeMachine, loadAverage, measureMachine } from './machine.ts';
import { measureMixedLoad } from './mixed-load.ts';
import { measureWebhooks } from './webhooks.ts';
import { measurePages } from './pages.ts';
import { measureProxy } from './proxy.ts';
import { measurePolicies } from './policies.ts';
import { Report } from './report.ts';
import { measureScale } from './scale.ts';
import { measureScheduling } from './scheduling.ts';
import { measureStores } from './stores.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    json: { type: 'string' },
    'server-node-options': { type: 'string' },
  },
});

const report = new Report(new RegExp(values.only, 'i'));
const program = path.resolve(import.meta.dirname, '../dist/kedge');
const [machine, loadBefore, date] = [await describeMachine(), await loadAverage(), new Date().toISOString()];

// The stack stops everything that was started, also when interrupted.
for (const measure of [
  () => measureMachine(report),
  (running) => measureApi(report, { program, nodeOptions: values['server-node-options'] }, running),
  (running) => measureStores(report, { program }, running),
  (running) => measureWebhooks(report, { program }, running),
  (running) => measureCollections(report, { program }, running),
  (running) => measurePages(report, { program }, running),
  (running) => measureMixedLoad(report, { program }, running),
  (running) => measureFloods(report, { program, nodeOptions: values['server-node-options'] }, running),
  (running) => measureDns(report, running),
  (running) => measureConsole(report, { program }, running),
  () => measureProxy(report),
  () => measureIngress(report),
  () => measureConnections(report),
  () => measureRolling(report),
  () => measurePolicies(report),
  (running) => measureCluster(report, running),
  (running) => measureServices(report, running),
  (running) => measureScheduling(report, { program }, running),
  (running) => measureScale(report, { program }, running),
] satisfies ((running: AsyncDisposableStack) => Promise<void>)[]) {
  await using running = new AsyncDisposableStack();
  const interrupted = (): void => void running.disposeAsync().finally(() => process.exit(130));
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    await measure(running);
  } catch (error) {
    // Report the results so far.
    console.error(error);
    process.exitCode = 1;
  }
  process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
}

const loadAfter = await loadAverage();
console.log(`\n${machine}\n${date}, load average ${loadBefore} before, ${loadAfter} after\n\n${report.table()}`);
if (values.json !== undefined)
  await writeFile(
    values.json,
    JSON.stringify({ date, machine, loadBefore, loadAfter, results: report.results() }, null, 2),
  );
