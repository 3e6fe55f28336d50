/** The actions of a pod's plan. Those of one plan run concurrently; what follows them is planned anew. */
import type { CgroupLimits } from '../../host/cgroup-tree.ts';
import type { AppliedSizes, ResizedContainer } from '../resize/resize-plan.ts';
import type { ObservedContainer } from './observed.ts';
import type { Container, EphemeralContainer } from '../../../api/types/core/v1.gen.ts';

export type ContainerRole = 'init' | 'sidecar' | 'app' | 'ephemeral';

/** A container of any list of the pod; only ephemeral ones have `targetContainerName`. */
export type AnyContainer = Container & Pick<EphemeralContainer, 'targetContainerName'>;

export type PodAction =
  /** Sets up the volumes, concurrently with the sandbox. */
  | { readonly kind: 'setUp' }
  /** Rewrites what has changed of configMaps, secrets, tokens and downwardAPI. */
  | { readonly kind: 'refreshVolumes' }
  /** `replaces`: dead sandboxes of the pod that still have a network. */
  | { readonly kind: 'createSandbox'; readonly attempt: number; readonly replaces: readonly string[] }
  | {
      readonly kind: 'startContainer';
      readonly container: AnyContainer;
      readonly role: ContainerRole;
      readonly sandboxId: string;
      readonly podIPs: readonly string[];
      readonly restartCount: number;
      readonly backOffSeconds: number;
    }
  | {
      readonly kind: 'stopContainer';
      readonly observed: ObservedContainer;
      /** Absent when the container is not in the spec any more. */
      readonly container?: AnyContainer;
      readonly graceSeconds: number;
      /** The pod ends with it: nothing of it may wait for anything for long. */
      readonly isLast: boolean;
      /** Another one is started in its place. */
      readonly isReplaced: boolean;
      /** For the Killing event. */
      readonly message: string;
    }
  | { readonly kind: 'removeContainer'; readonly observed: ObservedContainer }
  /** Gives running containers other limits of CPU and memory, and in the end the pod's cgroup its `limits`. */
  | {
      readonly kind: 'resize';
      readonly updates: readonly ResizedContainer[];
      readonly limits: CgroupLimits;
      readonly applied: AppliedSizes;
    }
  | { readonly kind: 'stopSandbox'; readonly sandboxId: string }
  | { readonly kind: 'removeSandbox'; readonly sandboxId: string }
  /** Undoes what drivers have prepared of the pod's claims; no container of it runs. */
  | { readonly kind: 'releaseDevices' }
  /** Undoes `setUp`, and removes the pod's cgroup. */
  | { readonly kind: 'tearDown' };

export type PodActionKind = PodAction['kind'];
export type ActionOf<K extends PodActionKind> = Extract<PodAction, { kind: K }>;

/** One executor for each kind of action: the compiler finds an action without executor. */
export type Executors = { readonly [K in PodActionKind]: (action: ActionOf<K>, signal: AbortSignal) => Promise<void> };
