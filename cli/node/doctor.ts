import type { Command } from 'commander';
import type { CheckedFinding } from '../../agent/inspect/doctor/finding.ts';
import { checkOutput, nodeCommand, onNode, type NodeFlags } from './node-command.ts';
import { withDeadline } from '../../client/deadline.ts';
import { printable, print, printJson } from '../output.ts';
import { userMessage } from '../plain-errors.ts';
import { ending } from '../run-command.ts';
import { exitsWithFindings } from '../usage.ts';

/** The host is not fit to be a node; 1 is that of a command that failed. */
const EXIT_UNFIT = 2;
const MARKS = { ok: 'ok  ', warning: 'WARN', failure: 'FAIL' } as const;
const INDENT = ' '.repeat(20);
/** For members of which some do not answer. */
const ETCD_LIMIT_MS = 15_000;

/** A line per finding; below those that are not ok, what is wanted and how to mend it. The last line is the verdict. */
export function doctorText(findings: readonly CheckedFinding[]): string {
  const lines = findings.flatMap(({ level, check, found, wanted, mend }) => [
    `${MARKS[level]}  ${check.padEnd(14)}${printable(found)}`,
    ...(wanted === undefined ? [] : [`${INDENT}wanted: ${printable(wanted)}`]),
    ...(mend === undefined ? [] : [`${INDENT}to mend it: ${printable(mend)}`]),
  ]);
  const count = (level: CheckedFinding['level']): number => findings.filter((one) => one.level === level).length;
  const [failures, warnings] = [count('failure'), count('warning')];
  const also = warnings === 0 ? '' : `, with ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`;
  const verdict =
    failures === 0
      ? `=> this host is fit to be a node${also}`
      : `=> this host is not fit to be a node: ${failures} ${failures === 1 ? 'check fails' : 'checks fail'}${also}`;
  return [...lines, verdict].join('\n');
}

/** What is found of etcd, where this host has a server whose store that is, for root. */
async function examineEtcd(signal: AbortSignal): Promise<CheckedFinding[]> {
  const { givenServerConfig, serverConfigFile } = await import('../server-config.ts');
  if (process.getuid?.() !== 0 || (await serverConfigFile(undefined)) === undefined) return [];
  const check = 'etcd';
  try {
    const config = await givenServerConfig({});
    if (config.store !== 'etcd' && config.etcd !== 'managed') return [];
    const { readEtcdFacts } = await import('../etcd-facts.ts');
    const { judgeEtcd } = await import('../etcd-health.ts');
    const limit = { what: 'the members of etcd', limitMs: ETCD_LIMIT_MS, signal };
    const facts = await withDeadline(limit, (within) => readEtcdFacts(config, within));
    return judgeEtcd(facts).map((finding) => ({ check, ...finding }));
  } catch (error) {
    if (signal.aborted) throw error;
    const mend = 'systemctl status kedge-etcd and journalctl -u kedge-etcd; kedge server status says the same';
    const found = `etcd cannot be asked: ${userMessage(error) ?? (error as Error).message}`;
    return [{ check, level: 'failure', found, wanted: 'an answer of a member', mend }];
  }
}

const doctor = (flags: NodeFlags): Promise<void> =>
  onNode('doctor', flags, async ({ config, signal }) => {
    checkOutput(flags.output, 'json');
    const { examineHost } = await import('../../agent/inspect/doctor/main.ts');
    const { isFit } = await import('../../agent/inspect/doctor/finding.ts');
    const [host, etcd] = await Promise.all([examineHost(config, signal), examineEtcd(signal)]);
    const findings = [...host, ...etcd];
    const fit = isFit(findings);
    if (flags.output === 'json') printJson({ fit, findings });
    else print(doctorText(findings));
    if (!fit) process.exitCode = EXIT_UNFIT;
  });

/** `kedge doctor`: whether this host is fit to be a node. */
export const doctorCommand = (): Command =>
  exitsWithFindings(
    nodeCommand(
      'doctor',
      `look at everything that a node needs of this host, before it joins or after, and say what is missing and how to mend it; exits with ${EXIT_UNFIT} when the host is not fit`,
    ),
  )
    .option('-o, --output <form>', 'json')
    .action(ending(doctor));
