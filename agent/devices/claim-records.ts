/**
 * What drivers have, or may have, prepared on this node: a file per claim, written before a driver is first asked and removed after the
 * last one has undone it. So an agent after this one goes on, or undoes. A record outlives the kernel, as what drivers keep may.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../client/logger.ts';
import { writeFileAtomically } from '../../daemon/atomic-file.ts';
import { DamagedRecord, fieldsOf, namesIn, readRecord } from '../host/files.ts';
import type { ClaimReference, PreparedDevice } from './dra-plugin.ts';

export interface ClaimRecord extends ClaimReference {
  /** Of the allocation: see `Allocation` of claim-use.ts. */
  readonly fingerprint: string;
  /** The uids of the pods that use it here. */
  readonly pods: readonly string[];
  /** All drivers have prepared it. */
  readonly isPrepared: boolean;
  /** Of each driver that devices are allocated of; it may have nothing for the runtime. */
  readonly devices: ReadonlyMap<string, readonly PreparedDevice[]>;
}

const SUFFIX = '.json';
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;
/** Of one record: what a driver says of devices may be of any length. */
const MAX_RECORD_BYTES = 1 << 20;

export class ClaimRecords {
  readonly #directory: string;
  readonly #logger: Logger;

  constructor(directory: string, logger: Logger) {
    this.#directory = directory;
    this.#logger = logger;
  }

  /** Those that can be read; the log tells of the others. */
  async read(): Promise<ClaimRecord[]> {
    const records: ClaimRecord[] = [];
    for (const name of await namesIn(this.#directory)) {
      if (!name.endsWith(SUFFIX)) continue;
      const path = join(this.#directory, name);
      try {
        const fields = await readRecord(path);
        const record = fields && recordOf(fields);
        if (record && fileNameOf(record) !== name) throw new DamagedRecord(`record of claim ${record.uid}`);
        if (record) records.push(record);
      } catch (error) {
        if (!(error instanceof DamagedRecord)) throw error;
        this.#logger.error({ path, err: error }, 'ignoring unreadable record of prepared devices');
      }
    }
    return records;
  }

  /** Throws when it is too large. */
  async write(record: ClaimRecord): Promise<void> {
    const text = JSON.stringify({ ...record, devices: Object.fromEntries(record.devices) });
    if (Buffer.byteLength(text) > MAX_RECORD_BYTES)
      throw new Error(
        `the devices of ResourceClaim ${record.name} take more than ${MAX_RECORD_BYTES} bytes to describe`,
      );
    await mkdir(this.#directory, { recursive: true, mode: DIRECTORY_MODE });
    await writeFileAtomically(join(this.#directory, fileNameOf(record)), text, FILE_MODE);
  }

  remove(record: ClaimRecord): Promise<void> {
    return rm(join(this.#directory, fileNameOf(record)), { force: true });
  }
}

/** Throws for a uid that is not the name of a file: it comes from the api-server. */
function fileNameOf({ uid }: ClaimReference): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/.test(uid))
    throw new DamagedRecord(`invalid uid of a claim: ${JSON.stringify(uid)}`);
  return `${uid}${SUFFIX}`;
}

function text(fields: ReadonlyMap<string, unknown>, name: string): string {
  const value = fields.get(name);
  if (typeof value !== 'string') throw new DamagedRecord(`${name} must be a string`);
  return value;
}

function list(fields: ReadonlyMap<string, unknown>, name: string): readonly unknown[] {
  const value = fields.get(name);
  if (!Array.isArray(value)) throw new DamagedRecord(`${name} must be a list`);
  return value;
}

function texts(fields: ReadonlyMap<string, unknown>, name: string): string[] {
  const values = list(fields, name).filter((value) => typeof value === 'string');
  if (values.length < list(fields, name).length) throw new DamagedRecord(`${name} must be a list of strings`);
  return values;
}

function deviceOf(value: unknown): PreparedDevice {
  const fields = fieldsOf(value);
  return {
    requestNames: texts(fields, 'requestNames'),
    poolName: text(fields, 'poolName'),
    deviceName: text(fields, 'deviceName'),
    cdiDeviceIds: texts(fields, 'cdiDeviceIds'),
  };
}

function recordOf(fields: ReadonlyMap<string, unknown>): ClaimRecord {
  const drivers = fieldsOf(fields.get('devices'));
  return {
    namespace: text(fields, 'namespace'),
    name: text(fields, 'name'),
    uid: text(fields, 'uid'),
    fingerprint: text(fields, 'fingerprint'),
    pods: texts(fields, 'pods'),
    isPrepared: fields.get('isPrepared') === true,
    devices: new Map([...drivers.keys()].map((driver) => [driver, list(drivers, driver).map(deviceOf)])),
  };
}
