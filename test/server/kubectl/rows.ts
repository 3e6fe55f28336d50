/**
 * Tables of kubectl's commands, which every stock version runs against a real api-server with the controllers and a simulated node.
 * One namespace per version, so that the versions run at the same time.
 */
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import { ProgramError, run } from '../../../agent/host/run.ts';
import { stockKubectls } from '../../support/stock-clients.ts';
import { ControlPlane, PretendedNode } from '../controllers/control-plane.ts';

export interface Row {
  /** The arguments: words between spaces, or a list where an argument has spaces in it. */
  readonly run: string | readonly string[];
  /** The minor versions of kubectl that have the command, or that behave so. */
  readonly from?: number;
  readonly to?: number;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What the output has; stdout and stderr. */
  readonly prints?: RegExp | string;
  /** What the output must not have. */
  readonly hides?: RegExp | string;
  /** The message with which the command fails. */
  readonly fails?: RegExp | string;
}

export interface Place {
  /** 20 of 1.20. */
  readonly minor: number;
  readonly program: string;
  /** Its namespace is this version's own. */
  readonly kubeconfig: string;
  readonly namespace: string;
  /** A Ready node of this version's own. */
  readonly node: string;
  /** A folder for files of the test. */
  readonly folder: string;
}

const LIMIT_MS = 60_000;

/** Runs kubectl; resolves with its output, or with its message when it fails. */
async function outcome(place: Place, row: Row): Promise<{ output: string; failed: boolean }> {
  const args = typeof row.run === 'string' ? row.run.split(' ') : row.run;
  const { kubeconfig, folder } = place;
  // Also what a failed `kubectl edit` leaves is removed with the folder.
  const env = { ...process.env, KUBECONFIG: kubeconfig, HOME: folder, TMPDIR: folder, ...row.env };
  const options = { env, timeoutMs: LIMIT_MS, ...(row.input !== undefined && { input: row.input }) };
  try {
    const { stdout, stderr } = await run(place.program, args, options);
    return { output: stdout + stderr, failed: false };
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    return { output: error.stderr || error.message, failed: true };
  }
}

async function check(t: Test, place: Place, row: Row): Promise<void> {
  const title = typeof row.run === 'string' ? row.run : row.run.join(' ');
  const { output, failed } = await outcome(place, row);
  if (row.fails !== undefined) {
    t.ok(failed, `${title}: fails`);
    t.match(output, row.fails, title);
    return;
  }
  t.notOk(failed, `${title}${failed ? `: ${output}` : ''}`);
  if (row.prints !== undefined) t.match(output, row.prints, title);
  if (row.hides !== undefined) t.notMatch(output, row.hides, title);
}

/** Runs the rows, in their order, with each version of kubectl that has them. */
export async function checkRows(area: string, rows: (place: Place) => readonly Row[]): Promise<void> {
  const plane = await ControlPlane.start();
  const folder = await mkdtemp(path.join(os.tmpdir(), `kedge-kubectl-${area}-`));
  t.teardown(async () => {
    await plane[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  const kubectls = await stockKubectls();
  t.jobs = kubectls.length;
  for (const { version, minor, program } of kubectls) {
    t.test(`kubectl ${version}: ${area}`, { buffered: true }, async (t) => {
      await using node = await PretendedNode.join(plane.client, `node-${minor}`);
      const kubeconfig = path.join(folder, `kubeconfig-${minor}`);
      await copyFile(plane.kubeconfig, kubeconfig);
      const place = { minor, program, kubeconfig, namespace: `${area}-${minor}`, node: node.name, folder };
      await check(t, place, { run: `create namespace ${place.namespace}` });
      await check(t, place, { run: `config set-context --current --namespace=${place.namespace}` });
      for (const row of rows(place)) {
        if (minor >= (row.from ?? 0) && minor <= (row.to ?? Infinity)) await check(t, place, row);
      }
      t.strictSame(node.failures, []);
    });
  }
}
