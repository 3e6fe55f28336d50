/** The frame that every type of volume fits in: a plugin a type, a file a plugin. */
import type { AskVolumeHelper } from '../host/volume-helper/requests.ts';
import type { Pod, Volume } from '../../api/types/core/v1.gen.ts';

/** One volume of one pod, while something is done to it. */
export interface VolumeContext {
  readonly pod: Pod;
  /** `<pods>/<uid>/volumes/<plugin's directory>/<volume>`; the plugin makes it. */
  readonly directory: string;
  /** Whether something is mounted at `path`; from mountinfo, never by touching the path. */
  isMounted(path: string): boolean;
  /** Requests of the same pod made at the same time travel in one helper process. */
  readonly ask: AskVolumeHelper;
  readonly signal: AbortSignal;
}

export interface VolumePlugin {
  /** The field of the Volume that this plugin reads. */
  readonly source: Exclude<keyof Volume, 'name'>;
  /** The plugin's directory below `volumes`, as the kubelet names it: `kubernetes.io~configmap`. */
  readonly directory: string;
  /** Whether containers see it read-only whatever their volumeMount says, and only the agent writes its content. */
  readonly agentWritten: boolean;
  /** Makes the volume ready; idempotent. Throws an Error with the reason alone. */
  setUp(volume: Volume, context: VolumeContext): Promise<void>;
  /** Follows the objects that the volume shows. */
  refresh?(volume: Volume, context: VolumeContext): Promise<void>;
  /** What containers mount. */
  hostPath(volume: Volume, directory: string): string;
}
