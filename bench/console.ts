/** The web console in headless Chromium: how long a user waits for a list of 5,000 pods. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { openConsole, startBrowser } from '../test/support/browser.ts';
import { BenchServer, createNamespace, type BenchServerOptions } from './bench-server.ts';
import { createPods, NAMESPACE } from './pods.ts';
import type { Report } from './report.ts';

const PODS = 5_000;
const RUNS = 5;

export async function measureConsole(
  report: Report,
  options: BenchServerOptions,
  running: AsyncDisposableStack,
): Promise<void> {
  if (!report.wants('consoleOpen', 'consoleList', 'consoleFilter')) return;
  const server = running.use(await BenchServer.start({ ...options, settings: { roles: 'apiserver,controllers' } }));
  await createNamespace(server.target, NAMESPACE);
  await createPods(server.target, 0, PODS);
  const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-bench-browser-'));
  running.defer(() => rm(directory, { recursive: true }));
  const browser = await startBrowser({ directory });
  running.defer(() => browser.close());
  const opened = running.use(await openConsole(browser, `https://127.0.0.1:${server.target.port}`));
  const { page } = opened;
  await opened.logIn(server.target.token);
  await page.goto('about:blank');
  const count = page.getByTestId('count');
  for (let run = 0; run < RUNS; run++) {
    const begin = performance.now();
    await opened.go(`list/core/v1/pods?namespace=${NAMESPACE}`);
    await page.locator('.row:not(.head)').first().waitFor();
    report.add('consoleOpen', performance.now() - begin);
    await count.filter({ hasText: `${PODS}` }).waitFor();
    report.add('consoleList', performance.now() - begin);
    const typed = performance.now();
    await page.getByLabel('Filter').fill('pod-4321');
    await count.filter({ hasText: '1 of' }).waitFor();
    report.add('consoleFilter', performance.now() - typed);
    await page.goto('about:blank');
  }
}
