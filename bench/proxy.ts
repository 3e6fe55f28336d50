/** Measures the rules of Services alone, in each proxy mode: the tables of a network namespace of their own, without a cluster. */
import path from 'node:path';
import { run } from '../agent/host/run.ts';
import type { ProxyMode } from '../agent/network/services/backends/proxy-mode.ts';
import type { MeasureId } from './measures.ts';
import type { ProxyFigures } from './proxy-worker.ts';
import type { Report } from './report.ts';

const RUNS = 3;
const RUN_LIMIT_MS = 300_000;
/** The kernel of the machine that the figures are from has no ip_vs. */
const MODES = ['nftables', 'iptables'] as const satisfies readonly ProxyMode[];
const MEASURES: Readonly<Record<(typeof MODES)[number], Readonly<Record<keyof ProxyFigures, MeasureId>>>> = {
  nftables: {
    ...{ sync: 'proxySync', restart: 'proxyRestart', memory: 'proxyMemory' },
    ...{ change: 'proxyChange', changeOf10: 'proxyChangeOf10' },
  },
  iptables: {
    ...{ sync: 'proxySyncIptables', restart: 'proxyRestartIptables', memory: 'proxyMemoryIptables' },
    ...{ change: 'proxyChangeIptables', changeOf10: 'proxyChangeOf10Iptables' },
  },
};

export async function measureProxy(report: Report): Promise<void> {
  const worker = path.join(import.meta.dirname, 'proxy-worker.ts');
  for (const mode of MODES) {
    const ids = Object.entries(MEASURES[mode]) as [keyof ProxyFigures, MeasureId][];
    if (!report.wants(...ids.map(([, id]) => id))) continue;
    for (let time = 0; time < RUNS; time++) {
      const args = ['--net', process.execPath, '--expose-gc', worker, mode];
      const { stdout } = await run('unshare', args, { timeoutMs: RUN_LIMIT_MS });
      const figures = JSON.parse(stdout) as ProxyFigures;
      for (const [figure, id] of ids) report.add(id, figures[figure]);
    }
  }
}
