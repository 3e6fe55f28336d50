/** The log files of this host's containers, found by their names alone: neither agent nor runtime needs to run. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { namesIn } from '../host/files.ts';
import { HostError } from '../host/host-error.ts';
import { theContainer, thePod, type PodName } from './pod-name.ts';
import { MAX_FILE_NAME_BYTES } from '../pods/logs/log-paths.ts';

interface LogDirectory {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly path: string;
}

export interface LogFile {
  readonly path: string;
  readonly namespace: string;
  readonly pod: string;
  readonly podUid: string;
  readonly container: string;
  /** How often the container had been restarted. */
  readonly attempt: number;
}

/** NAMESPACE_POD_UID, where the end of the pod's name may have been cut. Undefined for other directories. */
export function parseLogDirectory(entry: string): Omit<LogDirectory, 'path'> | undefined {
  const [, namespace = '', name = '', uid = ''] = /^([^_]+)_([^_]+)_([0-9a-f-]{32,36})$/.exec(entry) ?? [];
  return uid === '' ? undefined : { namespace, name, uid };
}

/** Whether a directory is that of a pod of this name. */
export const isOfPod = (entry: string, found: string, wanted: string): boolean =>
  found === wanted || (entry.length === MAX_FILE_NAME_BYTES && wanted.startsWith(found));

/** The files of a container's runs, the latest first, without those that have been rotated away. Pure. */
export const runsIn = (names: readonly string[]): number[] =>
  names
    .flatMap((name) => /^(\d{1,9})\.log$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => b - a);

/**
 * The log of a container's latest run or, with `previous`, of the one before it. Throws HostError when there is none, and when it
 * is not clear which one is meant.
 */
export async function findLog(
  podLogDir: string,
  wanted: PodName,
  container: string | undefined,
  previous: boolean,
): Promise<LogFile> {
  const directory = await podDirectory(podLogDir, wanted);
  const pod = `${directory.namespace}/${wanted.name}`;
  const chosen = theContainer(pod, await namesIn(directory.path), container);
  const runs = runsIn(await namesIn(path.join(directory.path, chosen)));
  const attempt = runs[previous ? 1 : 0];
  if (attempt === undefined)
    throw new HostError(`container ${chosen} of pod ${pod} has no log of ${previous ? 'an earlier' : 'any'} run`);
  return {
    path: path.join(directory.path, chosen, `${attempt}.log`),
    ...{ namespace: directory.namespace, pod: wanted.name, podUid: directory.uid, container: chosen, attempt },
  };
}

/** Of pods that have had the same name, the directory of the one that came last. */
async function podDirectory(podLogDir: string, wanted: PodName): Promise<LogDirectory> {
  const found: (LogDirectory & { readonly madeAt: number })[] = [];
  for (const entry of await namesIn(podLogDir)) {
    const parsed = parseLogDirectory(entry);
    if (!parsed || !isOfPod(entry, parsed.name, wanted.name)) continue;
    const at = path.join(podLogDir, entry);
    found.push({ ...parsed, name: wanted.name, path: at, madeAt: (await stat(at)).birthtimeMs });
  }
  return thePod(
    found.sort((a, b) => b.madeAt - a.madeAt),
    wanted,
  );
}
