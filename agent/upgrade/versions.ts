/**
 * The versions of the program on this host, beside each other: a folder each, and links that say which one runs. What is changed, is
 * changed by renaming one link or file: a crash leaves the old or the new one.
 */
import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { writeFileAtomically } from '../../daemon/atomic-file.ts';
import { isJsonObject } from '../../api/machinery/own.ts';
import { hasCode, readTextIfThere } from '../host/files.ts';
import { HostError } from '../host/host-error.ts';

/** `1.2.3-0123abcd`: the version, and the beginning of a hash that tells builds of it apart. scripts/install.sh makes the same. */
const ID = /^\d+\.\d+\.\d+[0-9A-Za-z.+-]{0,64}-[0-9a-f]{8}$/;
export const isVersionId = (text: string): boolean => ID.test(text) && !text.includes('..');

/** By which everything finds the program, as scripts/host.sh has it. */
export const PROGRAM_LINK = '/usr/local/lib/kedge';
/** Carries upgrades out. */
export const UPGRADE_UNIT = 'kedge-upgrade.service';

const RECORD = 'upgrade.json';
const OUTCOME = 'last-upgrade.json';
const PREVIOUS = 'previous';
/** The program that carries an upgrade out: that of the version before, which is known to run. */
const CARRIER = 'carrier';
const INCOMING = '.incoming-';
const FILE_MODE = 0o644;

/** An upgrade that is under way. */
export interface UpgradeRecord {
  readonly from: string;
  readonly to: string;
  /** Where it goes: to the new version, or back to the one before, for a reason. */
  readonly reason?: string;
  /** How long a version may take until it is healthy. */
  readonly healthySeconds: number;
  /** Of an upgrade that the node was asked for (`api/domain/node-upgrade.ts`). */
  readonly attempt?: string;
}

export interface UpgradeOutcome {
  readonly from: string;
  readonly to: string;
  /** Absent: it runs. Otherwise why the version before runs again. */
  readonly reason?: string;
  /** Of the version before, when that is not healthy either. */
  readonly trouble?: string;
  readonly attempt?: string;
}

/** Of one that has gone back. */
export function outcomeSentence({ from, to, reason, trouble }: UpgradeOutcome): string {
  const also = trouble === undefined ? 'which is well' : `which is not well either: ${trouble}`;
  return `${to} was not well, so that ${from} runs again, ${also}. The reason: ${reason ?? 'unknown'}`;
}

export class Versions {
  /** The link by which everything finds the program: `/usr/local/lib/kedge`. */
  readonly link: string;
  /** `/usr/local/lib/kedge-versions` */
  readonly folder: string;

  constructor(link: string) {
    this.link = link;
    this.folder = `${link}-versions`;
  }

  pathOf(id: string): string {
    return path.join(this.folder, id);
  }

  /** Undefined where the program was installed otherwise. */
  current(): Promise<string | undefined> {
    return this.#idOf(this.link);
  }

  /** The one before; undefined when there is none. */
  async previous(): Promise<string | undefined> {
    const id = await this.#idOf(path.join(this.folder, PREVIOUS));
    return id !== undefined && (await this.all()).includes(id) ? id : undefined;
  }

