/**
 * A volume type with every step. Instead of mounting it creates directories in a `world`, two per step, so that a step can
 * be interrupted halfway. Pods whose volumes have the same path share the staged volume.
 */
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { VolumeRunner } from '../../../agent/volumes/framework/volume-runner.ts';
import type { MountTarget, VolumeType } from '../../../agent/volumes/framework/volume-type.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

export type Step = 'resolve' | 'stage' | 'publish' | 'expand' | 'unpublish' | 'unstage';

export interface SharedVolumeOptions {
  readonly root: string;
  /** Called in the middle of a step. */
  readonly half?: (step: Step, signal: AbortSignal) => void | Promise<void>;
  /** The requested size of a volume. */
  readonly capacityBytes?: () => number;
  readonly log?: (fields: object, message: string) => void;
  readonly stepLimitMs?: number;
}

export interface SharedVolume {
  readonly runner: VolumeRunner;
  /** The steps that were started, in order. */
  readonly steps: readonly string[];
}

const marks = (root: string, kind: 'staged' | 'published', name: string): [string, string] => {
  const path = join(root, 'world', kind, name);
  return [`${path}.half`, path];
};

/** What is staged and published, complete or not. */
export async function worldOf(root: string): Promise<string[]> {
  const found = await readdir(join(root, 'world'), { recursive: true }).catch(() => []);
  return found.filter((name) => name.includes('/')).sort();
}

export function sharedVolume({ root, half, capacityBytes, log, stepLimitMs }: SharedVolumeOptions): SharedVolume {
  const steps: string[] = [];
  const staged = ({ attributes }: MountTarget) => marks(root, 'staged', basename(attributes['export'] ?? ''));
  const published = ({ path }: MountTarget) => marks(root, 'published', path.slice(root.length).replaceAll('/', '_'));
  const make = async (step: Step, [first, second]: [string, string], signal: AbortSignal): Promise<void> => {
    steps.push(step);
    await mkdir(first, { recursive: true });
    await half?.(step, signal);
    await mkdir(second, { recursive: true });
  };
  const undo = async (step: Step, [first, second]: [string, string], signal: AbortSignal): Promise<void> => {
    steps.push(step);
    await rm(second, { recursive: true, force: true });
    await half?.(step, signal);
    await rm(first, { recursive: true, force: true });
  };
  const type: VolumeType = {
    source: 'nfs',
    directory: 'kubernetes.io~nfs',
    agentWritten: false,
    hostPath: (_, { path }) => path,
    async resolve({ nfs }, _pod, signal) {
      steps.push('resolve');
      await half?.('resolve', signal);
      const key = nfs?.path ?? '';
      return { attributes: { export: key }, stageKey: key, capacityBytes: capacityBytes?.() };
    },
    staging: {
      kind: 'nfs',
      stage: (target) => make('stage', staged(target), target.signal),
      unstage: (target) => undo('unstage', staged(target), target.signal),
    },
    async publish(volume) {
      // As a bind mount of the staged volume would.
      await stat(staged(volume)[1]);
      await make('publish', published(volume), volume.signal);
    },
    unpublish: (target) => undo('unpublish', published(target), target.signal),
    expansion: {
      wanted: async () => capacityBytes?.() ?? 0,
      async grow(_target, bytes) {
        steps.push(`expand to ${bytes}`);
        return true;
      },
    },
    async stats({ stagingPath }) {
      return stagingPath === undefined ? undefined : { bytes: 4096, inodes: 1 };
    },
  };
  const write = log ?? (() => undefined);
  const logger = { debug: () => undefined, info: write, warn: write, error: write };
  const directories = { podsDirectory: join(root, 'pods'), stagingDirectory: join(root, 'staging') };
  return { runner: new VolumeRunner({ ...directories, types: [type], logger, stepLimitMs }), steps };
}

export const volumeOf = (path: string) => ({ name: 'data', nfs: { server: 'files', path } });
export const podOf = (uid: string, path: string): Pod => ({
  metadata: { name: uid, namespace: 'default', uid },
  spec: { containers: [], volumes: [volumeOf(path)] },
});
