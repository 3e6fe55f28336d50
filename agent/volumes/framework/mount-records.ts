/**
 * The records of mounts: what is, or may be, mounted for pods of this host, as far as the mount table does not say it. One file
 * per mount, beside it, written before and removed after it:
 *
 *     <pods>/<uid>/mounts/<volume>.json    a volume published for a pod
 *     <staging>/<id>/record.json           a volume staged on the node, at <staging>/<id>/mount
 *
 * A record is renamed into place, so a killed agent leaves a whole one or none. It is not flushed: no mount outlives the kernel
 * either. What a power loss, a full disk or a hand has truncated is logged and ignored, as is a record of another place than the one
 * that it is in: what it names is unmounted as root. `VolumeRunner` copes with mounts that have no record.
 */
import { createHash } from 'node:crypto';
import { mkdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../../client/logger.ts';
import { DamagedRecord, fieldsOf, hasCode, namesIn, readRecord } from '../../host/files.ts';
import type { ResolvedVolume } from './volume-type.ts';

/** `type` is the `source` of the VolumeType. */
export interface PublishRecord extends ResolvedVolume {
  readonly type: string;
  readonly podUID: string;
  /** The name of the volume in its pod. */
  readonly volume: string;
  /** It has been published, for types that can tell in the mount table whether it still is. */
  readonly isPublished?: boolean;
}

export interface StageRecord {
  /** The `kind` of the type's staging. */
  readonly type: string;
  readonly key: string;
  readonly attributes: Readonly<Record<string, string>>;
}

const DIRECTORY_MODE = 0o750;
const FILE_MODE = 0o600;
const SUFFIX = '.json';

export interface MountRecordsOptions {
  /** Both absolute. */
  readonly podsDirectory: string;
  readonly stagingDirectory: string;
  readonly logger: Logger;
}

export class MountRecords {
  readonly #options: MountRecordsOptions;

  constructor(options: MountRecordsOptions) {
    this.#options = options;
  }

  #publishDirectory(podUid: string): string {
    return join(this.#options.podsDirectory, podUid, 'mounts');
  }

  /** Names the directory of a staged volume: keys hold whatever a storage system calls its volumes. */
  stageId(type: string, key: string): string {
    return createHash('sha256').update(`${type}/${key}`).digest('hex').slice(0, 32);
  }

  stagingPath(id: string): string {
    return join(this.#options.stagingDirectory, id, 'mount');
  }

  async published(podUid: string): Promise<PublishRecord[]> {
    const directory = this.#publishDirectory(podUid);
    const names = (await namesIn(directory)).filter((name) => name.endsWith(SUFFIX));
    const records = names.map((name) =>
      this.#read(join(directory, name), (fields) => {
        const record = publishRecord(fields);
        if (record.podUID === podUid && `${record.volume}${SUFFIX}` === name) return record;
        throw new DamagedRecord(`volume ${record.volume} of pod ${record.podUID} has its record elsewhere`);
      }),
    );
    return (await Promise.all(records)).filter((record) => record !== undefined);
  }

  /** Those of all pods. */
  async allPublished(): Promise<PublishRecord[]> {
    const pods = await namesIn(this.#options.podsDirectory);
    return (await Promise.all(pods.map((uid) => this.published(uid)))).flat();
  }

  writePublished(record: PublishRecord): Promise<void> {
    return this.#write(this.#publishDirectory(record.podUID), `${record.volume}${SUFFIX}`, record);
  }

  removePublished({ podUID, volume }: PublishRecord): Promise<void> {
    return rm(join(this.#publishDirectory(podUID), `${volume}${SUFFIX}`), { force: true });
  }

  /** The ids of all volumes that are, or may be, staged. */
  stagedIds(): Promise<string[]> {
    return namesIn(this.#options.stagingDirectory);
  }

  /** Undefined when it cannot be read, too. */
  staged(id: string): Promise<StageRecord | undefined> {
    return this.#read(join(this.#options.stagingDirectory, id, 'record.json'), (fields) => {
      const record = stageRecord(fields);
      if (this.stageId(record.type, record.key) === id) return record;
      throw new DamagedRecord(`${record.type} volume ${record.key} is staged elsewhere`);
    });
  }

  writeStaged(record: StageRecord): Promise<void> {
    const id = this.stageId(record.type, record.key);
    return this.#write(join(this.#options.stagingDirectory, id), 'record.json', record);
  }

  /** With the directory, in which nothing may be mounted any more. */
  async removeStaged(id: string): Promise<void> {
    const directory = join(this.#options.stagingDirectory, id);
    await removeEmpty(join(directory, 'mount'));
    for (const name of await namesIn(directory)) await rm(join(directory, name), { force: true });
    await removeEmpty(directory);
  }

  async #write(directory: string, name: string, record: object): Promise<void> {
    await mkdir(directory, { recursive: true, mode: DIRECTORY_MODE });
    const path = join(directory, name);
    await writeFile(`${path}.tmp`, JSON.stringify(record), { mode: FILE_MODE });
    await rename(`${path}.tmp`, path);
  }

  async #read<T>(path: string, decode: (fields: ReadonlyMap<string, unknown>) => T): Promise<T | undefined> {
    try {
      const fields = await readRecord(path);
      return fields && decode(fields);
    } catch (error) {
      if (!(error instanceof DamagedRecord)) throw error;
      this.#options.logger.warn({ path, err: error }, 'ignoring unreadable mount record');
      return undefined;
    }
  }
}

async function removeEmpty(directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

function text(fields: ReadonlyMap<string, unknown>, name: string): string {
  const value = fields.get(name);
  if (typeof value !== 'string') throw new DamagedRecord(`${name} must be a string`);
  return value;
}

function attributesIn(fields: ReadonlyMap<string, unknown>): Record<string, string> {
  const attributes = fieldsOf(fields.get('attributes'));
  return Object.fromEntries([...attributes.keys()].map((name) => [name, text(attributes, name)]));
}

/** Throws DamagedRecord, as the next one does. */
function publishRecord(fields: ReadonlyMap<string, unknown>): PublishRecord {
  const capacityBytes = fields.get('capacityBytes');
  if (capacityBytes !== undefined && typeof capacityBytes !== 'number')
    throw new DamagedRecord('capacityBytes must be a number');
  return {
    type: text(fields, 'type'),
    podUID: text(fields, 'podUID'),
    volume: text(fields, 'volume'),
    attributes: attributesIn(fields),
    ...(fields.has('stageKey') && { stageKey: text(fields, 'stageKey') }),
    ...(capacityBytes !== undefined && { capacityBytes }),
    ...(fields.get('isReadOnly') === true && { isReadOnly: true }),
    ...(fields.get('isPublished') === true && { isPublished: true }),
  };
}

function stageRecord(fields: ReadonlyMap<string, unknown>): StageRecord {
  return { type: text(fields, 'type'), key: text(fields, 'key'), attributes: attributesIn(fields) };
}