  async #idOf(link: string): Promise<string | undefined> {
    try {
      const id = path.basename(await readlink(link));
      return isVersionId(id) ? id : undefined;
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'EINVAL')) return undefined;
      throw error;
    }
  }

  async all(): Promise<string[]> {
    return (await readdir(this.folder)).filter(isVersionId);
  }

  async switchTo(id: string): Promise<void> {
    await pointTo(this.link, path.join(path.basename(this.folder), id));
  }

  async setPrevious(id: string): Promise<void> {
    await pointTo(path.join(this.folder, PREVIOUS), id);
  }

  async setCarrier(id: string): Promise<void> {
    await pointTo(path.join(this.folder, CARRIER), path.join(id, 'kedge'));
  }

  /** A folder to unpack to, which is removed by a later upgrade if this process does not live to do so. */
  async makeIncoming(): Promise<string> {
    for (const name of await readdir(this.folder))
      if (name.startsWith(INCOMING) && !isOfAnother(Number(name.slice(INCOMING.length))))
        await rm(path.join(this.folder, name), { recursive: true });
    const made = path.join(this.folder, `${INCOMING}${process.pid}`);
    await mkdir(made, { mode: 0o755 });
    return made;
  }

  /** Of this process. */
  async dropIncoming(): Promise<void> {
    await rm(path.join(this.folder, `${INCOMING}${process.pid}`), { recursive: true, force: true });
  }

  /** Makes an unpacked version one of those that are there. */
  async adopt(incoming: string, id: string): Promise<void> {
    await rename(incoming, this.pathOf(id));
    await syncFolder(this.folder);
  }

  /** Removes all but the present one and the one before. */
  async prune(): Promise<void> {
    const kept = new Set([await this.current(), await this.previous()]);
    for (const id of await this.all()) if (!kept.has(id)) await rm(this.pathOf(id), { recursive: true });
  }

  /** Undefined when no upgrade is under way. Throws an Error for a file that nobody can go by. */
  async record(): Promise<UpgradeRecord | undefined> {
    const read = await this.#read(RECORD);
    if (read === undefined) return undefined;
    const { from, to, reason, healthySeconds, attempt } = read;
    const isText = (value: unknown): value is string => typeof value === 'string';
    if (!isText(from) || !isText(to) || !isVersionId(from) || !isVersionId(to) || typeof healthySeconds !== 'number')
      throw new Error(`${path.join(this.folder, RECORD)} is damaged: remove it`);
    return { from, to, healthySeconds, ...(isText(reason) && { reason }), ...(isText(attempt) && { attempt }) };
  }

  /**
   * Records an upgrade, of which there is one at a time. Throws HostError when there is another one, or one has come to its end since this
   * one has looked: then what it goes from runs no more, or what it goes to may have been removed.
   */
  async begin(record: UpgradeRecord): Promise<void> {
    const mine = path.join(this.folder, `${RECORD}.${randomUUID()}`);
    try {
      await this.#write(path.basename(mine), record);
      // Unlike a rename, it fails where there is a file.
      await link(mine, path.join(this.folder, RECORD));
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
      throw new HostError('another upgrade is being carried out', { cause: error });
    } finally {
      await rm(mine, { force: true });
    }
    await syncFolder(this.folder);
    if ((await this.current()) === record.from && (await this.has(record.to))) return;
    await rm(path.join(this.folder, RECORD));
    throw new HostError('another upgrade has been carried out meanwhile: run this again');
  }

  async has(id: string): Promise<boolean> {
    return (await this.all()).includes(id);
  }

  async setRecord(record: UpgradeRecord): Promise<void> {
    await this.#write(RECORD, record);
  }

  /** The upgrade is over. */
  async finish(outcome: UpgradeOutcome): Promise<void> {
    await this.#write(OUTCOME, outcome);
    await rm(path.join(this.folder, RECORD), { force: true });
    await syncFolder(this.folder);
  }

  async outcome(): Promise<UpgradeOutcome | undefined> {
    return (await this.#read(OUTCOME)) as unknown as UpgradeOutcome | undefined;
  }

  async clearOutcome(): Promise<void> {
    await rm(path.join(this.folder, OUTCOME), { force: true });
  }

  async #read(name: string): Promise<Record<string, unknown> | undefined> {
    const text = await readTextIfThere(path.join(this.folder, name));
    const value: unknown = text === undefined ? undefined : JSON.parse(text);
    return value === undefined || isJsonObject(value) ? value : {};
  }

  async #write(name: string, value: object): Promise<void> {
    await writeFileAtomically(path.join(this.folder, name), `${JSON.stringify(value)}\n`, FILE_MODE);
    await syncFolder(this.folder);
  }
}

/** A process that still runs. */
function isOfAnother(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return hasCode(error, 'EPERM');
  }
}

/** Replaces a link by renaming another one: there is no moment without it. */
async function pointTo(link: string, target: string): Promise<void> {
  await rm(`${link}.new`, { force: true });
  await symlink(target, `${link}.new`);
  await rename(`${link}.new`, link);
  await syncFolder(path.dirname(link));
}

/** Returns once the folder's entries will survive a crash. */
export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder);
  await handle.sync();
}
