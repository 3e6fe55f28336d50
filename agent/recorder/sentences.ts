/** Sentences about records. Pure. */
import { formatDuration } from '../../api/machinery/duration.ts';
import type { ReportRecord } from './stored.ts';

/** What earlier records say of containers, by their ids. */
export interface Known {
  /** The container's name, or the id in short. */
  nameOf(id: string): string;
  /** Why it ended: out of memory, stopped by the agent, a signal; undefined when it ended by itself. */
  causeOf(record: Extract<ReportRecord, { readonly kind: 'exit' }>): string | undefined;
}

/** `480ms`, `12.3s`: to what matters of it. */
export function took(ms: number): string {
  if (ms < 10) return formatDuration(Math.round(ms * 10) / 10);
  if (ms < 1000) return formatDuration(Math.round(ms));
  return formatDuration(ms < 60_000 ? Math.round(ms / 100) * 100 : Math.round(ms / 1000) * 1000);
}

const ACTIONS: ReadonlyMap<string, string> = new Map([
  ['setUp', 'set up its volumes'],
  ['refreshVolumes', 'refresh its volumes'],
  ['createSandbox', 'create its sandbox'],
  ['startContainer', 'start container'],
  ['stopContainer', 'stop container'],
  ['removeContainer', 'remove container'],
  ['resize', 'resize it'],
  ['stopSandbox', 'stop its sandbox'],
  ['removeSandbox', 'remove its sandbox'],
  ['releaseDevices', 'release its devices'],
  ['tearDown', 'unmount its volumes and remove its cgroup'],
]);

const actionText = (action: string, container: string | undefined): string =>
  `${ACTIONS.get(action) ?? action}${container === undefined ? '' : ` ${container}`}`;

export function sentence(record: ReportRecord, known: Known): string {
  const text = told(record, known);
  return record.again === undefined ? text : `${text} (and ${record.again} times before, since it was told last)`;
}

function told(record: ReportRecord, known: Known): string {
  switch (record.kind) {
    case 'agent':
      return `the agent has ${record.what}${because(record.error)}`;
    case 'log':
      return `log (${record.level}): ${record.message}${because(record.error)}`;
    case 'plan':
      return `plan: ${record.actions
        .map(({ action, container, why }) => `${actionText(action, container)} (${why})`)
        .join('; ')}`;
    case 'action':
      return `failed to ${actionText(record.action, record.container)}: ${record.error}`;
    case 'cri':
      return outcome([record.server, record.call, aboutCall(record, known)].filter(Boolean).join(' '), record);
    case 'program':
      return outcome(`program ${record.command}`, record);
    case 'exit':
      return exitText(record, known);
    case 'seen':
      return record.what === OUT_OF_MEMORY
        ? `container ${known.nameOf(record.id ?? '')} ran out of memory: the kernel has killed a process in it`
        : record.what;
    case 'probe':
      return `the ${record.probe.toLowerCase()} probe of container ${record.container} ${record.healthy ? 'succeeds' : 'fails'} now`;
    case 'status': {
      const waiting = record.waiting.length === 0 ? '' : `, waiting: ${record.waiting.join(', ')}`;
      const text = `status ${record.phase}, ${record.ready} ready${waiting}`;
      return record.error === undefined
        ? `${text} (written in ${took(record.ms)})`
        : outcome(`write of ${text}`, record);
    }
    case 'volume':
      return outcome(`volume ${record.volume}: ${record.step}`, record);
    case 'rules':
      return outcome(
        `rules of ${record.rules.map(({ owner, changed }) => `${owner} (${changed})`).join(', ')}`,
        record,
      );
    case 'node':
      return `condition ${record.condition} is ${record.status}: ${record.reason}: ${record.message}`;
    case 'event':
      return `event ${record.type} ${record.reason}${record.pod === undefined ? ` of ${record.object}` : ''}: ${record.message}`;
  }
}

/** As the worker reports it. */
export const OUT_OF_MEMORY = 'ran out of memory';

const because = (error: string | undefined): string => (error === undefined ? '' : `: ${error}`);

const outcome = (what: string, { ms, error }: { readonly ms: number; readonly error?: string }): string =>
  error === undefined ? `${what} took ${took(ms)}` : `${what} failed after ${took(ms)}: ${error}`;

function aboutCall({ target, id }: Extract<ReportRecord, { readonly kind: 'cri' }>, known: Known): string {
  if (target !== undefined) return target;
  return id === undefined ? '' : known.nameOf(id);
}

function exitText(record: Extract<ReportRecord, { readonly kind: 'exit' }>, known: Known): string {
  const cause = known.causeOf(record);
  const ran = record.ranMs > 0 ? ` after ${took(record.ranMs)}` : '';
  return `container ${record.container} exited with ${record.exitCode}${cause === undefined ? '' : ` (${cause})`}${ran}; ${record.next}`;
}
