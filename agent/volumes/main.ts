/** Composition of the volumes room. */
import { join } from 'node:path';
import type { ApiClient } from '../../client/api-client.ts';
import type { Logger } from '../../client/logger.ts';
import { ownCommand } from '../host/own-command.ts';
import { volumeHelper } from '../host/volume-helper/client.ts';
import type { VolumeHelper } from '../host/volume-helper/requests.ts';
import type { ResourceList } from '../../api/domain/resource-names.ts';
import { VolumeRunner } from './framework/volume-runner.ts';
import { apiClaimSource } from './claims/api-claim-source.ts';
import { claimVolume } from './claims/claim-volume.ts';
import { HostPodVolumes } from './host-pod-volumes.ts';
import { emptyDir } from './local/empty-dir.ts';
import { hostPath } from './local/host-path.ts';
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
  /** The node's allocatable resources. */
  readonly allocatable: () => ResourceList;
  /** The content of a pod's volumes is out of date. */
  readonly onStale: (podUid: string) => void;
  readonly logger: Logger;
  /** A helper process of the agent's own program when absent. */
  readonly helper?: VolumeHelper;
}

export interface Volumes extends Disposable {
  readonly objects: ApiObjectSource;
  readonly volumes: HostPodVolumes;
  readonly localPaths: LocalPaths;
}

/** Pods' directories are below `pods`, volumes that pods share below `staging`. */
export const volumeDirectories = (dataDir: string) => ({
  podsDirectory: join(dataDir, 'pods'),
  stagingDirectory: join(dataDir, 'staging'),
});

/** Where volumes of the local-path provisioner are. */
export const localPathDirectory = (dataDir: string): string => join(dataDir, 'local-path');

export function createVolumes({
  client,
  nodeName,
  dataDir,
  allocatable,
  onStale,
  logger,
  ...options
}: VolumesOptions): Volumes {
  const { helper = volumeHelper(ownCommand('volume-helper')) } = options;
  const objects = new ApiObjectSource({ client, logger, onChange: onStale });
  const tokens = new ServiceAccountTokens(client);
  const written = [configMap, secret, downwardApi, projected].map((type) => type({ objects, tokens, allocatable }));
  const localPaths = new LocalPaths({ client, nodeName, directory: localPathDirectory(dataDir), logger });
  const source = apiClaimSource(client, nodeName);
  const claims = (['persistentVolumeClaim', 'ephemeral'] as const).map((field) =>
    claimVolume({ source, localPaths, field }),
  );
  const directories = volumeDirectories(dataDir);
  const runner = new VolumeRunner({ ...directories, types: [emptyDir, hostPath, ...claims, ...written], logger });
  const { podsDirectory } = directories;
  const volumes = new HostPodVolumes({ podsDirectory, runner, objects, tokens, helper, onStale });
  return {
    ...{ objects, volumes, localPaths },
    [Symbol.dispose]: () => {
      volumes[Symbol.dispose]();
      objects[Symbol.dispose]();
    },
  };
}
