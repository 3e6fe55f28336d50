/** Composition of the volumes room. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApiClient } from '../../client/api-client.ts';
import type { Node } from '../../api/types/core/v1.gen.ts';
import type { Logger } from '../../client/logger.ts';
import { ownCommand } from '../host/own-command.ts';
import { volumeHelper } from '../host/volume-helper/client.ts';
import type { VolumeHelper } from '../host/volume-helper/requests.ts';
import type { ResourceList } from '../../api/domain/resource-names.ts';
import type { ImageMounts } from '../images/image-mounts.ts';
import type { PluginHandler } from '../plugins/plugin-registrations.ts';
import type { Attachments } from './csi/attachments.ts';
import { CsiClaims } from './csi/csi-claims.ts';
import { CsiDrivers } from './csi/csi-drivers.ts';
import { inlineCsi } from './csi/csi-inline.ts';
import { CsiNodeObject } from './csi/csi-node-object.ts';
import { CsiSteps } from './csi/csi-steps.ts';
import { CsiPaths, csiVolumeIn } from './csi/csi-volume.ts';
import { VolumeRunner, type MeasureStep } from './framework/volume-runner.ts';
import { apiClaimSource } from './claims/api-claim-source.ts';
import { claimVolume } from './claims/claim-volume.ts';
import { HostPodVolumes } from './host-pod-volumes.ts';
import { DirectoryMeter } from '../host/directory-usage.ts';
import { emptyDir } from './local/empty-dir.ts';
import { hostPath } from './local/host-path.ts';
import { image } from './local/image.ts';
import { NfsDirectories } from './nfs/nfs-directories.ts';
import { nfs } from './nfs/nfs.ts';
import { LocalPaths } from './claims/local-paths.ts';
import { ApiObjectSource } from './written/api-object-source.ts';
import { configMap } from './written/config-map.ts';
import { downwardApi } from './written/downward-api.ts';
import { projected } from './written/projected.ts';
import { secret } from './written/secret.ts';
import { ServiceAccountTokens } from './written/service-account-tokens.ts';

export interface VolumesOptions {
  readonly client: ApiClient;
  readonly nodeName: string;
  readonly dataDir: string;
  /** Where drivers of CSI expect to be told of volumes: `/var/lib/kubelet`. */
  readonly kubeletDir: string;
  /** The node's allocatable resources. */
  readonly allocatable: () => ResourceList;
  /** The content of a pod's volumes is out of date. */
  readonly onStale: (podUid: string) => void;
  readonly attachments: Attachments;
  /** Called at the end of every step of a volume, for metrics. */
  readonly measured?: MeasureStep;
  /** Without it, pods cannot have image volumes. */
  readonly images?: ImageMounts;
  readonly logger: Logger;
  /** A helper process of the agent's own program when absent. */
  readonly helper?: VolumeHelper;
  /** The command that makes and removes directories of exports; the agent's own program when absent. */
  readonly nfsHelper?: readonly string[];
}

export interface Volumes extends Disposable {
  readonly objects: ApiObjectSource;
  readonly volumes: HostPodVolumes;
  readonly localPaths: LocalPaths;
  readonly nfsDirectories: NfsDirectories;
  readonly csi: CsiParts;
}

/** What the agent's other parts do for volumes of CSI drivers. */
export interface CsiParts {
  /** The Node as the api-server has it. */
  seeNode(node: Node): void;
  /** Of plugins of the type CSIPlugin. */
  readonly drivers: PluginHandler;
  /** Where plugins of the node register. Exists. */
  readonly registrations: string;
  /** Keeps the node's CSINode until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
}

/** Pods' directories are below `pods`, volumes that pods share below `staging`. */
export const volumeDirectories = (dataDir: string) => ({
  podsDirectory: join(dataDir, 'pods'),
  stagingDirectory: join(dataDir, 'staging'),
});

/** Where volumes of the local-path provisioner are. */
export const localPathDirectory = (dataDir: string): string => join(dataDir, 'local-path');

/** Directories that drivers mount from the host exist before they do. */
const DRIVER_DIRECTORY_MODE = 0o750;

export async function createVolumes(options: VolumesOptions): Promise<Volumes> {
  const { client, nodeName, dataDir, kubeletDir, allocatable, onStale, attachments, images, logger } = options;
  const { helper = volumeHelper(ownCommand('volume-helper')), nfsHelper = ownCommand('nfs-directory') } = options;
  const objects = new ApiObjectSource({ client, logger, onChange: onStale });
  const tokens = new ServiceAccountTokens(client);
  const written = [configMap, secret, downwardApi, projected].map((type) => type({ objects, tokens, allocatable }));
  const localPaths = new LocalPaths({ client, nodeName, directory: localPathDirectory(dataDir), logger });
  const nfsDirectories = new NfsDirectories({
    ...{ client, nodeName, mountPoint: join(dataDir, 'nfs'), logger },
    helper: nfsHelper,
  });
  const meter = new DirectoryMeter();
  const source = apiClaimSource(client, nodeName);

  const paths = new CsiPaths(kubeletDir);
  const nodeObject = new CsiNodeObject({ client, nodeName, logger });
  const drivers = new CsiDrivers(nodeObject);
  // Not those of projected volumes, which are refreshed when a token is due.
  const driverTokens = new ServiceAccountTokens(client);
  const steps = new CsiSteps({ client, drivers, attachments, tokens: driverTokens, paths });
  const csi = new CsiClaims({ client, source, steps });
  const claims = (['persistentVolumeClaim', 'ephemeral'] as const).map((field) =>
    claimVolume({ source, localPaths, nfsDirectories, csi, meter, field }),
  );

  const directories = volumeDirectories(dataDir);
  const types = [
    emptyDir(meter),
    hostPath,
    ...claims,
    inlineCsi(steps),
    nfs,
    ...written,
    ...(images ? [image(images)] : []),
  ];
  const runner = new VolumeRunner({ ...directories, types, measured: options.measured, logger });
  const { podsDirectory } = directories;
  const shared = { podsDirectory, driversPodsDirectory: paths.pods, runner, objects, tokens, helper, onStale, logger };
  const volumes = new HostPodVolumes(shared);
  attachments.adopt((await runner.staged()).flatMap(({ attributes }) => csiVolumeIn(attributes) ?? []));

  for (const directory of [paths.registrations, paths.volumes, paths.pods])
    await mkdir(directory, { recursive: true, mode: DRIVER_DIRECTORY_MODE });
  return {
    ...{ objects, volumes, localPaths, nfsDirectories },
    csi: {
      seeNode: (node) => {
        attachments.seeNode(node);
        nodeObject.seeNode(node);
      },
      ...{ drivers, registrations: paths.registrations },
      run: (signal) => nodeObject.run(signal),
    },
    [Symbol.dispose]: () => {
      volumes[Symbol.dispose]();
      objects[Symbol.dispose]();
      drivers[Symbol.dispose]();
    },
  };
}
