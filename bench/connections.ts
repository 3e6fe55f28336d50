/** Measures connections through a Service among more and more others, in each proxy mode, without a cluster; and pods replaced under load. */
import path from 'node:path';
import { run } from '../agent/host/run.ts';
import type { ProxyMode } from '../agent/network/services/backends/proxy-mode.ts';
import type { ConnectionFigures } from './connections-worker.ts';
import type { MeasureId } from './measures.ts';
import { drawBars, type Report } from './report.ts';

const RUN_LIMIT_MS = 600_000;
const FEW = 10;
const MANY = 10_000;
const RATES = {
  nftables: { [FEW]: 'connections10', [MANY]: 'connections10000' },
  iptables: { [FEW]: 'connections10Iptables', [MANY]: 'connections10000Iptables' },
} as const satisfies Partial<Record<ProxyMode, Readonly<Record<number, MeasureId>>>>;
const MODES = ['nftables', 'iptables'] as const;

export async function measureConnections(report: Report): Promise<void> {
  const worker = path.join(import.meta.dirname, 'connections-worker.ts');
  for (const mode of MODES) {
    const rates = RATES[mode];
    if (!report.wants(rates[FEW], rates[MANY])) continue;
    const { stdout } = await run('unshare', ['--net', process.execPath, worker, mode], { timeoutMs: RUN_LIMIT_MS });
    const figures = JSON.parse(stdout) as ConnectionFigures[];
    for (const { services, rate } of figures)
      if (services === FEW || services === MANY) report.add(rates[services], rate);
    const bars = (unit: string, digits: number, valueOf: (figure: ConnectionFigures) => number) =>
      drawBars(
        figures.map((figure) => ({ label: figure.services.toLocaleString('en'), value: valueOf(figure) })),
        { unit, digits },
      );
    report.plot(
      `${mode}: connections a second, by the number of Services`,
      bars('/s', 0, ({ rate }) => rate),
    );
    report.plot(
      `${mode}: one Service added, by the number of Services`,
      bars('ms', 1, ({ change }) => change),
    );
  }
}

/** What the test says of itself: it is the measurement, and fails when a request does. */
export async function measureRolling(report: Report): Promise<void> {
  if (!report.wants('rollingFailed', 'rollingRequests')) return;
  const test = path.join(import.meta.dirname, '../test/host/network/rolling.test.ts');
  const { stdout } = await run(process.execPath, [test, '--timeout=0'], {
    timeoutMs: RUN_LIMIT_MS,
    env: { ...process.env, TAP_TIMEOUT: '0' },
  });
  for (const [, text = ''] of stdout.matchAll(/# rolling (\{.*\})/g)) {
    const { answered, failed } = JSON.parse(text) as { answered: number; failed: number };
    report.add('rollingRequests', answered);
    report.add('rollingFailed', failed);
  }
}
