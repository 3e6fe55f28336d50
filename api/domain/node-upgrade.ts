/**
 * How all nodes of a cluster get another version: an annotation of a Node asks its agent for a package, which the api-server serves, and
 * another one says how far the agent is. All that is known of a rolling upgrade is there, so that whoever coordinates it may be killed.
 */
import { isJsonObject } from '../machinery/own.ts';

/** Below it, the packages that an administrator has put on the server, by the SHA-256 of their bytes. */
export const NODE_PACKAGES_PATH = '/node-packages/';
/** Bytes of one answer at most: one is sent and read as a whole. */
export const PACKAGE_PART_BYTES = 4 * 1024 * 1024;
/** Ten times what a package has. */
export const MAX_PACKAGE_BYTES = 1024 ** 3;

/** On a Node: an `UpgradeRequest`, written by the coordinator. */
export const UPGRADE_REQUEST = 'kedge.io/upgrade-request';
/** On a Node: an `UpgradeState`, written by its agent. */
export const UPGRADE_STATE = 'kedge.io/upgrade-state';
/** On a Node: the version of the program that its agent is, such as `1.2.3-0123abcd`, whose end is the beginning of its package's SHA-256. */
export const NODE_PROGRAM = 'kedge.io/program';
/** On a Node that the coordinator has cordoned, and uncordons again. */
export const UPGRADE_CORDONED = 'kedge.io/upgrade-cordoned';

export interface UpgradeRequest {
  /** Tells a second attempt with the same package from the first. */
  readonly attempt: string;
  /** Of the package, hexadecimal. */
  readonly sha256: string;
  readonly bytes: number;
  /** How long the new version may take until all is well. */
  readonly healthySeconds: number;
  /** When it was asked for, in milliseconds since the epoch. */
  readonly atMs: number;
}

export type UpgradePhase = 'fetching' | 'installing' | 'done' | 'failed';
const PHASES: ReadonlySet<unknown> = new Set<UpgradePhase>(['fetching', 'installing', 'done', 'failed']);

export interface UpgradeState {
  readonly attempt: string;
  readonly phase: UpgradePhase;
  /** Why it has failed, in a sentence. */
  readonly reason?: string;
}

const ATTEMPT = /^[0-9a-f-]{36}$/;
const SHA256 = /^[0-9a-f]{64}$/;
const MAX_HEALTHY_SECONDS = 9999;

export const isPackageName = (text: string): boolean => SHA256.test(text);

const isCount = (value: unknown, most: number): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value <= most;

function jsonOf(text: string | undefined): Record<string, unknown> | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Undefined for a text that is none: whoever may write Nodes may write anything there. */
export function readUpgradeRequest(text: string | undefined): UpgradeRequest | undefined {
  const { attempt, sha256, bytes, healthySeconds, atMs } = jsonOf(text) ?? {};
  if (typeof attempt !== 'string' || !ATTEMPT.test(attempt)) return undefined;
  if (typeof sha256 !== 'string' || !SHA256.test(sha256)) return undefined;
  if (!isCount(bytes, MAX_PACKAGE_BYTES) || !isCount(healthySeconds, MAX_HEALTHY_SECONDS)) return undefined;
  return isCount(atMs, Number.MAX_SAFE_INTEGER) ? { attempt, sha256, bytes, healthySeconds, atMs } : undefined;
}

/** Undefined for a text that is none. */
export function readUpgradeState(text: string | undefined): UpgradeState | undefined {
  const { attempt, phase, reason } = jsonOf(text) ?? {};
  if (typeof attempt !== 'string' || !PHASES.has(phase)) return undefined;
  return { attempt, phase: phase as UpgradePhase, ...(typeof reason === 'string' && { reason }) };
}

/** Whether a program is of the package. */
export const isProgramOf = (program: string | undefined, sha256: string): boolean =>
  program?.endsWith(`-${sha256.slice(0, 8)}`) ?? false;

/** The Lease of the `kedge upgrade nodes` that is at work. */
export const UPGRADE_LEASE = { namespace: 'kube-system', name: 'kedge-upgrade-nodes' } as const;
