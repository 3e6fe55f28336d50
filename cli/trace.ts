import { Command } from 'commander';
import type { ServiceTrace, TraceOptions } from '../agent/trace.ts';
import { parseDuration } from '../api/machinery/duration.ts';
import { daemonLogger } from '../daemon/daemon-logger.ts';
import { requireRoot } from './daemon.ts';
import { NODE_CONFIG_HELP, nodeSettings } from './node-settings.ts';
import { exitsWithFindings, UsageError } from './usage.ts';
import { print, printJson } from './output.ts';

interface TraceFlags {
  readonly config?: string;
  readonly namespace: string;
  readonly from: string;
  readonly timeout: string;
  readonly output: string;
}

/** Scripts read it: whether the connection is answered; 1 is that of a command that failed. */
const EXIT_CODES = { answered: 0, stopped: 2, unknown: 3 } as const;
const LONGEST_MS = 60_000;

async function trace(target: string, flags: TraceFlags): Promise<void> {
  requireRoot('trace', "enters pods' networks and reads the kernel's tables");
  const timeoutMs = parseDuration(flags.timeout);
  if (timeoutMs === undefined || timeoutMs <= 0 || timeoutMs > LONGEST_MS)
    throw new UsageError(`--timeout must be a duration up to 60s, such as 5s, not "${flags.timeout}"`);
  if (flags.output !== 'text' && flags.output !== 'json')
    throw new UsageError(`--output must be text or json, not "${flags.output}"`);
  const config = await nodeSettings(flags.config);
  const { checkFrom, traceService } = await import('../agent/trace.ts');
  checkFrom(flags.from);
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
  const options: TraceOptions = { target, namespace: flags.namespace, from: flags.from, timeoutMs };
  let traced: ServiceTrace;
  try {
    traced = await traceService(config, options, stop.signal, daemonLogger('kedge-trace', 'error'));
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    process.exitCode = 1;
    return;
  }
  if (flags.output === 'json') printJson(asJson(traced));
  else print(asText(traced));
  const ok = traced.report?.verdict.ok;
  process.exitCode = ok === undefined ? EXIT_CODES.unknown : ok ? EXIT_CODES.answered : EXIT_CODES.stopped;
}

/** A line per step, numbered, with the chain that it happened in at its end. */
export function asText({ about, report }: ServiceTrace): string {
  if (!report) return about.join('\n');
  const steps = report.steps.map(({ text, where }, index) => {
    const place = where === undefined ? '' : `  [${where}]`;
    return `${String(index + 1).padStart(3)}  ${text}${place}`;
  });
  const answer = report.steps.findIndex(({ packet }) => packet === 'answer');
  if (answer >= 0) steps.splice(answer, 0, 'the answer:');
  return [...about, ...steps, `=> ${report.verdict.text}`].join('\n');
}

const asJson = ({ about, report }: ServiceTrace): object => {
  const { connection, steps, translatedTo, verdict, outcome } = report ?? {};
  const { source, destination, ...rest } = connection ?? {};
  const shown = connection && { ...rest, source: source?.text, destination: destination?.text };
  return { about, connection: shown, steps, translatedTo, outcome, verdict };
};

/** `kedge trace`: follows one real packet to a Service through the kernel's tables. */
export const traceCommand = (): Command =>
  exitsWithFindings(new Command('trace'))
    .description(
      "follow one real connection to a Service through this node's rules, and say where it gets to; exits with 0 when it is answered, " +
        '2 when it is not, 3 when that cannot be told (UDP), 1 when nothing was traced',
    )
    .argument('<target>', 'svc/NAME, svc/NAME:PORT or ADDRESS:PORT; with /udp at the end for datagrams')
    .option('-n, --namespace <namespace>', "the Service's namespace, and that of the pod", 'default')
    .option('--from <client>', 'who connects: host, or a pod of this node, POD or NAMESPACE/POD', 'host')
    .option('--timeout <duration>', 'how long an answer is waited for', '5s')
    .option('-o, --output <form>', 'text or json', 'text')
    .option('--config <file>', NODE_CONFIG_HELP)
    .action((target: string, flags: TraceFlags) => trace(target, flags));
