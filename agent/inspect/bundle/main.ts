/**
 * `kedge bundle`: collects what a report of a problem needs into one archive. Each part has a deadline; what could not be had is told
 * in a file of its own. Logs of containers, contents of volumes and keys are never read.
 */
import { createWriteStream } from 'node:fs';
import { open, readFile, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Pod } from '../../../api/types/core/v1.gen.ts';
import { kedgeVersion, kubernetesVersion } from '../../../api/version.ts';
import { withDeadline } from '../../../client/deadline.ts';
import { nodes } from '../../../client/resources.gen.ts';
import type { AgentConfig } from '../../config.ts';
import { nodeNameOf } from '../../config.ts';
import {
  kernelFiles,
  kernelLog,
  networkReport,
  programVersions,
  unitLogs,
  unitStates,
} from '../../host/host-report.ts';
import { ownTables, savedRules } from '../../network/netfilter/rule-dump.ts';
import { openNodeClient } from '../../node-view.ts';
import { listSegments, recorderDirectory } from '../../recorder/segments.ts';
import { ownWords } from '../../recorder/stored.ts';
import { examineHost } from '../doctor/main.ts';
import { AGENT_STOPPED, askAgent } from '../local-agent.ts';
import { runtimeState, withRuntime } from '../runtime-pods.ts';
import { publicRuntime } from './public-runtime.ts';
import { publicObject, scrubber, secretValues } from './public-objects.ts';
import { tarEnd, tarMember } from '../../../daemon/tar/header.ts';
import { publicText, tail } from './text.ts';
import { HostError } from '../../host/host-error.ts';

export interface BundleOptions {
  readonly config: AgentConfig;
  /** The file to write: it must not be there yet. */
  readonly file: string;
  /** Logs and segments from then on, in ms since the epoch. */
  readonly sinceMs: number;
}

export interface Bundle {
  readonly bytes: number;
  readonly parts: number;
  /** What could not be had: part -> why. */
  readonly missing: ReadonlyMap<string, string>;
}

interface Part {
  readonly name: string;
  readonly content: string;
}

/** A host that is unwell may keep any one of the parts waiting. */
const PART_LIMIT_MS = 45_000;
const API_LIMIT_MS = 5_000;
/** Of one part. */
const FILE_MODE = 0o600;
const MAX_PART_CHARACTERS = 8 * 1024 * 1024;
const MAX_NODE_NAME = 50;
const PRIVATE_FILE = 0o600;

