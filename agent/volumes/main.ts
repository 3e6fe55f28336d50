/** The volumes of this host's pods, put together. */
import { join } from 'node:path';
import type { ApiClient } from '../../client/api-client.ts';
import type { Logger } from '../../client/logger.ts';
import { ownCommand } from '../host/own-command.ts';
import { volumeHelper } from '../host/volume-helper/ask.ts';
import { ApiObjectSource } from './api-object-source.ts';
import type { Resources } from './downward-values.ts';
import { HostPodVolumes } from './host-pod-volumes.ts';
import { ServiceAccountTokens } from './service-account-tokens.ts';

export interface VolumesOptions {
  readonly client: ApiClient;
  readonly dataDir: string;
  /** What the node can give to pods. */
  readonly allocatable: () => Resources;
  /** What the volumes of a pod show has changed. */
  readonly onStale: (podUid: string) => void;
  readonly logger: Logger;
}

export interface Volumes extends Disposable {
  readonly objects: ApiObjectSource;
  readonly volumes: HostPodVolumes;
}

export function createVolumes({ client, dataDir, allocatable, onStale, logger }: VolumesOptions): Volumes {
  const objects = new ApiObjectSource({ client, logger, onChange: onStale });
  const volumes = new HostPodVolumes({
    ...{ objects, allocatable, onStale, logger },
    podsDirectory: join(dataDir, 'pods'),
    tokens: new ServiceAccountTokens(client),
    ask: volumeHelper(ownCommand('volume-helper')),
  });
  return {
    ...{ objects, volumes },
    [Symbol.dispose]: () => {
      volumes[Symbol.dispose]();
      objects[Symbol.dispose]();
    },
  };
}
