/** Compares the proxy of Ingresses with plain nginx as reverse proxy, each in a network namespace of its own. */
import path from 'node:path';
import { run } from '../agent/host/run.ts';
import type { IngressFigures } from './ingress-worker.ts';
import type { MeasureId } from './measures.ts';
import type { Report } from './report.ts';

const RUNS = 3;
const RUN_LIMIT_MS = 300_000;

type Ids = Readonly<Record<keyof IngressFigures, MeasureId>>;
const idsOf = <P extends 'ingress' | 'nginx', N extends 10 | 1000>(proxy: P, count: N) =>
  ({
    perSecond: `${proxy}Rate${count}`,
    p99Ms: `${proxy}P99Of${count}`,
    residentMb: `${proxy}Memory${count}`,
    firstAnswerMs: `${proxy}First${count}`,
  }) as const;
const CASES = [
  ['kedge', 10, idsOf('ingress', 10)],
  ['nginx', 10, idsOf('nginx', 10)],
  ['kedge', 1_000, idsOf('ingress', 1_000)],
  ['nginx', 1_000, idsOf('nginx', 1_000)],
] as const satisfies readonly (readonly [string, number, Ids])[];

export async function measureIngress(report: Report): Promise<void> {
  const worker = path.join(import.meta.dirname, 'ingress-worker.ts');
  // In turn, so that both see the same machine.
  for (let time = 0; time < RUNS; time++)
    for (const [proxy, count, ids] of CASES) {
      if (!report.wants(...Object.values(ids))) continue;
      const args = ['--net', process.execPath, worker, proxy, String(count)];
      const { stdout } = await run('unshare', args, { timeoutMs: RUN_LIMIT_MS });
      const figures = JSON.parse(stdout) as IngressFigures;
      for (const [figure, id] of Object.entries(ids) as [keyof IngressFigures, MeasureId][])
        report.add(id, figures[figure]);
    }
}
