/** The steps that a pod's plan is made of. Those of one plan run at the same time; what follows them is planned afresh. */
import type { ObservedContainer } from './observed.ts';
import type { Container, EphemeralContainer } from '../../../api/types/core/v1.gen.ts';

export type ContainerRole = 'init' | 'sidecar' | 'app' | 'ephemeral';

/** A container of any list of the pod; only ephemeral ones have `targetContainerName`. */
export type AnyContainer = Container & Pick<EphemeralContainer, 'targetContainerName'>;

export type PodAction =
  /** Volumes: what containers need, beside the sandbox, before they can be made. */
  | { readonly kind: 'setUp' }
  /** Rewrites what has changed of configMaps, secrets, tokens and downwardAPI. */
  | { readonly kind: 'refreshVolumes' }
  /** `replaces`: sandboxes of the pod that have died and still hold a network. */
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
      /** Absent when the pod does not know the container any more. */
      readonly container?: AnyContainer;
      readonly graceSeconds: number;
      /** For the Killing event. */
      readonly message: string;
    }
  | { readonly kind: 'removeContainer'; readonly observed: ObservedContainer }
  | { readonly kind: 'stopSandbox'; readonly sandboxId: string }
  | { readonly kind: 'removeSandbox'; readonly sandboxId: string }
  /** Gives back what `setUp` has made, and the pod's cgroup. */
  | { readonly kind: 'tearDown' };

export type PodActionKind = PodAction['kind'];
export type ActionOf<K extends PodActionKind> = Extract<PodAction, { kind: K }>;

/** One executor for each kind of action: the compiler finds an action that nobody executes. */
export type Executors = { readonly [K in PodActionKind]: (action: ActionOf<K>, signal: AbortSignal) => Promise<void> };