/** Throws HostError when the file is there already, and what makes it impossible to write. */
export async function writeBundle(options: BundleOptions, signal: AbortSignal): Promise<Bundle> {
  const { config, file } = options;
  const missing = new Map<string, string>();
  // Before anything is collected: a person should not wait for a file that cannot be.
  const handle = await openNew(file);
  try {
    const pods = await askAgent<{ items: readonly Pod[] }>(config.dataDir, '/pods', signal).catch(() => undefined);
    const scrub = scrubber([...secretValues(pods?.items ?? []), ...(config.token === '' ? [] : [config.token])]);
    const parts = await collect(options, missing, signal);
    const listed = [...missing].map(([name, why]) => `${name}: ${publicText(why).replaceAll('\n', ' ')}\n`).join('');
    parts.push({ name: 'missing.txt', content: listed === '' ? 'nothing: all parts are there\n' : listed });
    const segments = await listSegments(recorderDirectory(config.dataDir));
    const wanted = segments.filter(({ modifiedAt }) => modifiedAt >= options.sinceMs);
    const top = topFolder(nodeNameOf(config));
    const now = Date.now();
    let bytes = 0;
    const members = async function* (): AsyncGenerator<Buffer> {
      for (const { name, content } of parts)
        yield* tarMember(
          { name: `${top}/${name}`, mode: FILE_MODE, modifiedAt: now },
          Buffer.from(scrub(tail(content, MAX_PART_CHARACTERS))),
        );
      for (const { path, number, modifiedAt } of wanted) {
        // The agent may have dropped it meanwhile.
        const text = await readFile(path, 'utf8').catch(() => '');
        yield* tarMember(
          { name: `${top}/recorder/segment-${number}.jsonl`, mode: FILE_MODE, modifiedAt },
          Buffer.from(scrub(text)),
        );
      }
      yield tarEnd();
    };
    const counted = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      for await (const chunk of chunks) {
        bytes += chunk.length;
        yield chunk;
      }
    };
    const written = createWriteStream(file, { fd: handle.fd, autoClose: false });
    await pipeline(Readable.from(members(), { objectMode: true }), createGzip(), counted, written, { signal });
    return { bytes, parts: parts.length + wanted.length, missing };
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

/** Names of nodes may be longer than those of an archive. */
export const topFolder = (node: string): string => `kedge-bundle-${node.slice(0, MAX_NODE_NAME)}`;

async function openNew(file: string): ReturnType<typeof open> {
  try {
    return await open(file, 'wx', PRIVATE_FILE);
  } catch (error) {
    throw new HostError(`cannot write ${file}: ${(error as Error).message}`, { cause: error });
  }
}

type Source = (signal: AbortSignal) => Promise<string>;

const json = (value: unknown): string => `${JSON.stringify(value, null, 1)}\n`;

/** What the agent says at a path of its socket; throws where it does not run. */
async function ofAgent(config: AgentConfig, path: string, signal: AbortSignal): Promise<unknown> {
  const answer = await askAgent<unknown>(config.dataDir, path, signal);
  if (answer === undefined) throw new HostError(AGENT_STOPPED);
  return answer;
}

/** The agent's Node; that of the api-server where the agent does not run. */
async function nodeObject(config: AgentConfig, signal: AbortSignal): Promise<unknown> {
  const known = await askAgent<object | null>(config.dataDir, '/node', signal);
  if (known) return known;
  await using client = await openNodeClient(config);
  if (!client) throw new HostError('this host has no identity in a cluster');
  return await client.get(nodes, '', nodeNameOf(config), { signal, timeoutMs: API_LIMIT_MS });
}

function sources({ config, sinceMs }: BundleOptions): ReadonlyMap<string, Source> {
  const settings = { ...config, token: config.token === '' ? '' : '(removed)' };
  const text =
    (read: Source): Source =>
    async (signal) =>
      publicText(await read(signal));
  return new Map<string, Source>([
    ['versions.txt', text(async (signal) => `${ownVersions()}${await programVersions(signal)}`)],
    ['settings.json', async () => json(publicObject(settings))],
    ['settings-of-the-agent.json', async (signal) => json(publicObject(await ofAgent(config, '/configz', signal)))],
    ['doctor.json', async (signal) => json(publicObject(await examineHost(config, signal)))],
    ['node.json', async (signal) => json(publicObject(await nodeObject(config, signal)))],
    ['pods.json', async (signal) => json(publicObject(await ofAgent(config, '/pods', signal)))],
    ['events.json', async (signal) => json(publicEvents(await ofAgent(config, '/events', signal)))],
    [
      'runtime.json',
      (signal) =>
        withRuntime(config, async (cri) =>
          json(
            publicObject({
              version: await cri.version({ signal }),
              status: await cri.status({ signal }),
              images: await cri.listImages({ signal }),
              ...publicRuntime(await runtimeState(cri, signal)),
            }),
          ),
        ),
    ],
    ['rules/iptables-save.txt', text((signal) => savedRules('IPv4', signal))],
    ['rules/ip6tables-save.txt', text((signal) => savedRules('IPv6', signal))],
    ['rules/nftables.txt', text(ownTables)],
    ['network.txt', text(networkReport)],
    ['kernel.txt', text(kernelFiles)],
    ['kernel.log', text(kernelLog)],
    ['units.txt', text(unitStates)],
    ['units.log', text((signal) => unitLogs(sinceMs, signal))],
  ]);
}

const ownVersions = (): string =>
  `kedge ${kedgeVersion} (Kubernetes API ${kubernetesVersion.gitVersion}, Node.js ${process.version})\n`;

/** Events of these reasons quote what a container has said. */
function publicEvents(answer: unknown): unknown {
  const { items } = answer as { readonly items: readonly { readonly reason: string; readonly message: string }[] };
  return publicObject({ items: items.map((one) => ({ ...one, message: ownWords(one.reason, one.message) })) });
}

/** All parts at once, in the order of `sources`. */
async function collect(options: BundleOptions, missing: Map<string, string>, signal: AbortSignal): Promise<Part[]> {
  const read = Array.from(sources(options), async ([name, source]): Promise<Part | undefined> => {
    try {
      const content = await withDeadline({ what: name, limitMs: PART_LIMIT_MS, signal }, source);
      return { name, content };
    } catch (error) {
      signal.throwIfAborted();
      missing.set(name, (error as Error).message);
      return undefined;
    }
  });
  return (await Promise.all(read)).filter((part) => part !== undefined);
}
