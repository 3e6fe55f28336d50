/**
 * Which devices the containers of a pod have, and what their plugins have answered: a file per pod, written before its container is
 * created. So an agent after this one starts containers again without the plugin, and gives no device away twice. A file beside them has
 * the names of all resources that plugins have ever provided: their containers wait for the plugin, whoever has been given something.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isJsonObject } from '../../../api/machinery/own.ts';
import type { Logger } from '../../../client/logger.ts';
import { writeFileAtomically } from '../../../daemon/atomic-file.ts';
import { DamagedRecord, fieldsOf, namesIn, readRecord } from '../../host/files.ts';
import type { DeviceAnswer } from './device-plugin.ts';

/** Devices of one resource that a container has. */
export interface HeldDevices {
  readonly container: string;
  readonly resource: string;
  readonly ids: readonly string[];
  readonly answer: DeviceAnswer;
}

const SUFFIX = '.json';
/** Unlike those of pods. */
const RESOURCES_FILE = 'resources';
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;
const MAX_RECORD_BYTES = 4 << 20;

export class DeviceRecords {
  readonly #directory: string;
  readonly #logger: Logger;

  constructor(directory: string, logger: Logger) {
    this.#directory = directory;
    this.#logger = logger;
  }

  /** By the uid of the pod: those that can be read; the log tells of the others. */
  async read(): Promise<Map<string, readonly HeldDevices[]>> {
    const found = new Map<string, readonly HeldDevices[]>();
    for (const name of await namesIn(this.#directory)) {
      if (!name.endsWith(SUFFIX)) continue;
      const path = join(this.#directory, name);
      try {
        const fields = await readRecord(path);
        if (fields) found.set(name.slice(0, -SUFFIX.length), listOf(fields.get('held')).map(heldOf));
      } catch (error) {
        if (!(error instanceof DamagedRecord)) throw error;
        this.#logger.error({ path, err: error }, 'ignoring unreadable record of devices');
      }
    }
    return found;
  }

  /** All resources that plugins have provided; none when that cannot be read, of which the log tells. */
  async readResources(): Promise<readonly string[]> {
    const path = join(this.#directory, RESOURCES_FILE);
    try {
      const fields = await readRecord(path);
      return fields ? listOf(fields.get('resources')).map(textOf) : [];
    } catch (error) {
      if (!(error instanceof DamagedRecord)) throw error;
      this.#logger.error({ path, err: error }, 'ignoring unreadable record of resources');
      return [];
    }
  }

  async writeResources(resources: readonly string[]): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: DIRECTORY_MODE });
    await writeFileAtomically(join(this.#directory, RESOURCES_FILE), JSON.stringify({ resources }), FILE_MODE);
  }

  async write(podUid: string, held: readonly HeldDevices[]): Promise<void> {
    const text = JSON.stringify({ held });
    if (Buffer.byteLength(text) > MAX_RECORD_BYTES)
      throw new Error(`the devices of the pod take more than ${MAX_RECORD_BYTES} bytes to describe`);
    await mkdir(this.#directory, { recursive: true, mode: DIRECTORY_MODE });
    await writeFileAtomically(this.#fileOf(podUid), text, FILE_MODE);
  }

  remove(podUid: string): Promise<void> {
    return rm(this.#fileOf(podUid), { force: true });
  }

  /** Throws for a uid that is not the name of a file. */
  #fileOf(podUid: string): string {
    if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/.test(podUid))
      throw new DamagedRecord(`invalid uid of a pod: ${JSON.stringify(podUid)}`);
    return join(this.#directory, `${podUid}${SUFFIX}`);
  }
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new DamagedRecord('a list is missing');
  return value;
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw new DamagedRecord('a text is missing');
  return value;
}

function textsByName(value: unknown): Record<string, string> {
  const fields = isJsonObject(value) ? Object.entries(value) : [];
  return Object.fromEntries(fields.map(([key, text]) => [key, textOf(text)]));
}

function heldOf(value: unknown): HeldDevices {
  const fields = fieldsOf(value);
  const answer = fieldsOf(fields.get('answer'));
  const each = <T>(name: string, read: (of: ReadonlyMap<string, unknown>) => T): T[] =>
    listOf(answer.get(name)).map((one) => read(fieldsOf(one)));
  return {
    container: textOf(fields.get('container')),
    resource: textOf(fields.get('resource')),
    ids: listOf(fields.get('ids')).map(textOf),
    answer: {
      envs: textsByName(answer.get('envs')),
      annotations: textsByName(answer.get('annotations')),
      mounts: each('mounts', (of) => ({
        containerPath: textOf(of.get('containerPath')),
        hostPath: textOf(of.get('hostPath')),
        readOnly: of.get('readOnly') === true,
      })),
      devices: each('devices', (of) => ({
        containerPath: textOf(of.get('containerPath')),
        hostPath: textOf(of.get('hostPath')),
        permissions: textOf(of.get('permissions')),
      })),
      cdiDevices: each('cdiDevices', (of) => ({ name: textOf(of.get('name')) })),
    },
  };
}
