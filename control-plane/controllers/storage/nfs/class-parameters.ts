/** The parameters of a class of the nfs provisioner. They have the names of csi-driver-nfs: https://github.com/kubernetes-csi/csi-driver-nfs */
import { exportPath, nfsSource } from '../../../../api/domain/nfs.ts';
import {
  ARCHIVED_PREFIX,
  checkDirectory,
  ON_DELETE,
  REMOVED_PREFIX,
  type OnDelete,
} from '../../../../api/domain/nfs-volumes.ts';
import type { PersistentVolumeClaim } from '../../../../api/types/core/v1.gen.ts';
import type { StorageClass } from '../../../../api/types/storage/v1.gen.ts';

export interface NfsClass {
  readonly server: string;
  readonly share: string;
  /** With `${pvc.metadata.name}` and its like. */
  readonly subDir: string;
  readonly onDelete: OnDelete;
  /** The mode of the directory. */
  readonly mountPermissions: number;
}

const VOLUME_NAME = '${pv.metadata.name}';
const DEFAULTS: ReadonlyMap<string, string> = new Map([
  ['subDir', VOLUME_NAME],
  ['onDelete', 'delete'],
  ['mountPermissions', '0777'],
]);
const PARAMETERS: ReadonlySet<string> = new Set(['server', 'share', ...DEFAULTS.keys()]);

/** Throws with what the operator has to mend. */
export function nfsClass({ parameters = {} }: StorageClass): NfsClass {
  const given = new Map(Object.entries(parameters));
  const unknown = [...given.keys()].find((name) => !PARAMETERS.has(name));
  if (unknown !== undefined) throw new Error(`invalid parameter ${JSON.stringify(unknown)} in storage class`);
  const value = (name: string): string => {
    const found = given.get(name) || DEFAULTS.get(name);
    if (found) return found;
    throw new Error(`parameter ${name} is missing in storage class`);
  };
  const [server, path] = [value('server'), value('share')];
  nfsSource({ server, path });
  const onDelete = ON_DELETE.find((each) => each === value('onDelete'));
  if (!onDelete) throw new Error(`parameter onDelete must be one of ${ON_DELETE.join(', ')}`);
  const permissions = value('mountPermissions');
  if (!/^[0-7]{3,5}$/.test(permissions)) throw new Error('parameter mountPermissions must be a mode in octal digits');
  const share = exportPath(path).replace(/\/+$/, '') || '/';
  return {
    server,
    share,
    subDir: value('subDir'),
    onDelete,
    mountPermissions: Number.parseInt(permissions, 8) & 0o7777,
  };
}

/** A claim with such a name would get the data of somebody else's. */
const PREFIXES_OF_AGENTS = [ARCHIVED_PREFIX, REMOVED_PREFIX];

/**
 * The directory of a claim's volume below its share. Throws for a pattern that leads elsewhere, to what agents have left of deleted volumes,
 * or names what there is not.
 */
export function directoryFor(subDir: string, claim: PersistentVolumeClaim, volumeName: string): string {
  const values: ReadonlyMap<string, string> = new Map([
    ['pvc.metadata.name', claim.metadata?.name ?? ''],
    ['pvc.metadata.namespace', claim.metadata?.namespace ?? ''],
    ['pv.metadata.name', volumeName],
  ]);
  const directory = subDir
    .replace(/\$\{([^{}]*)\}/g, (_, name: string) => {
      const value = values.get(name);
      if (value) return value;
      throw new Error(
        `parameter subDir names ${JSON.stringify(name)}, which is none of ${[...values.keys()].join(', ')}`,
      );
    })
    .replace(/^\/+|\/+$/g, '');
  checkDirectory(directory);
  const taken = directory.split('/').find((part) => PREFIXES_OF_AGENTS.some((prefix) => part.startsWith(prefix)));
  if (taken !== undefined) throw new Error(`${JSON.stringify(taken)} could be what is left of another volume`);
  return directory;
}
